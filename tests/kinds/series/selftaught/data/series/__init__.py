"""Short series of numbers."""
