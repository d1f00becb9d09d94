"""The methods, one folder each: network, inference, training, recipes, published files."""
