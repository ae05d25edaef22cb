"""The verbs of the command line: one file = one verb, a function of the file's name, found by its path."""
