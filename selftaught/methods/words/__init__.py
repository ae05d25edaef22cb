"""Methods that learn a vector for every word from the words around it."""
