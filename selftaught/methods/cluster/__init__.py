"""Learn groups of samples, and features that tell the groups apart."""
