"""Previews of pictures in notebooks."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from PIL import Image

from srcli.images.write import to_pil

if TYPE_CHECKING:
    from srcli.images.picture import Picture

LONGEST = 1024  # pixels of the longer side


def png(picture: Picture) -> bytes:
    """A PNG of the picture, made smaller where it is large."""
    image = to_pil(picture)
    image.thumbnail((LONGEST, LONGEST), Image.Resampling.BOX)
    file = io.BytesIO()
    image.save(file, "PNG", icc_profile=picture.icc)
    return file.getvalue()
