"""`srcli compare`: which results belong to which picture, the bicubic version, what is behind transparency."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from srcli import Upscaler
from srcli.images import folders
from tests.report.steps import compare
from tests.support.places import EXAMPLES

SMALL = Image.open(EXAMPLES / "cat.png").convert("RGB").crop((60, 40, 90, 60))


def tree(root: Path, **contents: str) -> list[Path]:
    """Folders of small pictures; results are as large as their names say."""
    for folder, names in contents.items():
        (root / folder).mkdir()
        for name in names.split():
            scale = float(mark[1]) if (mark := re.search(r"_x(\d+(?:\.\d+)?)(?:_[a-z][\w-]*)?$", name)) else 1
            SMALL.resize((round(30 * scale), round(20 * scale))).save(root / folder / f"{name}.png")
    return [root / folder for folder in contents]


def scenes(page: Path) -> list[dict]:
    return data_of(page)["scenes"]


def data_of(page: Path) -> dict:
    found = re.search(r'<script id="data" type="application/json">(.*?)</script>', page.read_text(), re.S)
    assert found
    return json.loads(found[1])


def pixels(shot: dict) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(shot["src"].partition(",")[2]))))


@pytest.mark.parametrize(
    ("ours", "theirs", "names"),
    [
        ("scan_fax4", "scan_fax4_x4", ["scan_fax4"]),
        ("icon_32x32 icon_16x16", "icon_32x32_x4 icon_16x16_x4", ["icon_16x16", "icon_32x32"]),
        ("icon_32x32 icon", "icon_32x32_x4 icon_x4", ["icon", "icon_32x32"]),
        ("photo", "photo_x3.5", ["photo"]),
        ("photo_x4", "photo_120x80", ["photo"]),
        ("photo_x4_flowsr-s", "photo_x4_linf-lp-s", ["photo"]),
        ("box4 photo", "box4 photo_4x", ["box4", "photo"]),
        ("babyx2", "baby", ["baby"]),
        ("photo", "photo_png_x2", ["photo"]),
        ("A", "a_out", ["a"]),
    ],
)
def test_pictures_pair_with_their_results(tmp_path, ours, theirs, names):
    found = folders.match(tree(tmp_path, ours=ours, theirs=theirs))
    assert {name: [len(each) for each in files] for name, files in found.items()} == {name: [1, 1] for name in names}


def test_a_result_is_found_for_a_name_that_looks_like_a_result():
    files = [Path(f"{name}.png") for name in ("scan_fax4_x4", "scan_fa", "icon_32x32_x4", "icon_16x16_x4", "icon_x4")]
    assert folders.find("scan_fax4.png", files) == [files[0]]
    assert folders.find("icon_32x32.png", files) == [files[2]]
    assert folders.find("icon.png", files) == [files[4]]


def test_several_scales_of_a_picture_are_pictures_of_the_page(tmp_path):
    ours, theirs = tree(tmp_path, ours="a b", theirs="a_x2 a_x4 a_x10 b_x2")
    page = tmp_path / "page.html"
    result = compare(ours, theirs, "-o", page)
    assert result.exit_code == 0, result.output
    assert [(s["name"], s["width"]) for s in scenes(page)] == [("a_x2", 60), ("a_x4", 120), ("a_x10", 300), ("b", 60)]


def test_scales_pair_with_the_same_scale_and_what_is_missing_is_named(tmp_path):
    ours, theirs = tree(tmp_path, ours="a_x2 a_x4", theirs="a_x4 a_x3 a_x2")
    page = tmp_path / "page.html"
    result = compare(ours, theirs, "-o", page)
    assert result.exit_code == 3
    assert f"a_x3: no pictures of that name in {ours}" in result.output
    assert [s["name"] for s in scenes(page)] == ["a_x2", "a_x4"]


def test_two_files_of_one_name_are_still_a_problem(tmp_path):
    ours, theirs = tree(tmp_path, ours="a b", theirs="a_x2 b_x2")
    SMALL.save(theirs / "a_x2.bmp")
    result = compare(ours, theirs, "-o", tmp_path / "page.html")
    assert result.exit_code == 3
    assert f"a: 2 pictures of that name in {theirs}" in result.output


def test_a_single_result_stands_beside_a_bicubic_version(tmp_path):
    originals, results = tree(tmp_path, originals="a", results="a_x4")
    page = tmp_path / "page.html"
    assert compare(results, "--original", originals, "-o", page).exit_code == 0
    assert data_of(page)["labels"] == ["bicubic", "results", "original"]
    bicubic, result, original = scenes(page)[0]["shots"]
    assert [s["note"] for s in (bicubic, result, original)] == [
        "120x80, made from 30x20",
        "120x80, 4 times the original",
        "30x20",
    ]
    assert np.array_equal(pixels(bicubic), np.asarray(Upscaler("bicubic").upscale(SMALL, 4)))
    assert compare(results, "--original", originals, "--no-bicubic", "-o", page, "-y").exit_code == 0
    assert data_of(page)["labels"] == ["results", "original"]


def test_the_bicubic_version_is_added_to_several_on_request(tmp_path):
    originals, ours, theirs = tree(tmp_path, originals="a b", ours="a_x4 b_x4", theirs="a_x4 b_x4")
    SMALL.resize((120, 80)).save(originals / "b.png")  # as large as the results: there is nothing to enlarge
    page = tmp_path / "page.html"
    assert compare(ours, theirs, "--original", originals, "-o", page).exit_code == 0
    assert data_of(page)["labels"] == ["ours", "theirs", "original"]
    assert compare(ours, theirs, "--original", originals, "--bicubic", "-o", page, "-y").exit_code == 0
    assert data_of(page)["labels"] == ["bicubic", "ours", "theirs", "original"]
    first, second = scenes(page)
    assert first["shots"][0] is not None
    assert second["shots"][0] is None
    assert "dB" in second["shots"][1]["note"]


def test_an_original_of_the_results_size_needs_no_bicubic_version(tmp_path):
    results, originals = tree(tmp_path, results="a", originals="a")
    page = tmp_path / "page.html"
    assert compare(results, "--original", originals, "-o", page).exit_code == 0
    assert data_of(page)["labels"] == ["results", "original"]


def test_more_than_bicubic_makes_is_told(tmp_path):
    originals, results = tree(tmp_path, originals="a", results="a_x9")
    result = compare(results, "--original", originals, "-o", tmp_path / "page.html")
    assert result.exit_code == 1
    assert "270x180 is more than 8 times the original of 30x20; use --no-bicubic" in result.output
    assert compare(results, "--original", originals, "-o", tmp_path / "page.html", "--no-bicubic").exit_code == 0


def test_a_single_picture_is_told_what_to_add(tmp_path):
    (folder,) = tree(tmp_path, a="a")
    result = compare(folder / "a.png")
    assert result.exit_code == 2
    assert f"srcli compare {folder / 'a.png'} --original PICTURE" in result.output
    result = compare(folder / "a.png", folder / "a.png", "--bicubic")
    assert result.exit_code == 2
    assert "give them with --original" in result.output


@pytest.fixture
def clear(browser, tmp_path):
    """A page of two copies of a half transparent picture, and of an opaque one."""
    glass = SMALL.convert("RGBA")
    glass.putalpha(Image.fromarray(np.tile(np.linspace(0, 255, 30, dtype=np.uint8), (20, 1))))
    for name in ("left", "right"):
        (tmp_path / name).mkdir()
        glass.save(tmp_path / name / "glass.png")
        SMALL.save(tmp_path / name / "solid.png")
    assert compare(tmp_path / "left", tmp_path / "right", "-o", tmp_path / "page.html").exit_code == 0
    page = browser.new_page(viewport={"width": 900, "height": 600})
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text))
    page.goto(f"file://{tmp_path / 'page.html'}")
    yield page
    assert not problems
    page.close()


def shown(page, split: float) -> np.ndarray:
    """The middle of the pane, with the slider somewhere."""
    page.evaluate("split => setSplit(split)", split)
    box = page.locator(".pane").bounding_box()
    image = np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))
    top, left = round(box["y"] + box["height"] * 0.2), round(box["x"] + box["width"] * 0.4)
    return image[top : top + 250, left : left + 180].astype(int)


@pytest.mark.parametrize("behind", ["checkers", "black", "white"])
def test_a_transparent_picture_looks_the_same_on_both_sides(clear, behind):
    clear.select_option("#behind", behind)
    right, left = shown(clear, 0.05), shown(clear, 0.95)
    assert np.abs(right - left).max() == 0


def test_what_is_behind_is_chosen_by_menu_and_key(clear):
    brightness = []
    for _ in range(3):
        brightness.append(shown(clear, 0.05).mean())
        clear.keyboard.press("b")
    checkers, black, white = brightness
    assert black < checkers - 10 < white - 20
    assert shown(clear, 0.05).mean() == checkers
    clear.keyboard.press("d")
    assert shown_difference(clear) == 0
    assert clear.locator("#behind").is_visible()
    clear.keyboard.press("]")  # an opaque picture has nothing behind it
    assert not clear.locator("#behind").is_visible()


def shown_difference(page) -> int:
    box = page.locator(".pane").bounding_box()
    image = np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))
    middle = image[round(box["y"]) + 100 : round(box["y"]) + 400, 300:600]
    return int(middle.max())


def test_a_scene_that_lacks_a_version_shows_the_others(browser, tmp_path):
    originals, ours, theirs = tree(tmp_path, originals="a b", ours="a_x4 b_x4", theirs="a_x4 b_x4")
    SMALL.resize((120, 80)).save(originals / "b.png")
    page_file = tmp_path / "page.html"
    assert compare(ours, theirs, "--original", originals, "--bicubic", "-o", page_file).exit_code == 0
    page = browser.new_page(viewport={"width": 900, "height": 600})
    page.goto(f"file://{page_file}")

    def labels() -> list[str]:
        return page.locator(".label").evaluate_all("all => all.map(l => l.firstChild.textContent)")

    assert labels() == ["bicubic", "ours"]
    page.keyboard.press("]")
    assert labels() == ["theirs", "ours"]
    page.keyboard.press("1")  # the version that is not there
    assert labels() == ["theirs", "ours"]
    page.keyboard.press("a")
    assert labels() == ["ours", "theirs", "original"]
    page.close()
