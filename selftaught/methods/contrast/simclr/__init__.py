"""SimCLR, one file per kind of sample."""
