"""Public data sets, one file per set or family of sets.

Each file has the literals `KIND` and `NAMES`, and `SETS`, which opens each name.
"""
