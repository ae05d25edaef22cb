"""Tasks that evaluate runs, one file each: see `evaluate/task`."""
