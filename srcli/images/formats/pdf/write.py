"""Write pictures as the pages of a PDF, each with the text of the page that it was made from."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

from srcli import files
from srcli.images import encode
from srcli.images.encode import Style
from srcli.images.formats.pdf.source import POINTS
from srcli.images.formats.pdf.text import Layer, TooComplex
from srcli.images.layout import Band, Layout
from srcli.images.metadata import TEXT_KEY, Metadata, Page
from srcli.provenance import TOOL

DPI = 96.0  # of pictures that state none
LONGEST = 14400.0  # points that a page may have
LOSSLESS = 100
NAME = "/" + TOOL


@dataclass(slots=True)
class _Writer:
    """stack: holds open what pages are taken from until the file is saved."""

    out: Any
    folder: Path
    style: Style
    stack: ExitStack
    notes: list[str] = field(default_factory=list)
    layers: dict[int, Layer] = field(default_factory=dict)

    def add(self, layout: Layout, bands: Iterable[Band]) -> None:
        """Append a page."""
        import img2pdf
        import pikepdf

        file = self.folder / f"{len(self.out.pages)}.pdf"
        kind = "PNG" if self.style.quality >= LOSSLESS else "JPEG"
        picture = io.BytesIO()
        encode.still(kind, picture, replace(layout, metadata=Metadata()), bands, self.style)
        shape = img2pdf.get_layout_fun(_points(layout))
        file.write_bytes(img2pdf.convert(picture.getvalue(), layout_fun=shape, nodate=True))
        self.out.pages.append(self.stack.enter_context(pikepdf.open(file)).pages[0])
        if layout.metadata.page is not None:
            self._add_text(layout.metadata.page)

    def _add_text(self, told: Page) -> None:
        import pikepdf

        try:
            form = self._layer(told).of(told.number)
        except (pikepdf.PdfError, TooComplex, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
            reason = " ".join(str(error).split())[:120] or "it is too complex"
            self.notes.append(f"the text of page {told.number + 1} could not be kept: {reason}")
            return
        if form is None:
            return
        page = self.out.pages[-1]
        page.obj["/Resources"]["/XObject"]["/Text"] = form
        # Under the picture: glyphs of some fonts cannot be told to be unseen.
        page.contents_add(b"q /Text Do Q", prepend=True)

    def _layer(self, told: Page) -> Layer:
        """One for each document, or its fonts would be copied for each page."""
        import pikepdf

        if id(told.document) not in self.layers:
            source = self.stack.enter_context(pikepdf.open(io.BytesIO(told.document)))
            self.layers[id(told.document)] = Layer(source, self.out)
        return self.layers[id(told.document)]

    def describe(self, data: Metadata) -> None:
        """Title and author of the source, and how the first page was made."""
        import pikepdf

        for key, value in () if data.page is None else data.page.info:
            self.out.docinfo[f"/{key}"] = value
        if facts := dict(data.text).get(TEXT_KEY):
            private = self.out.make_indirect(pikepdf.Stream(self.out, facts.encode()))
            self.out.Root["/PieceInfo"] = pikepdf.Dictionary({NAME: pikepdf.Dictionary({"/Private": private})})
            version = json.loads(facts).get("version", "")
            self.out.docinfo["/Producer"] = f"{TOOL} {version}".strip()


def write(file: BinaryIO, pages: Iterable[tuple[Layout, Iterable[Band]]], style: Style) -> list[str]:
    """Write pages: JPEG of the style's quality within, lossless for 100. Returns notes."""
    import pikepdf

    with files.temporary_folder() as folder, ExitStack() as stack:
        out = stack.enter_context(pikepdf.new())
        writer, first = _Writer(out, Path(folder), style, stack), None
        for layout, bands in pages:
            first = first or layout
            writer.add(layout, bands)
        if first is not None:
            writer.describe(first.metadata)
        # What is said of the making stays as it is: counts are entered later.
        out.save(file, compress_streams=False, deterministic_id=True)
    return writer.notes


def provenance(data: bytes) -> str | None:
    """What a PDF says of how its pages were made."""
    import pikepdf

    with pikepdf.open(io.BytesIO(data)) as document:
        told: Any = document.Root
        for key in ("/PieceInfo", NAME, "/Private"):
            told = told.get(key) if isinstance(told, pikepdf.Dictionary) else None
        return told.read_bytes().decode("utf-8", "replace") if isinstance(told, pikepdf.Stream) else None


def _points(layout: Layout) -> tuple[float, float]:
    """Width and height of a page: those of its source, or of the picture at its resolution."""
    if (page := layout.metadata.page) is not None:
        sides = (page.width, page.height)
    else:
        across, down = layout.metadata.dpi or (DPI, DPI)
        sides = (layout.size.width / across * POINTS, layout.size.height / down * POINTS)
    shrink = min(1.0, LONGEST / max(sides))
    return max(3.0, sides[0] * shrink), max(3.0, sides[1] * shrink)
