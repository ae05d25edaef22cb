"""Solve a puzzle whose answer is known because the puzzle was made."""
