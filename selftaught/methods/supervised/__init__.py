"""Supervised classification, a file a kind of sample: the reference that every other method is compared with."""
