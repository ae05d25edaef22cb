"""Videos: files, folders of numbered frames, and arrays. A sample is a frame, which knows its place in time."""
