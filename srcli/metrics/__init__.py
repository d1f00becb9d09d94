"""One file per metric: images in, numbers out, definition and source in the docstring."""
