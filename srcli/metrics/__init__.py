"""Metrics, one per module: images in, numbers out; each docstring gives definition and source."""
