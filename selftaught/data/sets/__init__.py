"""Public data sets, a file each (or a family of sets).

The literals `KIND` and `NAMES`, and `SETS`, what opens each name.
"""
