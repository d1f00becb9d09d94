"""Read the pages of a PDF as pictures, with pdfium."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import cv2
import numpy as np
from PIL import Image

from srcli.images.formats.pdf import forms
from srcli.images.formats.raw import MissingPackage
from srcli.images.metadata import Metadata, Page
from srcli.images.picture import Picture
from srcli.images.source import ImageError, check_frame, check_size, decoding

PACKAGES = ("pypdfium2", "img2pdf", "pikepdf")
HEADER = 1024  # bytes among which a PDF begins
MOST_PAGES = 5000
MOST_OBJECTS = 300_000  # of a page
POINTS = 72.0  # an inch
RESOLUTION = 150.0  # of pages that are drawn, in pixels an inch, unless they hold a finer picture
FINEST = 600.0
LARGE = 0.05  # share of the page from which on a picture counts
FULL = 0.98  # share of the page that a scan covers
ALIKE = 12.0  # mean difference, of 255, up to which a scan is the page
PROOF = 96  # pixels, the long side of what is compared
LOCK = threading.RLock()  # pdfium must not run in two threads
INFO = ("Title", "Author", "Subject", "Keywords", "Creator")


def is_pdf(data: bytes) -> bool:
    """Whether data is a PDF."""
    return b"%PDF-" in data[:HEADER]


def need_packages(name: str) -> None:
    """Raise MissingPackage unless PDFs can be read and written."""
    if any(find_spec(package) is None for package in PACKAGES):
        raise MissingPackage(f"{name} is a PDF; for PDFs, run: pip install 'srcli[pdf]'")


@dataclass(frozen=True, slots=True)
class Plan:
    """How a page becomes a picture.

    scan: the number of the page's only picture, which fills it; None for a page that must be drawn.
    dpi: resolution at which it is drawn otherwise.
    """

    scan: int | None
    dpi: float


class PdfSource:
    """The pages of a PDF. A page that is a scan gives the scan itself; others are drawn."""

    animated = False
    loop: int | None = None

    def __init__(self, data: bytes, name: str, max_pixels: int) -> None:
        need_packages(name)
        self.data, self.name, self.max_pixels = data, name, max_pixels
        with self._open() as document:
            self.frames = len(document)
            self.info = _info(document)
        if not self.frames:
            raise ImageError(f"{name} has no pages")
        if self.frames > MOST_PAGES:
            raise ImageError(f"{name} has {self.frames} pages, more than the limit of {MOST_PAGES}; split it")

    def picture(self, frame: int = 0) -> Picture:
        check_frame(self.name, frame, self.frames)
        where = f"page {frame + 1} of {self.name}"
        with decoding(where):
            forms.check(self.data, frame, where)
        with self._open() as document, decoding(where):
            page = document[frame]
            width, height = page.get_size()
            if not (0 < width < 1e6 and 0 < height < 1e6):
                raise ImageError(f"{where} is damaged: a page of {width:g}x{height:g} points")
            plan = self._plan(page, width, height, where)
            pixels, tables = self._scan(page, plan, where)
            notes: tuple[str, ...] = ()
            if pixels is None:
                pixels = self._drawn(page, plan.dpi, where)
                notes = (f"a page that is no plain scan was drawn first, at {plan.dpi:.0f} dpi",)
        dpi = (pixels.shape[1] * POINTS / width, pixels.shape[0] * POINTS / height)
        told = Page(document=self.data, number=frame, width=width, height=height, info=self.info)
        return Picture(_plain(pixels), metadata=Metadata(dpi=dpi, page=told), notes=notes, tables=tables)

    @contextmanager
    def _open(self) -> Iterator[Any]:
        import pypdfium2

        with LOCK, decoding(self.name):
            try:
                document = pypdfium2.PdfDocument(self.data)
            except pypdfium2.PdfiumError as error:
                if "assword" in str(error):
                    raise ImageError(f"{self.name} is encrypted and needs a password; decrypt it first") from None
                raise
            try:
                yield document
            finally:
                document.close()

    def _plan(self, page: Any, width: float, height: float, where: str) -> Plan:
        """Raises ImageError for pages with too many objects or too large a picture."""
        import pypdfium2.raw as pdfium

        pictures, drawn, dpi = [], False, 0.0
        for number, part in enumerate(page.get_objects()):
            if number > MOST_OBJECTS:
                raise ImageError(f"{where} has more than {MOST_OBJECTS} objects")
            if part.type == pdfium.FPDF_PAGEOBJ_IMAGE:
                across, down = part.get_px_size()
                check_size(f"a picture on {where}", across, down, self.max_pixels)
                left, bottom, right, top = part.get_bounds()
                share = (min(right, width) - max(left, 0)) * (min(top, height) - max(bottom, 0)) / (width * height)
                pictures.append((number, share))
                if share > LARGE and right > left and top > bottom:
                    dpi = max(dpi, POINTS * min(across / (right - left), down / (top - bottom)))
            elif part.type == pdfium.FPDF_PAGEOBJ_TEXT:
                mode = pdfium.FPDFTextObj_GetTextRenderMode(part)
                drawn = drawn or mode != pdfium.FPDF_TEXTRENDERMODE_INVISIBLE
            elif part.type != pdfium.FPDF_PAGEOBJ_FORM:
                drawn = True
        alone = len(pictures) == 1 and not drawn and page.get_rotation() == 0 and pictures[0][1] > FULL
        resolution = min(dpi, FINEST) if dpi > RESOLUTION else RESOLUTION
        return Plan(pictures[0][0] if alone else None, resolution)

    def _scan(self, page: Any, plan: Plan, where: str) -> tuple[np.ndarray | None, tuple[tuple[int, ...], ...]]:
        """The pixels of a page's only picture, and the tables of its JPEG; None if the page does not look like it:
        turned, inverted or masked ones are drawn."""
        if plan.scan is None:
            return None, ()
        part = next(each for number, each in enumerate(page.get_objects()) if number == plan.scan)
        a, b, c, d, *_ = part.get_matrix().get()
        if a <= 0 or d <= 0 or abs(b) > 1e-3 * a or abs(c) > 1e-3 * d:
            return None, ()
        pixels = _pixels(part.get_bitmap(render=False))
        size = self._small(page)
        proof = _rgb(_pixels(page.render(scale=max(size) / max(page.get_size()))))
        small = cv2.resize(_rgb(pixels), (proof.shape[1], proof.shape[0]), interpolation=cv2.INTER_AREA)
        if np.abs(small.astype(np.int16) - proof).mean() > ALIKE:
            return None, ()
        return pixels, _tables(part)

    @staticmethod
    def _small(page: Any) -> tuple[int, int]:
        width, height = page.get_size()
        most = max(width, height)
        return max(1, round(PROOF * width / most)), max(1, round(PROOF * height / most))

    def _drawn(self, page: Any, dpi: float, where: str) -> np.ndarray:
        scale = dpi / POINTS * (1 - 1e-7)  # or rounding would add a pixel to whole numbers
        width, height = (max(1, int(side * scale + 1)) for side in page.get_size())
        check_size(where, width, height, self.max_pixels)
        return _pixels(page.render(scale=scale))


def _info(document: Any) -> tuple[tuple[str, str], ...]:
    found = document.get_metadata_dict(skip_empty=True)
    return tuple((key, found[key][:2000]) for key in INFO if found.get(key))


def _pixels(bitmap: Any) -> np.ndarray:
    """A bitmap of pdfium as (H, W, 1 or 3)."""
    if bitmap.mode in ("L", "RGB", "BGR", "BGRX", "BGRA", "RGBX", "RGBA"):
        array = bitmap.to_numpy()
        array = array.reshape(*array.shape[:2], -1)
        turned = array[..., 2::-1] if bitmap.mode.startswith("BGR") else array[..., :3]
        return np.array(turned, order="C")
    return np.asarray(bitmap.to_pil().convert("RGB"))


def _rgb(pixels: np.ndarray) -> np.ndarray:
    return np.repeat(pixels, 3, 2) if pixels.shape[2] == 1 else pixels


def _plain(pixels: np.ndarray) -> np.ndarray:
    """Grey where all channels are the same."""
    grey = pixels.shape[2] == 3 and (pixels[..., :1] == pixels).all()
    return np.ascontiguousarray(pixels[..., :1]) if grey else pixels


def _tables(part: Any) -> tuple[tuple[int, ...], ...]:
    """The quantization tables of a picture that is kept as a JPEG."""
    if part.get_filters() != ["DCTDecode"]:
        return ()
    with Image.open(io.BytesIO(bytes(part.get_data())), formats=("JPEG",)) as image:
        found: dict[int, list[int]] = getattr(image, "quantization", None) or {}
        return tuple(tuple(found[n]) for n in sorted(found))
