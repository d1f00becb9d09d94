"""PDFs to read: scans with unseen text, drawn pages, and odd ones."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from tests.support.places import EXAMPLES

HEIGHT, WIDTH = 160, 120  # of a scan, in pixels
PAGE = (300, 400)  # points


def scan(left: int = 0, mode: str = "RGB") -> Image.Image:
    with Image.open(EXAMPLES / "coffee.jpg") as coffee:
        return coffee.convert("RGB").crop((left, 0, left + WIDTH, HEIGHT)).convert(mode)


def picture(document, image: Image.Image, **more):
    """A picture of a PDF, deflated."""
    import pikepdf

    space = pikepdf.Name.DeviceGray if image.mode == "L" else pikepdf.Name.DeviceRGB
    stream = pikepdf.Stream(document, np.asarray(image).tobytes())
    stream.Type, stream.Subtype, stream.ColorSpace = pikepdf.Name.XObject, pikepdf.Name.Image, space
    stream.Width, stream.Height, stream.BitsPerComponent = *image.size, 8
    for key, value in more.items():
        stream[f"/{key}"] = value
    return document.make_indirect(stream)


def jpeg(document, image: Image.Image):
    import pikepdf

    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=80)
    made = picture(document, image)
    made.write(buffer.getvalue(), filter=pikepdf.Name.DCTDecode)
    return made


def add(document, content: bytes, box=(0, 0, *PAGE), **pictures):
    """A page with a font F1."""
    import pikepdf

    font = pikepdf.Dictionary(Type=pikepdf.Name.Font, Subtype=pikepdf.Name.Type1, BaseFont=pikepdf.Name.Helvetica)
    resources = pikepdf.Dictionary(
        Font=pikepdf.Dictionary(F1=document.make_indirect(font)), XObject=pikepdf.Dictionary()
    )
    for name, each in pictures.items():
        resources.XObject[f"/{name}"] = each
    page = pikepdf.Dictionary(
        Type=pikepdf.Name.Page, MediaBox=pikepdf.Array(box), Resources=resources, Contents=document.make_stream(content)
    )
    document.pages.append(pikepdf.Page(document.make_indirect(page)))
    return document.pages[-1]


FILL = b"q 300 0 0 400 0 0 cm /Im Do Q "


def text(words: bytes, mode: int = 3, where: bytes = b"50 300") -> bytes:
    return b"BT %d Tr /F1 20 Tf %s Td (%s) Tj ET " % (mode, where, words)


def book(path: Path, pages: int = 2) -> Path:
    """Scans with unseen text."""
    import pikepdf

    with pikepdf.new() as document:
        for number in range(pages):
            content = FILL + text(b"Hello page %d" % (number + 1))
            add(document, content, Im=jpeg(document, scan(10 * number)))
        document.docinfo["/Title"] = "A book"
        document.save(path)
    return path


def words(path: Path) -> list[str]:
    """The text of each page."""
    import pypdfium2

    with pypdfium2.PdfDocument(path) as document:
        return [page.get_textpage().get_text_bounded().strip() for page in document]


def drawn(path: Path, page: int = 0, scale: float = 1.0) -> np.ndarray:
    import pypdfium2

    with pypdfium2.PdfDocument(path) as document:
        return np.asarray(document[page].render(scale=scale).to_pil().convert("RGB"), np.int16)


def sizes(path: Path) -> list[tuple[float, float]]:
    import pypdfium2

    with pypdfium2.PdfDocument(path) as document:
        return [page.get_size() for page in document]
