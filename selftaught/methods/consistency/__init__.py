"""Methods that make the output for a sample consistent over views, noise or time."""
