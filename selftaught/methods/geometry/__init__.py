"""Learn from the geometry of a scene that is seen from several places."""
