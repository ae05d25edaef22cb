"""Methods that cluster samples and learn features that separate the clusters."""
