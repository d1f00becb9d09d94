"""Sizes below which PyTorch computes a convolution by another kernel, which rounds differently.

Models grow smaller windows to them, so that a tile has the bits of the whole picture. They were found by comparing
tiles with wholes; a property test of each model checks them.
"""

from __future__ import annotations

ENCODED_PIXELS = 7_000  # pixels of the small picture, for encoders of 48 channels and more
PATCHES = 1_600  # positions of LINF's grid of patches
CANVAS_PIXELS = 64_000  # pixels of the output, for networks that fold it by 4
NUMBERS_PER_THREAD = 20_480  # numbers of a convolution's input, for SRFlow's narrow layers

# Of speed, not of exactness: features of that many queries of LINF stay in a CPU's cache.
QUERIES_AT_ONCE = 4_096
