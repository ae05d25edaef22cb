"""Supervised classification, one file per kind of sample: the reference that every other method is compared with."""
