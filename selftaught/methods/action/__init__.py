"""Learning to act."""
