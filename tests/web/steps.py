"""What visitors do and see."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from tests.support.places import EXAMPLES

LONG = 60_000  # milliseconds until a small picture must be done


def photo(path: Path, width: int = 48, height: int = 40) -> Path:
    """A JPEG with metadata."""
    exif = Image.Exif()
    exif[0x010E] = "A cat"
    with Image.open(EXAMPLES / "cat.png") as cat:
        cat.convert("RGB").crop((60, 40, 60 + width, 40 + height)).save(path, quality=97, exif=exif, dpi=(300, 300))
    return path


def drop(page, file: Path) -> None:
    """Choose a file and wait until the page has looked at it."""
    if (clear := page.locator("#drop").get_by_label("Clear", exact=True)).is_visible():
        clear.click()
    page.set_input_files("#drop input[type=file]", file)
    page.wait_for_function("name => document.querySelector('#line').innerText.includes(name)", arg=file.name)


def enlarge(page) -> None:
    page.click("#go")
    page.wait_for_selector("#download:visible", timeout=LONG)


def download(page, folder: Path) -> Path:
    with page.expect_download() as found:
        page.click("#download")
    path = folder / found.value.suggested_filename
    found.value.save_as(path)
    return path


def line(page) -> str:
    return page.locator("#line").inner_text()
