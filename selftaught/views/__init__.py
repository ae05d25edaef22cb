"""Random transformations, in two steps: sample parameters, apply them."""
