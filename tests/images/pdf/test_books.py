"""Scanned books: each page twice as fine, as large as before, and its text still found."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from srcli import images
from tests.images.pdf import steps
from tests.support.command import photo, shape, srcli

pytest.importorskip("pypdfium2", reason="needs the extra pdf")
pikepdf = pytest.importorskip("pikepdf", reason="needs the extra pdf")
pytest.importorskip("img2pdf", reason="needs the extra pdf")


def upscale(source, out, *options) -> dict:
    """The record of a PDF that was made."""
    result = srcli("upscale", source, "-o", out, "-s", 2, "-n", "bicubic", "--json", *options)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout.splitlines()[0])


def save(path, *contents: bytes, **pictures):
    with pikepdf.new() as document:
        for content in contents:
            steps.add(document, content, **{name: make(document) for name, make in pictures.items()})
        document.save(path)
    return path


def test_a_scanned_book(tmp_path):
    source, out = steps.book(tmp_path / "book.pdf"), tmp_path / "large.pdf"
    record = upscale(source, out)
    assert (record["frames"], record["width"], record["height"]) == (2, 240, 320)
    assert record["notes"] == []
    assert steps.sizes(out) == steps.sizes(source) == [(300.0, 400.0)] * 2
    assert steps.words(out) == ["Hello page 1", "Hello page 2"]
    for page in (0, 1):
        gap = np.abs(steps.drawn(out, page) - steps.drawn(source, page))
        assert gap.mean() < 4
        with pikepdf.open(out) as document:
            held = list(document.pages[page].images.values())
            assert [(each.Width, each.Height) for each in held] == [(240, 320)]
    with pikepdf.open(out) as document:
        assert document.docinfo["/Title"] == "A book"
    again = json.loads(srcli("show", out, "--json").stdout)["facts"]
    assert (again["model"], again["scale"], again["tiles"]) == ("bicubic", 2.0, 2)
    assert again == record["facts"]


def test_a_result_is_a_scan_again(tmp_path):
    out = tmp_path / "large.pdf"
    upscale(steps.book(tmp_path / "book.pdf", 1), out)
    record = upscale(out, tmp_path / "larger.pdf")
    assert (record["width"], record["notes"]) == (480, [])
    assert steps.words(tmp_path / "larger.pdf") == ["Hello page 1"]


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_page_of_one_picture_is_that_picture(mode, tmp_path):
    path = save(tmp_path / "a.pdf", steps.FILL, Im=lambda document: steps.picture(document, steps.scan(mode=mode)))
    made = images.read(path)
    wanted = np.asarray(steps.scan(mode=mode))
    assert np.array_equal(made.colour.squeeze(), wanted)
    assert made.metadata.dpi == pytest.approx((28.8, 28.8))
    assert not made.tables


def test_the_tables_of_a_jpeg_are_seen(tmp_path):
    made = images.read(steps.book(tmp_path / "book.pdf", 1))
    assert len(made.tables) == 2


ODD = {
    "text that is seen": steps.FILL + steps.text(b"Seen", mode=0),
    "lines": steps.FILL + b"10 10 200 5 re f ",
    "a picture with margins": b"q 200 0 0 300 50 50 cm /Im Do Q ",
    "a picture upside down": b"q -300 0 0 -400 300 400 cm /Im Do Q ",
    "two pictures": steps.FILL + b"q 90 0 0 90 100 100 cm /Im Do Q ",
    "under a white page": steps.FILL + b"q 1 1 1 rg 300 0 0 400 0 0 cm Q ",
}


@pytest.mark.parametrize("kind", ODD)
def test_other_pages_look_the_same(kind, tmp_path):
    """Whether drawn or taken, the picture is what a reader shows."""
    path = save(tmp_path / "a.pdf", ODD[kind], Im=lambda document: steps.picture(document, steps.scan()))
    made = images.read(path)
    seen = steps.drawn(path, scale=made.size.width / 300)
    shown = made.rgb().astype(np.int16)
    height, width = (min(a, b) for a, b in zip(seen.shape, shown.shape, strict=False) if a > 3)
    assert np.abs(seen[:height, :width] - shown[:height, :width]).mean() < 6
    if kind != "under a white page":
        assert made.size.width == 625  # 300 points at 150 dpi
        assert made.notes == ("a page that is no plain scan was drawn first, at 150 dpi",)


def test_inverted_and_masked_scans_look_as_shown(tmp_path):
    for name in ("inverted", "masked"):
        path = tmp_path / f"{name}.pdf"
        with pikepdf.new() as document:
            mask = steps.picture(document, Image.new("L", (steps.WIDTH, steps.HEIGHT), 60))
            more = {"SMask": mask} if name == "masked" else {"Decode": pikepdf.Array([1, 0] * 3)}
            steps.add(document, steps.FILL, Im=steps.picture(document, steps.scan(), **more))
            document.save(path)
        made = images.read(path)
        seen = steps.drawn(path, scale=made.size.width / 300)
        assert abs(float(made.rgb().mean()) - seen.mean()) < 6, name


def test_a_drawn_page_is_as_fine_as_its_picture(tmp_path):
    wide = Image.fromarray(np.tile(np.asarray(steps.scan()), (8, 8, 1)))
    content = steps.FILL + steps.text(b"Seen", mode=0)
    path = save(tmp_path / "a.pdf", content, Im=lambda document: steps.picture(document, wide))
    assert images.read(path).size.width in (960, 961)


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_text_lies_where_it_was(turn, tmp_path):
    """On turned and cropped pages too."""
    import pypdfium2

    path, out = tmp_path / "a.pdf", tmp_path / "b.pdf"
    with pikepdf.new() as document:
        content = b"1 g 0 0 900 900 re f 0 g " + steps.text(b"Where", mode=0, where=b"250 180")
        page = steps.add(document, content, box=(100, 50, 400, 450))
        page.obj["/Rotate"] = turn
        document.save(path)
    upscale(path, out)
    assert steps.sizes(out) == steps.sizes(path)
    assert steps.words(out) == ["Where"]
    ink = np.argwhere(steps.drawn(path).min(2) < 128)
    height = steps.sizes(path)[0][1]
    (top, left), (bottom, right) = ink.min(0), ink.max(0) + 1
    with pypdfium2.PdfDocument(out) as document:
        text = document[0].get_textpage()
        boxes = np.array([text.get_charbox(n) for n in range(text.count_chars())])
    found = (boxes[:, 0].min(), boxes[:, 1].min(), boxes[:, 2].max(), boxes[:, 3].max())
    assert found == pytest.approx((left, height - bottom, right, height - top), abs=2.5)


def test_text_is_not_drawn_twice(tmp_path):
    """Not even by a page that ends our state, or sets its own mode."""
    path, out = tmp_path / "a.pdf", tmp_path / "b.pdf"
    inner = b"Q Q " + steps.FILL + b"Q " + steps.text(b"Loud", mode=0)
    save(path, inner, Im=lambda document: steps.picture(document, steps.scan()))
    upscale(path, out)
    assert steps.words(out) == ["Loud"]
    with pikepdf.open(out) as document:
        document.pages[0].obj["/Resources"]["/XObject"]["/Im0"] = steps.picture(
            document, Image.new("RGB", (1, 1), "white")
        )
        del document.pages[0].obj["/Resources"]["/XObject"][next(iter(document.pages[0].images))]
        document.save(tmp_path / "c.pdf")
    assert steps.words(tmp_path / "c.pdf") == ["Loud"]
    assert steps.drawn(tmp_path / "c.pdf").min() > 250  # without its picture the page is empty


def test_text_of_forms_and_shared_fonts(tmp_path):
    path, out = tmp_path / "a.pdf", tmp_path / "b.pdf"
    with pikepdf.new() as document:
        for _ in range(2):
            page = steps.add(document, steps.FILL + b"/Fm Do ", Im=steps.picture(document, steps.scan()))
            form = pikepdf.Stream(document, steps.text(b"Within"))
            form.Type, form.Subtype = pikepdf.Name.XObject, pikepdf.Name.Form
            form.BBox, form.Resources = pikepdf.Array([0, 0, 300, 400]), page.obj.Resources
            page.obj.Resources.XObject["/Fm"] = document.make_indirect(form)
        document.save(path)
    assert upscale(path, out)["frames"] == 2
    assert steps.words(out) == ["Within", "Within"]


def test_one_page_and_other_formats(tmp_path):
    source = steps.book(tmp_path / "book.pdf", 3)
    upscale(source, tmp_path / "two.pdf", "--frame", 2)
    assert steps.words(tmp_path / "two.pdf") == ["Hello page 2"]
    upscale(source, tmp_path / "book.tif")
    with Image.open(tmp_path / "book.tif") as tiff:
        assert tiff.n_frames == 3
    record = upscale(source, tmp_path / "book.png")
    assert "the first of 3 pages is used" in record["notes"][0]
    assert shape(tmp_path / "book.png") == (240, 320)
    upscale(photo(tmp_path / "photo.png", 40, 60), tmp_path / "photo.pdf")
    assert steps.sizes(tmp_path / "photo.pdf") == [pytest.approx((120 * 0.75, 80 * 0.75))]
    assert srcli("upscale", source, "-s", 2, "-n", "bicubic").exit_code == 0
    assert steps.words(tmp_path / "book_x2.pdf") == [f"Hello page {n}" for n in (1, 2, 3)]


def test_quality_100_is_lossless(tmp_path):
    source = save(tmp_path / "a.pdf", steps.FILL, Im=lambda document: steps.picture(document, steps.scan()))
    upscale(source, tmp_path / "b.pdf", "--quality", 100)
    upscale(source, tmp_path / "b.png")
    with Image.open(tmp_path / "b.png") as wanted:
        assert np.array_equal(images.read(tmp_path / "b.pdf").colour, np.asarray(wanted))


def test_strip_keeps_the_text_but_no_title(tmp_path):
    upscale(steps.book(tmp_path / "book.pdf", 1), tmp_path / "b.pdf", "--strip")
    assert steps.words(tmp_path / "b.pdf") == ["Hello page 1"]
    with pikepdf.open(tmp_path / "b.pdf") as document:
        assert "/Title" not in document.docinfo
        assert "/PieceInfo" not in document.Root


def test_folders_leave_pdfs_out(tmp_path):
    steps.book(tmp_path / "book.pdf")
    photo(tmp_path / "photo.png")
    result = srcli("upscale", tmp_path, "-o", tmp_path / "out", "-s", 2, "-n", "bicubic")
    assert result.exit_code == 0, result.output
    assert [path.name for path in (tmp_path / "out").glob("*.p*")] == ["photo_x2.png"]


def test_several_books_at_once(tmp_path):
    """One is read while another is made: pdfium is for one thread."""
    books = [steps.book(tmp_path / f"{n}.pdf", 3) for n in range(4)]
    result = srcli("upscale", *books, "-o", tmp_path / "out", "-s", 2, "-n", "bicubic", "--json")
    assert result.exit_code == 0, result.output
    assert all(steps.words(tmp_path / "out" / f"{n}_x2.pdf")[2] == "Hello page 3" for n in range(4))
