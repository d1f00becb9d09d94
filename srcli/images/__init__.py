"""Read and write pictures: decoding, encoding, colour, transparency, metadata."""

from srcli.images.layout import Layout
from srcli.images.picture import Picture
from srcli.images.read import open_bytes, open_file, read
from srcli.images.source import ImageError, Source
from srcli.images.write import Destination, writable_suffix, write

__all__ = [
    "Destination",
    "ImageError",
    "Layout",
    "Picture",
    "Source",
    "open_bytes",
    "open_file",
    "read",
    "writable_suffix",
    "write",
]
