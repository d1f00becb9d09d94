"""Architectures as pure `nn.Module`s, one per module. Nothing here reads a file."""
