"""Step definitions: one module for each folder of features, and `values` for words that stand for values."""
