"""What commands share: console, options, signals, tables."""
