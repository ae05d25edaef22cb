"""A vector for every word, learned from the words around it."""
