"""How low-resolution images come about."""
