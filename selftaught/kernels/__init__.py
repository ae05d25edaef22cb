"""Compiled loops: arrays in, arrays out. No torch, no classes."""
