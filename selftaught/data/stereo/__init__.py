"""Pairs of pictures of two eyes, rectified: what lies at a pixel of one lies in the same row of the other."""
