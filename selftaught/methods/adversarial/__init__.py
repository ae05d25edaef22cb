"""Methods in which networks play against each other."""
