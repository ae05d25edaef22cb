"""Tasks that runs are judged by, a file each: see `evaluate/task`."""
