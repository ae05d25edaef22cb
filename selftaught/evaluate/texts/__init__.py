"""How encoders of text are trained for tasks: rows of symbols, a body that reads them, and heads."""
