"""Tell two views of one sample from views of other samples."""
