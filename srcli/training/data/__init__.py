"""Training data: a batch is a function of (seed, step) alone."""
