"""Denoising autoencoders, one file per kind of sample."""
