"""Information: codes that keep what one part of a sample says about another."""
