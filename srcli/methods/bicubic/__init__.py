"""Bicubic interpolation, as a model among the others."""
