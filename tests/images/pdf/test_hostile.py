"""PDFs that are damaged, or made to do harm, are errors."""

from __future__ import annotations

import io
import random

import pytest

from srcli import images
from srcli.images.formats.pdf import source as pdf
from tests.images.pdf import steps
from tests.support.command import srcli

pytest.importorskip("pypdfium2", reason="needs the extra pdf")
pikepdf = pytest.importorskip("pikepdf", reason="needs the extra pdf")
pytest.importorskip("img2pdf", reason="needs the extra pdf")


def saved(content: bytes = b"", box=(0, 0, 300, 400), save=None, **pictures) -> bytes:
    with pikepdf.new() as document:
        steps.add(document, content, box, **{name: make(document) for name, make in pictures.items()})
        buffer = io.BytesIO()
        document.save(buffer, **(save or {}))
        return buffer.getvalue()


def no_pages() -> bytes:
    buffer = io.BytesIO()
    with pikepdf.new() as document:
        document.save(buffer)
    return buffer.getvalue()


def bomb(document):
    made = steps.picture(document, steps.scan())
    made.Width = made.Height = 90000
    return made


def locked() -> dict:
    return {"encryption": pikepdf.Encryption(owner="a", user="b", R=6)}


CASES = {
    "no pages": (no_pages, "is damaged"),
    "nothing behind its head": (lambda: b"%PDF-1.7\n", "is damaged"),
    "half a file": (lambda: saved(steps.FILL, Im=lambda d: steps.picture(d, steps.scan()))[:4000], ""),
    "a password": (lambda: saved(save=locked()), "is encrypted and needs a password"),
    "a page of kilometres": (lambda: saved(box=(0, 0, 900000, 900000)), "more than the limit"),
    "a page without a size": (lambda: saved(box=(0, 0, 0, 0)), ""),
    "a huge picture": (lambda: saved(steps.FILL, Im=bomb), "more than the limit"),
}


@pytest.mark.parametrize("kind", CASES)
def test_a_bad_file_is_one_sentence(kind, tmp_path):
    make, said = CASES[kind]
    path = tmp_path / "bad.pdf"
    path.write_bytes(make())
    result = srcli("upscale", path, "-o", tmp_path / "out.pdf", "-s", 2, "-n", "bicubic", "--max-pixels", 20)
    if kind in ("half a file", "a page without a size") and result.exit_code == 0:
        return  # pdfium may repair what is left, and gives letter size to pages without one
    assert result.exit_code == 1, result.output
    assert said in result.output
    assert "bad.pdf" in result.output
    assert "Traceback" not in result.output
    assert "unexpected" not in result.output
    assert not (tmp_path / "out.pdf").exists()


def test_too_many_pages_and_objects(tmp_path, monkeypatch):
    monkeypatch.setattr(pdf, "MOST_PAGES", 2)
    with pytest.raises(images.ImageError, match="3 pages, more than the limit of 2"):
        images.open_file(steps.book(tmp_path / "book.pdf", 3))
    monkeypatch.setattr(pdf, "MOST_OBJECTS", 50)
    (tmp_path / "a.pdf").write_bytes(saved(b"0 0 1 1 re f " * 100))
    with pytest.raises(images.ImageError, match=r"page 1 of .* has more than 50 objects"):
        images.read(tmp_path / "a.pdf")


def nested(path, *contents: bytes):
    """Forms F0, F1 ... with these contents; the page draws F0."""
    with pikepdf.new() as document:
        page = steps.add(document, steps.FILL + b"/F0 Do ", Im=steps.picture(document, steps.scan()))
        for number, content in enumerate(contents):
            form = pikepdf.Stream(document, content)
            form.Type, form.Subtype = pikepdf.Name.XObject, pikepdf.Name.Form
            form.BBox, form.Resources = pikepdf.Array([0, 0, 300, 400]), page.obj.Resources
            page.obj.Resources.XObject[f"/F{number}"] = document.make_indirect(form)
        document.save(path)
    return path


def test_forms_within_forms_are_counted_before_they_are_drawn(tmp_path):
    """pdfium alone would need years for these."""
    double = [b"/F%d Do /F%d Do " % (n, n) for n in range(1, 40)]
    with pytest.raises(images.ImageError, match=r"draws more than 20000 forms within forms"):
        images.read(nested(tmp_path / "a.pdf", *double, b"0 0 1 1 re f "))
    with pytest.raises(images.ImageError, match=r"draws a form within itself"):
        images.read(nested(tmp_path / "b.pdf", b"/F0 Do /F0 Do "))
    with pytest.raises(images.ImageError, match=r"draws forms more than 100 deep"):
        images.read(nested(tmp_path / "c.pdf", *(b"/F%d Do " % n for n in range(1, 200)), b""))


def test_text_that_is_too_deep_is_left_out_with_a_note(tmp_path):
    deep = [b"/F%d Do " % n for n in range(1, 12)]
    path = nested(tmp_path / "a.pdf", *deep, steps.text(b"Deep"))
    result = srcli("upscale", path, "-o", tmp_path / "b.pdf", "-s", 2, "-n", "bicubic")
    assert result.exit_code == 0, result.output
    assert "the text of page 1 could not be kept: it is too complex" in result.output


def test_changed_bytes_never_crash(tmp_path):
    """Either a picture or an ImageError."""
    whole = bytearray(steps.book(tmp_path / "book.pdf", 1).read_bytes())
    dice, outcomes = random.Random(1), {"read": 0, "refused": 0}
    for _ in range(150):
        data = whole.copy()
        for _ in range(dice.choice((1, 4, 20))):
            data[dice.randrange(len(data))] = dice.randrange(256)
        try:
            images.open_bytes(bytes(data), "a.pdf").picture()
            outcomes["read"] += 1
        except images.ImageError:
            outcomes["refused"] += 1
    assert min(outcomes.values()) > 0, outcomes


def test_without_the_extra(tmp_path, monkeypatch):
    path = steps.book(tmp_path / "book.pdf")
    monkeypatch.setattr(pdf, "find_spec", lambda name: None)
    result = srcli("upscale", path, "-s", 2)
    assert result.exit_code == 1
    assert "book.pdf is a PDF; for PDFs, run: pip install 'srcli[pdf]'" in result.output
