"""Methods that reconstruct hidden or corrupted input."""
