"""Language models: what comes next, and how probable a sentence is."""
