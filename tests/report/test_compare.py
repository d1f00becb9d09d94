"""`srcli compare`: the page in a real browser, pairs that do not fit named and counted."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from srcli.cli.app import app
from srcli.images import folders
from srcli.metrics.psnr import psnr
from srcli.report.terminal import preview
from tests.support.places import EXAMPLES


def compare(*arguments: object):
    return CliRunner().invoke(app, ["compare", *[str(a) for a in arguments]])


def data_of(page: Path) -> dict:
    found = re.search(r'<script id="data" type="application/json">(.*?)</script>', page.read_text(), re.S)
    assert found
    return json.loads(found[1])


@pytest.fixture
def versions(tmp_path) -> list[Path]:
    """A photo, and versions of it that are worse and worse, as PNG, WebP and TIFF."""
    photo = Image.open(EXAMPLES / "cat.png").convert("RGB")
    made = [tmp_path / name for name in ("photo.png", "small.webp", "smaller.tif")]
    photo.save(made[0])
    for path, factor in ((made[1], 2), (made[2], 6)):
        low = photo.resize((photo.width // factor, photo.height // factor))
        low.resize(photo.size).save(path, **({"lossless": True} if path.suffix == ".webp" else {}))
    return made


def test_scores_are_those_of_the_files(versions, tmp_path):
    photo, *worse = versions
    page = tmp_path / "out" / "page.html"
    result = compare(*worse, "--original", photo, "--border", 2, "-o", page, "--label", "half", "--label", "</script>")
    assert result.exit_code == 0, result.output
    data = data_of(page)
    assert data["labels"] == ["half", "</script>", "original"]
    (scene,) = data["scenes"]
    assert (scene["width"], scene["height"]) == (226, 150)
    pixels = [np.asarray(Image.open(p).convert("RGB")) for p in versions]
    for shot, image in zip(scene["shots"], pixels[1:], strict=False):
        assert f"{psnr(image, pixels[0], border=2):.2f} dB" in shot["note"]
    assert [shot["src"][:15] for shot in scene["shots"]] == ["data:image/webp", "data:image/png;", "data:image/png;"]


def test_folders_are_matched_and_what_is_missing_is_named(tmp_path):
    a, b = tmp_path / "a", tmp_path / "b"
    for folder in (a, b):
        folder.mkdir()
    for name in ("one.png", "two.png", "three.png"):
        shutil.copy(EXAMPLES / "cat.png", a / name)
    shutil.copy(EXAMPLES / "cat.png", b / "one_x4.png")
    (b / "two_x4.png").write_text("no picture")
    result = compare(a, b, "-o", tmp_path / "page.html")
    assert result.exit_code == 3
    assert [s["name"] for s in data_of(tmp_path / "page.html")["scenes"]] == ["one"]
    assert "three: no pictures of that name" in result.output
    assert "two_x4.png is not a picture" in result.output


def test_other_sizes_get_no_scores(tmp_path, versions):
    small = tmp_path / "tiny.png"
    Image.open(versions[0]).resize((113, 75)).save(small)
    assert compare(small, versions[1], "--original", versions[0], "-o", tmp_path / "page.html").exit_code == 0
    notes = [shot["note"] for shot in data_of(tmp_path / "page.html")["scenes"][0]["shots"]]
    assert notes[0] == "113x75, not the original's size"
    assert "dB" in notes[1]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([EXAMPLES / "cat.png"], "two pictures"),
        ([EXAMPLES / "cat.png", EXAMPLES], "files with files"),
        ([EXAMPLES / "cat.png", "nowhere.png"], "does not exist"),
        ([EXAMPLES / "cat.png", EXAMPLES / "coffee.jpg", "--label", "one"], "labels"),
    ],
)
def test_wrong_usage_is_one_sentence(arguments, says, tmp_path):
    result = compare(*arguments, "-o", tmp_path / "page.html")
    assert result.exit_code == 2
    assert says in result.output
    assert "Traceback" not in result.output
    assert not (tmp_path / "page.html").exists()


def test_names_of_results_lose_what_marks_them():
    names = ["a", "a_x4", "0801x4", "a_x3.5", "a_3840x2160", "A_out", "a_b_x2"]
    assert [folders.unmarked(n) for n in names] == ["a", "a", "0801", "a", "a", "a", "a_b"]


def test_names_that_look_like_results_are_names_where_all_have_them(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        for name in ("wall_1920x1080", "wall_3840x2160", "box4"):
            shutil.copy(EXAMPLES / "cat.png", tmp_path / folder / f"{name}.png")
    found = folders.match([tmp_path / "a", tmp_path / "b"])
    assert [[len(f) for f in files] for files in found.values()] == [[1, 1]] * 3
    files = [Path("wall_x4.png"), Path("wall_1920x1080_x4.png"), Path("0801x4.png"), Path("cat.png"), Path("cat.jpg")]
    assert folders.find("wall_1920x1080.png", files) == [files[1]]
    assert folders.find("0801.png", files) == [files[2]]
    assert folders.find("cat.jpg", files) == [files[4]]
    assert len(folders.find("cat.webp", files)) == 2


def test_a_page_replaces_nothing_unasked(versions, tmp_path):
    photo, worse, _ = versions
    before = worse.read_bytes()
    assert compare(photo, worse, "-o", worse, "-y").exit_code == 2
    assert worse.read_bytes() == before
    page = tmp_path / "page.html"
    page.write_text("mine")
    assert "exists; use -y to replace it" in compare(photo, worse, "-o", page).output
    assert page.read_text() == "mine"
    assert compare(photo, worse, "-o", page, "-y").exit_code == 0
    assert len(page.read_text()) > 10_000


def test_other_shapes_and_damaged_files_are_named(versions, tmp_path):
    wide = tmp_path / "wide.png"
    Image.open(versions[0]).resize((200, 50)).save(wide)
    result = compare(versions[0], wide, "-o", tmp_path / "page.html")
    assert result.exit_code == 1
    assert "a different aspect ratio" in result.output
    (tmp_path / "broken.png").write_text("no picture")
    assert compare(versions[0], tmp_path / "broken.png", "-o", tmp_path / "page.html").exit_code == 1
    assert not (tmp_path / "page.html").exists()


def test_transparent_and_grey_pictures_get_no_scores(versions, tmp_path):
    photo = Image.open(versions[0])
    photo.convert("L").save(tmp_path / "grey.png")
    clear = photo.convert("RGBA")
    clear.putalpha(128)
    clear.save(tmp_path / "clear.png")
    page = tmp_path / "page.html"
    result = compare(tmp_path / "grey.png", tmp_path / "clear.png", "--original", versions[0], "-o", page)
    assert result.exit_code == 0
    notes = [shot["note"] for shot in data_of(page)["scenes"][0]["shots"]]
    assert "grey and colour" in notes[0]
    assert "transparent" in notes[1]


def test_terminal_preview_has_the_colours_of_the_picture():
    left = np.zeros((8, 8, 3), np.uint8)
    left[:4] = (255, 0, 0)
    table = preview([left, left], ["a", "b"], 40)
    text = next(iter(table.columns[0].cells)).renderables[1]
    styles = [str(span.style) for span in text.spans]
    assert "#ff0000 on #ff0000" in styles[0]
    assert "#000000 on #000000" in styles[-1]


@pytest.fixture
def opened(browser, versions, tmp_path):
    """The page from file://, with its errors and the addresses it asked for."""
    compare(*versions, "-o", tmp_path / "page.html")
    page = browser.new_page(viewport={"width": 900, "height": 600}, has_touch=True)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: asked.append(f"error: {error}"))
    page.on("console", lambda message: asked.append(f"console: {message.text}"))
    page.goto(f"file://{tmp_path / 'page.html'}")
    yield page
    assert [a for a in asked if not a.startswith(("data:", "file:"))] == []
    page.close()


def middle(page, selector: str) -> tuple[float, float]:
    box = page.locator(selector).bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_slider_follows_mouse_and_keys(opened):
    x, y = middle(opened, "#handle")
    assert x == pytest.approx(450, abs=2)
    opened.mouse.move(x, y)
    opened.mouse.down()
    opened.mouse.move(x - 225, y, steps=4)
    opened.mouse.up()
    assert middle(opened, "#handle")[0] == pytest.approx(225, abs=2)
    assert "25" in opened.locator(".upper").evaluate("e => e.style.clipPath")
    opened.keyboard.press("Shift+ArrowRight")
    assert middle(opened, "#handle")[0] == pytest.approx(315, abs=2)
    opened.mouse.move(700, 300)  # the button is up: nothing follows
    assert middle(opened, "#handle")[0] == pytest.approx(315, abs=2)


def transforms(page) -> list[str]:
    return page.locator(".pane img").evaluate_all("all => all.map(i => i.style.transform)")


@pytest.mark.parametrize("mode", ["Slider", "Side by side", "Difference"])
def test_zoom_and_pan_stay_in_step(opened, mode):
    opened.get_by_role("button", name=mode, exact=True).click()
    before = transforms(opened)
    assert len(before) == (3 if mode == "Side by side" else 2)
    assert len(set(before)) == 1
    x, y = middle(opened, ".pane >> nth=0")
    opened.mouse.move(x - 60, y)
    opened.mouse.wheel(0, -400)
    zoomed = transforms(opened)
    assert len(set(zoomed)) == 1
    assert zoomed[0] != before[0]
    opened.mouse.down()
    opened.mouse.move(x - 30, y + 20)
    opened.mouse.up()
    moved = transforms(opened)
    assert len(set(moved)) == 1
    assert moved[0] != zoomed[0]
    opened.keyboard.press("0")
    assert transforms(opened) == before


def test_wheel_keeps_the_place_under_the_mouse(opened):
    opened.mouse.move(300, 250)
    place = "([x, y]) => { const m = new DOMMatrix(document.querySelector('.pane img').style.transform);" \
            "const b = document.querySelector('.pane').getBoundingClientRect();" \
            "return [(x - b.left - m.e) / m.a, (y - b.top - m.f) / m.d]; }"  # fmt: skip
    before = opened.evaluate(place, [300, 250])
    opened.mouse.wheel(0, -300)
    assert opened.evaluate(place, [300, 250]) == pytest.approx(before, abs=0.01)


def test_keys_choose_swap_and_show_differences(opened):
    def shown() -> list[str]:
        return opened.locator(".label").evaluate_all("all => all.map(l => l.firstChild.textContent)")

    assert shown() == ["photo.png", "small.webp"]
    opened.keyboard.press("3")
    assert shown() == ["photo.png", "smaller.tif"]
    opened.keyboard.press(" ")
    assert shown() == ["smaller.tif", "photo.png"]
    opened.keyboard.press("d")
    different = brightness(opened)
    opened.keyboard.press("1")  # against itself
    opened.keyboard.press("Shift+1")
    assert brightness(opened) < different
    assert opened.locator("#zoom").inner_text().endswith("×4")
    opened.keyboard.press("n")
    assert opened.locator("#stage.pixels").count() == 0


def brightness(page) -> float:
    """Mean of what the pane shows below its labels."""
    import io

    image = np.asarray(Image.open(io.BytesIO(page.locator(".pane").screenshot())).convert("L"))
    return float(image[image.shape[0] // 3 : -20].mean())


def test_page_fits_a_phone(opened):
    opened.set_viewport_size({"width": 360, "height": 640})
    assert opened.evaluate("document.documentElement.scrollWidth") == 360
    box = opened.locator(".pane").bounding_box()
    assert box["height"] > 400
    opened.touchscreen.tap(300, 400)
    assert middle(opened, "#handle")[0] == pytest.approx(180, abs=2)
