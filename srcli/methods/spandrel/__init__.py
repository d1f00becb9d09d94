"""Community models of the architectures that the package spandrel knows."""
