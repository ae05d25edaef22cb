"""Public data sets, a file each (or a family of sets): the literals `KIND` and `NAMES`, and `SETS`, what opens each name."""
