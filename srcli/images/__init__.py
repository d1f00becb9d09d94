"""Pictures in and out of files: decode, encode, colour, alpha, metadata."""

from srcli.images.picture import Picture
from srcli.images.read import ImageError, read
from srcli.images.write import Destination, writable_suffix, write

__all__ = ["Destination", "ImageError", "Picture", "read", "writable_suffix", "write"]
