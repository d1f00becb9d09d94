"""Pure `nn.Module`s, one file per architecture. Nothing here reads a file."""
