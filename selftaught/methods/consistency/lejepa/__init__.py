"""LeJEPA, one file per kind of sample."""
