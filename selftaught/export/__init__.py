"""What is taken away from a run, in formats that other programs read."""
