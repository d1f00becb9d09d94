"""What published checkpoints look like: families, shapes, encoders."""
