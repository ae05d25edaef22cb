"""The new files are laid over a copy of the package before they run."""

collect_ignore = ["series"]
