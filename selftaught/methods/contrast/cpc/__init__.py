"""Contrastive predictive coding, one file per kind of sample."""
