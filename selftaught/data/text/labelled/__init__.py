"""Labelled text as it is published: rows with labels, tagged words, questions about a passage, and choices."""
