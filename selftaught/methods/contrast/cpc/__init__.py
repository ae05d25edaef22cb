"""Contrastive predictive coding, a file a kind of sample."""
