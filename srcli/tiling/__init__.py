"""A model over a picture in tiles: the contract, the windows, the strips, the guard."""
