"""Pretext tasks: solve a task whose answer is known because the task was generated."""
