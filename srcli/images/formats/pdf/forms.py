"""How often the forms of a PDF's page are drawn: forms within forms may be many, and pdfium would draw all of them."""

from __future__ import annotations

import io
from typing import Any

from srcli.images.source import ImageError

MOST = 20_000  # forms on a page, counted as often as they are drawn
MOST_DEEP = 100


def check(data: bytes, number: int, where: str) -> None:
    """Raise ImageError for a page that draws too many forms, or one within itself. Raises errors of pikepdf too.

    data: the PDF.
    number: of the page, from 0.
    where: for the message.
    """
    import pikepdf

    with pikepdf.open(io.BytesIO(data)) as document:
        page = document.pages[number]
        drawn = _Counting(where).of(page.obj, page.resources)
    if drawn > MOST:
        raise ImageError(f"{where} draws more than {MOST} forms within forms")


class _Counting:
    def __init__(self, where: str) -> None:
        self.where = where
        self.known: dict[tuple[int, int], int] = {}
        self.within: set[tuple[int, int]] = set()

    def of(self, content: Any, resources: Any) -> int:
        """How many forms a page or a form draws."""
        import pikepdf

        total = 0
        known: Any = resources.get("/XObject", {}) if isinstance(resources, pikepdf.Dictionary) else {}
        for each in pikepdf.parse_content_stream(content, "Do"):
            form = known.get(str(each.operands[0])) if each.operands else None
            if isinstance(form, pikepdf.Stream) and form.get("/Subtype") == "/Form":
                total += 1 + self._form(form, form.get("/Resources", resources))
        return min(total, 2 * MOST)

    def _form(self, form: Any, resources: Any) -> int:
        key = form.objgen
        if key in self.within:
            raise ImageError(f"{self.where} draws a form within itself")
        if key not in self.known:
            self.within.add(key)
            if len(self.within) > MOST_DEEP:
                raise ImageError(f"{self.where} draws forms more than {MOST_DEEP} deep")
            self.known[key] = self.of(form, resources)
            self.within.remove(key)
        return self.known[key]
