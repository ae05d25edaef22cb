"""Language models: predict the next word and the probability of a sentence."""
