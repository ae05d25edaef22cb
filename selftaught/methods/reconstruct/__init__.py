"""Rebuild what was hidden or damaged."""
