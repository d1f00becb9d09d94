"""Recognise published checkpoints: families, shapes, encoders."""
