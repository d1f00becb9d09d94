"""The text of a PDF's page without anything else, to lie unseen under its picture."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

TEXT = frozenset({"BT", "ET", "Tc", "Tw", "Tz", "TL", "Tf", "Ts", "Td", "TD", "Tm", "T*", "Tj", "TJ", "'", '"'})
SHOWN = frozenset({"Tj", "TJ", "'", '"'})
STATE = frozenset({"q", "Q", "cm"})
DEEPEST = 8  # of forms within forms
MOST = 500_000  # instructions on a page, with those of its forms as often as they are drawn


class TooComplex(Exception):
    """A page whose text takes too long."""


@dataclass(slots=True)
class Layer:
    """Takes text from the pages of one document to another.

    source, out: of pikepdf.
    """

    source: Any
    out: Any
    _left: int = field(default=MOST, init=False)

    def of(self, number: int) -> Any | None:
        """The text of a page as a form on a page whose corner is at 0, 0 and that is upright; None without any text.

        Raises TooComplex, or any error of pikepdf.
        """
        page, self._left = self.source.pages[number], MOST
        box = [float(v) for v in page.cropbox]
        x0, x1 = sorted((box[0], box[2]))
        y0, y1 = sorted((box[1], box[3]))
        turn = int(page.obj.get("/Rotate", self._inherited(page.obj, "/Rotate") or 0)) % 360
        matrix = {
            90: [0, -1, 1, 0, -y0, x1],
            180: [-1, 0, 0, -1, x1, y1],
            270: [0, 1, -1, 0, y1, -x0],
        }.get(turn, [1, 0, 0, 1, -x0, -y0])
        resources = self._inherited(page.obj, "/Resources")
        return self._form(page.obj, resources, [x0, y0, x1, y1], matrix, depth=0)

    @staticmethod
    def _inherited(node: Any, key: str) -> Any:
        """What a page or the nodes above it say."""
        for _ in range(64):
            if key in node:
                return node[key]
            if "/Parent" not in node:
                return None
            node = node["/Parent"]
        return None

    def _form(self, content: Any, resources: Any, box: list[float], matrix: list[float], depth: int) -> Any | None:
        import pikepdf

        if depth > DEEPEST:
            raise TooComplex
        kept, names, forms, shown, open_ = [], set(), {}, False, 0
        for each in pikepdf.parse_content_stream(content):
            operands, operator = each.operands, each.operator
            self._left -= 1
            if self._left < 0:
                raise TooComplex
            word = str(operator)
            if word == "Do":
                name = str(operands[0])
                if name not in forms:
                    forms[name] = self._inner(resources, name, depth)
                if forms[name] is None:
                    continue
                shown = True
            elif word == "Tf":
                names.add(str(operands[0]))
            elif word not in TEXT and word not in STATE:
                continue
            if word == "q":
                open_ += 1
            elif word == "Q":
                if not open_:  # it would end our own state, which hides the text
                    continue
                open_ -= 1
            shown = shown or word in SHOWN
            kept.append(pikepdf.ContentStreamInstruction(operands, operator))
        if not shown:
            return None
        body = b"3 Tr\n" + pikepdf.unparse_content_stream(kept) + b"\nQ" * open_
        form = pikepdf.Stream(self.out, body)
        form["/Type"], form["/Subtype"] = pikepdf.Name.XObject, pikepdf.Name.Form
        form["/BBox"], form["/Matrix"] = pikepdf.Array(box), pikepdf.Array(matrix)
        found = {name: each for name, each in forms.items() if each is not None}
        form["/Resources"] = pikepdf.Dictionary({"/Font": self._fonts(resources, names), "/XObject": found})
        return self.out.make_indirect(form)

    def _inner(self, resources: Any, name: str, depth: int) -> Any | None:
        """The text of a form that a page draws."""
        drawn = None if resources is None else resources.get("/XObject", {}).get(name)
        if drawn is None or drawn.get("/Subtype") != "/Form":
            return None
        box = [float(v) for v in drawn["/BBox"]]
        matrix = [float(v) for v in drawn.get("/Matrix", [1, 0, 0, 1, 0, 0])]
        return self._form(drawn, drawn.get("/Resources", resources), box, matrix, depth + 1)

    def _fonts(self, resources: Any, names: set[str]) -> Any:
        import pikepdf

        fonts = pikepdf.Dictionary()
        known = {} if resources is None else resources.get("/Font", {})
        for name in sorted(names):
            if name in known:
                font = known[name]
                fonts[name] = self.out.copy_foreign(font if font.is_indirect else self.source.make_indirect(font))
        return fonts
