"""Models for programs that have no PyTorch."""
