"""Contrastive methods: tell two views of one sample from views of other samples."""
