"""Public data sets, one a file: `ENTRY`, `cached()` and `load(split, progress)`. The file name, with dashes, is the name."""
