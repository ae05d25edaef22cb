"""Export features and word vectors in formats that other programs read."""
