"""The page in a real browser."""

from __future__ import annotations

import re

import pytest
from PIL import Image

from srcli.images.made import facts_in
from tests.support.places import EXAMPLES
from tests.web.steps import LONG, download, drop, enlarge, line, photo


@pytest.mark.parametrize("width", [1400, 390])
def test_a_picture_goes_in_and_a_larger_one_comes_out(visit, tmp_path, width):
    page = visit(width)
    drop(page, photo(tmp_path / "cat.jpg"))
    assert "cat.jpg · 48x40 · auto picks" in line(page)
    page.get_by_label("number input for Scale").fill("3.5")
    page.keyboard.press("Tab")
    enlarge(page)
    assert re.match(r"168x140 · \d+\.\d s · \S+: ", line(page))
    assert page.evaluate("document.documentElement.scrollWidth") == width
    made = download(page, tmp_path)
    assert made.name == "cat_x3.5.jpg"
    facts = facts_in(made)
    assert (facts.scale, facts.input_size, facts.output_size) == (3.5, (48, 40), (168, 140))
    with Image.open(made) as image:
        assert (image.getexif()[0x010E], image.info["dpi"]) == ("A cat", (300, 300))
    page.click("#how button")
    page.wait_for_function("document.querySelector('#how').innerText.replaceAll('\\u200b', '').includes('\"kind\"')")


def test_before_and_after_show_the_same_part(visit, tmp_path):
    page = visit()
    drop(page, EXAMPLES / "coffee.jpg")
    page.get_by_label("or size").fill("1440x")
    enlarge(page)
    assert line(page).startswith("1440x960 · ")
    sizes = "all => all.map(i => [i.naturalWidth, i.naturalHeight])"
    assert page.locator("#pair img").evaluate_all(sizes) == [[1440, 960]] * 2
    page.get_by_label("Detail, pixel by pixel").check()
    page.wait_for_function("document.querySelector('#pair img').naturalWidth === 720")
    assert page.locator("#pair img").evaluate_all(sizes) == [[720, 720]] * 2


def test_models_show_their_own_dials(visit, tmp_path):
    page = visit()
    drop(page, photo(tmp_path / "cat.jpg"))
    page.get_by_label("Model").click()
    page.get_by_role("option", name="flowmap-s").click()
    page.wait_for_function("document.querySelector('#detail input[type=number]').max === '2'")
    assert "in 1, 2 or 4 steps" in page.locator("#model").inner_text()
    page.get_by_label("number input for Detail").fill("1.5")
    page.keyboard.press("Tab")
    enlarge(page)
    assert facts_in(download(page, tmp_path)).detail == 1.5
    page.get_by_label("Model").click()
    page.get_by_role("option", name="bicubic").click()
    page.wait_for_selector("#detail", state="hidden")


def test_what_is_no_picture_is_said_in_a_sentence(visit, tmp_path):
    text, bomb = tmp_path / "notes.txt", tmp_path / "bomb.png"
    text.write_text("not a picture")
    Image.new("1", (30_000, 30_000)).save(bomb)
    assert bomb.stat().st_size < 200_000
    page = visit()
    drop(page, text)
    assert line(page) == "notes.txt is not a picture in a known format"
    page.click("#go")
    page.get_by_test_id("toast-body").filter(has_text="Error").wait_for()
    page.wait_for_selector("#stop:disabled")
    drop(page, bomb)
    assert line(page) == "bomb.png has more pixels than this page takes: 20 megapixels"
    assert str(tmp_path) not in page.content()
    drop(page, photo(tmp_path / "cat.jpg"))  # the page goes on
    page.get_by_label("or size").fill("12")
    page.click("#go")
    page.get_by_text("must be WIDTHxHEIGHT").wait_for()
    page.get_by_label("or size").fill("")
    enlarge(page)


def test_a_file_above_the_limit_is_refused(visit, tmp_path):
    large = tmp_path / "large.tif"
    Image.effect_noise((2300, 2300), 100).save(large)
    assert large.stat().st_size > 4_000_000
    page = visit()
    page.set_input_files("#drop input[type=file]", large)
    page.get_by_test_id("toast-body").wait_for()
    assert "exceed the maximum allowed" in page.get_by_test_id("toast-body").inner_text()


def test_two_visitors_at_once_get_their_own(visit, tmp_path):
    first, second = visit(), visit(390)
    drop(first, photo(tmp_path / "one.jpg", 96, 80))
    drop(second, photo(tmp_path / "two.jpg", 48, 40))
    first.click("#go")
    second.click("#go")
    for page in (second, first):
        page.wait_for_selector("#download:visible", timeout=LONG)
    assert [download(page, tmp_path).name for page in (first, second)] == ["one_x2.jpg", "two_x2.jpg"]
    assert line(first).startswith("192x160")
    assert line(second).startswith("96x80")


def test_stop_ends_the_work_and_the_next_picture_is_made(visit, tmp_path):
    page = visit()
    with Image.open(EXAMPLES / "cat.png") as cat:
        cat.resize((1200, 800)).save(tmp_path / "large.png")
    drop(page, tmp_path / "large.png")
    page.get_by_label("number input for Scale").fill("8")
    page.keyboard.press("Tab")
    page.click("#go")
    page.wait_for_selector("#stop:enabled")
    page.get_by_text("of 61.4 megapixels").wait_for(timeout=LONG)
    page.click("#stop")
    page.wait_for_function("document.querySelector('#line').innerText === 'Stopped.'")
    assert not page.locator("#download").is_visible()
    drop(page, photo(tmp_path / "cat.jpg"))
    page.get_by_label("number input for Scale").fill("2")
    page.keyboard.press("Tab")
    enlarge(page)


def test_the_keyboard_is_enough(visit, tmp_path):
    page, source = visit(), photo(tmp_path / "cat.jpg")
    page.on("filechooser", lambda chooser: chooser.set_files(source))

    def tab_to(label: str) -> None:
        """By Tab alone."""
        for _ in range(40):
            page.keyboard.press("Tab")
            at = "e => [e.id, e.getAttribute('aria-label'), e.innerText, e.name, e.closest('label')?.innerText].join()"
            if page.evaluate("document.activeElement === document.body"):  # what had the focus was drawn anew
                continue
            if label in page.evaluate_handle("document.activeElement").evaluate(at):
                return
        pytest.fail(f"Tab does not reach {label}")

    tab_to("Click to upload")
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelector('#line').innerText.includes('cat.jpg')")
    tab_to("range slider for Scale")
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    tab_to("Enlarge")
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert page.evaluate(outline) == "solid"
    page.keyboard.press("Enter")
    page.wait_for_selector("#download:visible", timeout=LONG)
    assert line(page).startswith("120x100")
    tab_to("range slider for Divider")
    for _ in range(20):
        page.keyboard.press("ArrowLeft")
    page.wait_for_function("document.querySelectorAll('#pair img')[1].style.clipPath.match(/ (29\\.|30)/)")
    tab_to("Download")
    names: list[str] = []
    page.on("download", lambda download: names.append(download.suggested_filename))
    for _ in range(60):  # until the page is done with what the divider has sent
        page.keyboard.press("Enter")
        page.wait_for_timeout(500)
        if names:
            break
    assert set(names) == {"cat_x2.5.jpg"}


def test_the_server_calls_nobody(visit, called, tmp_path):
    page = visit()
    drop(page, photo(tmp_path / "cat.jpg"))
    enlarge(page)
    assert called
    assert {name for name in called if name not in ("127.0.0.1", "localhost", "::1")} == set()


def test_dark_and_light_follow_the_system(visit):
    shade = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).map(Number)"
    assert max(visit(color_scheme="dark").evaluate(shade)) < 40
    assert min(visit(color_scheme="light").evaluate(shade)) > 240


@pytest.mark.slow
def test_a_photo_of_twelve_megapixels(visit, tmp_path):
    with Image.open(EXAMPLES / "coffee.jpg") as coffee:
        coffee.resize((4000, 3000), Image.Resampling.BICUBIC).save(tmp_path / "large.jpg", quality=90)
    page = visit()
    drop(page, tmp_path / "large.jpg")
    page.get_by_label("Model").click()
    page.get_by_role("option", name="bicubic").click()
    page.click("#go")
    page.wait_for_selector("#download:visible", timeout=20 * LONG)
    with Image.open(download(page, tmp_path)) as made:
        assert made.size == (8000, 6000)
