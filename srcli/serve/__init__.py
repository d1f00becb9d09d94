"""A resident worker: models loaded once, pictures by HTTP or by lines."""
