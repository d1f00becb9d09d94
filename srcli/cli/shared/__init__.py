"""Code shared by commands: console, options, signals, tables."""
