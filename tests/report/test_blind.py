"""`srcli compare --blind`: the page and its votes in a real browser, votes without one, and what they add up to."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from srcli.bench import ballots, windows
from srcli.cli.app import app
from srcli.geometry import Window
from tests.support.places import EXAMPLES

MODELS = ("-n", "bicubic", "-n", "linf-s", "-s", 2)


def compare(*arguments: object, answers: str | None = None):
    return CliRunner().invoke(app, ["compare", *[str(a) for a in arguments]], input=answers)


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    """Two small photos."""
    folder = tmp_path_factory.mktemp("photos")
    for name in ("cat.png", "coffee.jpg"):
        Image.open(EXAMPLES / name).convert("RGB").resize((72, 48)).save(folder / f"{Path(name).stem}.png")
    return folder


@pytest.fixture(scope="module")
def theirs(photos, tmp_path_factory) -> Path:
    """Results of another tool: all red."""
    folder = tmp_path_factory.mktemp("other") / "theirs"
    folder.mkdir()
    for path in photos.iterdir():
        Image.new("RGB", (144, 96), "red").save(folder / f"{path.stem}_x2.png")
    return folder


@pytest.fixture(scope="module")
def page(photos, theirs, tmp_path_factory) -> Path:
    """Three candidates, two pictures: six pairs."""
    out = tmp_path_factory.mktemp("page")
    result = compare("--blind", photos, *MODELS, "--score", theirs, "--crop", 64, "--seed", 3, "-o", out / "votes")
    assert result.exit_code == 0, result.output
    assert "6 pairs of 2 pictures" in result.output
    return out / "votes" / "index.html"


def sides(page: Path) -> list[tuple[str, str, str]]:
    """Picture, left and right of each pair."""
    ballot = ballots.read(page)
    return [(ballot.scenes[pair[0]]["name"], *ballot.names(pair)) for pair in ballot.pairs]


def test_the_page_names_no_candidate(page):
    text = page.read_text()
    assert not any(name in text for name in ("linf-s", "theirs", "bicubic"))
    assert "coffee.png" in text


def test_sides_are_what_the_key_says(page):
    ballot = ballots.read(page)
    red = 0
    for pair in ballot.pairs:
        left, right = ballot.names(pair)
        shown = np.asarray(ballot.picture(pair))
        assert shown.shape == (64, 64 + ballots.GAP + 64, 3)
        for name, half in ((left, shown[:, :64]), (right, shown[:, -64:])):
            assert (name == "theirs") == bool((half == (255, 0, 0)).all())
            red += name == "theirs"
    assert red == 4
    assert ballot.votes.models["bicubic"] == []
    assert len(ballot.votes.models["linf-s"][0]) == 64


def test_all_versions_show_the_part_with_most_detail(photos, page):
    """What bicubic shows is the same part of the whole picture, enlarged."""
    ballot = ballots.read(page)
    number, scene = next((n, s) for n, s in enumerate(ballot.scenes) if s["name"] == "cat.png")
    image = np.asarray(Image.open(photos / "cat.png"))
    window = windows.detailed(image, 32, 8)
    shot = ballot.order[number].index(0)
    shown = np.asarray(ballot.picture((number, shot, shot)))[:, :64]
    whole = np.asarray(Image.fromarray(image).resize((144, 96), Image.Resampling.BICUBIC))
    part = whole[window.top * 2 : window.bottom * 2, window.left * 2 : window.right * 2]
    assert scene["width"] == 64
    assert np.abs(shown.astype(int) - part).mean() < 2


def test_seeds_repeat_and_differ(photos, tmp_path):
    def drawn(seed: int, name: str) -> list[tuple[str, str, str]]:
        out = tmp_path / name
        arguments = ("-n", "bicubic", "--score", out.parent / "other", "-s", 1)
        result = compare("--blind", tmp_path / "many", *arguments, "--seed", seed, "-o", out)
        assert result.exit_code == 0, result.output
        return sides(out / "index.html")

    for folder in ("many", "other"):
        (tmp_path / folder).mkdir()
        for number in range(12):
            shutil.copy(photos / "cat.png", tmp_path / folder / f"{number}.png")
    first = drawn(0, "a")
    assert first == drawn(0, "b")
    assert first != drawn(1, "c")
    assert {left for _, left, _ in first} == {"bicubic", "other"}  # both sides occur


def test_pairs_with_one_candidate_alone(photos, theirs, tmp_path):
    result = compare("--blind", photos, *MODELS, "--score", theirs, "--against", "linf-s", "-o", tmp_path)
    assert result.exit_code == 0, result.output
    found = sides(tmp_path / "index.html")
    assert len(found) == 4
    assert all("linf-s" in pair for _, *pair in found)


def test_folders_of_the_same_name_are_told_apart_by_their_paths(photos, theirs, tmp_path):
    shutil.copytree(theirs, tmp_path / "theirs")
    both = ("--score", theirs, "--score", tmp_path / "theirs")
    result = compare("--blind", photos, *both, "-s", 2, "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert ballots.read(tmp_path / "out" / "index.html").candidates == [str(theirs), str(tmp_path / "theirs")]


def test_a_picture_without_one_version_is_named_and_left_out(photos, theirs, tmp_path):
    fewer = tmp_path / "fewer"
    shutil.copytree(theirs, fewer)
    (fewer / "cat_x2.png").unlink()
    result = compare("--blind", photos, "-n", "bicubic", "--score", fewer, "-s", 2, "-o", tmp_path / "out")
    assert result.exit_code == 3
    assert "cat.png: no pictures of that name" in result.output
    assert [name for name, *_ in sides(tmp_path / "out" / "index.html")] == ["coffee.png"]
    wrong = compare("--blind", photos, "-n", "bicubic", "--score", theirs, "-s", 3, "-o", tmp_path / "x3")
    assert wrong.exit_code == 1
    assert "has 144x96 pixels, not 216x144" in wrong.output


def test_folders_of_versions_need_no_model(photos, theirs, tmp_path):
    ours = tmp_path / "ours"
    shutil.copytree(theirs, ours)
    result = compare("--blind", ours, theirs, "-o", tmp_path / "page.html")
    assert result.exit_code == 0, result.output
    ballot = ballots.read(tmp_path / "page.html")
    assert ballot.candidates == ["ours", "theirs"]
    assert ballot.scenes[0]["input"] is None


def test_votes_without_a_browser(page, tmp_path):
    file = tmp_path / "votes.json"
    result = compare(page, "--votes", file, answers="left\nright\nundo\nnonsense\nsame\n")
    assert result.exit_code == 0, result.output
    votes = json.loads(file.read_text())["votes"]
    assert [(v["picture"], v["left"], v["right"]) for v in votes] == sides(page)[:2]
    assert [v["winner"] for v in votes] == [sides(page)[0][1], None]
    assert len(list((page.parent / "pairs").glob("*.png"))) == 6
    again = compare(page.parent, "--votes", file, answers="right\nquit\n")
    assert "4 pairs without a vote" in again.output
    assert json.loads(file.read_text())["votes"][2]["winner"] == sides(page)[2][2]


def test_votes_of_an_earlier_page_are_not_asked_again(photos, theirs, page, tmp_path):
    file = tmp_path / "votes.json"
    compare(page, "--votes", file, answers="left\nright\n")
    common = ("--blind", photos, *MODELS, "--crop", 64, "--votes", file)
    result = compare(*common, "--score", theirs, "-o", tmp_path / "next")
    assert result.exit_code == 0, result.output
    left = {(name, frozenset(pair)) for name, *pair in sides(tmp_path / "next" / "index.html")}
    assert left == {(name, frozenset(pair)) for name, *pair in sides(page)[2:]}
    kept = ballots.read(tmp_path / "next" / "index.html").votes.votes
    assert len(kept) == 2
    assert "not x3" in compare("--blind", photos, *MODELS[:4], "-s", 3, "--votes", file, "-o", tmp_path / "x3").output
    text = json.loads(file.read_text())
    next(m for m in text["models"] if m["name"] == "linf-s")["weights"] = ["0" * 64]
    file.write_text(json.dumps(text))
    other = compare(*common, "-o", tmp_path / "other")
    assert other.exit_code == 2
    assert "linf-s has other weights" in other.output
    assert not (tmp_path / "other").exists()


def votes_file(path: Path, winners: list[str | None], weights: str = "aa") -> Path:
    votes = [
        {"picture": f"{n}.png", "left": "new", "right": "old", "winner": winner} for n, winner in enumerate(winners)
    ]
    models = [{"name": "new", "weights": [weights]}, {"name": "old", "weights": []}]
    facts = {"srcli": "1", "seed": 0, "scale": 4.0, "made": "2026-01-01", "saved": "2026-01-01"}
    path.write_text(json.dumps(facts | {"models": models, "votes": votes}))
    return path


def test_votes_of_several_people_add_up(tmp_path):
    first = votes_file(tmp_path / "a.json", ["new"] * 7 + ["old"] + [None])
    second = votes_file(tmp_path / "b.json", ["new", "old", None])
    result = compare("--tally", first, second, "--json")
    assert result.exit_code == 0, result.output
    row = json.loads(result.stdout)
    assert (row["model"], row["against"], row["wins"], row["losses"], row["ties"]) == ("new", "old", 8, 2, 2)
    # Newcombe 1998, table: 8 of 10 has 0.490 to 0.943.
    assert (row["share"], round(row["low"], 3), round(row["high"], 3)) == (0.8, 0.490, 0.943)
    shown = compare("--tally", first, second).output
    assert "80.0 %" in shown
    assert "49.0 to 94.3 %" in shown


def test_votes_that_do_not_add_up_are_refused(tmp_path):
    first = votes_file(tmp_path / "a.json", ["new"])
    twice = compare("--tally", first, votes_file(tmp_path / "b.json", ["new"]))
    assert (twice.exit_code, "the same votes" in twice.output) == (2, True)
    other = compare("--tally", first, votes_file(tmp_path / "c.json", ["old"], weights="bb"))
    assert (other.exit_code, "other weights" in other.output) == (2, True)
    votes_file(tmp_path / "d.json", ["nobody"])
    assert "unknown model" in compare("--tally", tmp_path / "d.json").output
    (tmp_path / "e.json").write_text("[]")
    assert "is not a file of votes" in compare("--tally", tmp_path / "e.json").output
    assert "cannot be read" in compare("--tally", tmp_path / "f.json").output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--blind", EXAMPLES, "-n", "bicubic"], "at least two candidates"),
        (["--blind", EXAMPLES, "-n", "bicubic", "-n", "bicubic"], "two candidates are called bicubic"),
        (["--blind", EXAMPLES, "-n", "bicubic", "-n", "linf-s", "--against", "dog"], "--against dog"),
        (["--blind", EXAMPLES, "-n", "bicubic", "-n", "linf-s", "-s", "9"], "outside 1 to 8"),
        ([EXAMPLES / "cat.png", EXAMPLES / "coffee.jpg", "-n", "bicubic"], "only works with --blind"),
        (["--blind", EXAMPLES, "-n", "bicubic", "--terminal"], "--terminal has no effect with --blind"),
        ([EXAMPLES / "cat.png", "--votes", "votes.json"], "is not a page"),
    ],
)
def test_wrong_usage_is_one_sentence(arguments, says, tmp_path):
    result = compare(*arguments, "-o", tmp_path / "votes")
    assert result.exit_code == 2
    assert says in result.output
    assert "Traceback" not in result.output
    assert not (tmp_path / "votes").exists()


def test_windows_are_where_detail_is(tmp_path):
    image = np.full((60, 90, 3), 128, np.uint8)
    image[:, :60] = np.random.default_rng(0).integers(100, 150, (60, 60, 3))
    image[24:40, 32:48] = np.random.default_rng(1).integers(0, 256, (16, 16, 3))
    assert windows.detailed(image, 16, 8) == Window(24, 32, 16, 16)
    assert windows.flattest(image, 16, 8).left >= 60
    assert windows.detailed(image, 100) == Window(0, 0, 60, 90)


@pytest.fixture
def opened(browser, page):
    """The page from file://, with its errors and the addresses it asked for."""
    shown = browser.new_page(viewport={"width": 900, "height": 600}, accept_downloads=True, has_touch=True)
    asked: list[str] = []
    shown.on("request", lambda request: asked.append(request.url))
    shown.on("pageerror", lambda error: asked.append(f"error: {error}"))
    shown.on("console", lambda message: asked.append(f"console: {message.text}"))
    shown.goto(f"file://{page}")
    yield shown
    assert [a for a in asked if not a.startswith(("data:", "file:", "blob:"))] == []
    shown.close()


def saved(opened, path: Path, button: str = "#save") -> dict:
    with opened.expect_download() as download:
        opened.locator(button).click()
    assert download.value.suggested_filename == "votes.json"
    download.value.save_as(path)
    return json.loads(path.read_text())


def test_keys_vote_and_the_saved_file_is_right(opened, page, tmp_path):
    wanted = sides(page)
    assert opened.locator("#where").inner_text() == "1 of 6"
    for key in ("ArrowLeft", "ArrowRight", "ArrowLeft", "Backspace", "ArrowDown", "ArrowRight", "ArrowLeft"):
        opened.keyboard.press(key)
    assert opened.locator("#where").inner_text() == "6 of 6"
    assert not opened.locator("#result").is_visible()
    opened.reload()  # what was voted stays
    assert opened.locator("#where").inner_text() == "6 of 6"
    opened.keyboard.press("ArrowRight")
    file = tmp_path / "votes.json"
    found = saved(opened, file, "#keep")
    assert [(v["picture"], v["left"], v["right"]) for v in found["votes"]] == wanted
    chosen = [left for _, left, _ in wanted], [right for _, _, right in wanted]
    winners = [chosen[0][0], chosen[1][1], None, chosen[1][3], chosen[0][4], chosen[1][5]]
    assert [v["winner"] for v in found["votes"]] == winners
    assert (found["seed"], found["scale"]) == (3, 2.0)
    assert found["models"] == ballots.read(page).votes.to_dict()["models"]
    rows = opened.locator("#table tr").evaluate_all("all => all.map(r => [...r.cells].map(c => c.textContent))")
    told = [json.loads(line) for line in compare("--tally", file, "--json").stdout.splitlines()]
    assert len(rows) == len(told) + 1 == 7
    for row, each in zip(rows[1:], told, strict=True):
        assert row[0] == f"{each['model']} against {each['against'] or 'all others'}"
        assert row[1:4] == [str(each[name]) for name in ("wins", "losses", "ties")]
        share = "" if each["share"] is None else f"{100 * each['share']:.1f} %"
        interval = "" if each["share"] is None else f"{100 * each['low']:.1f} to {100 * each['high']:.1f} %"
        assert row[4:] == [share, interval]


def test_a_vote_is_for_the_picture_that_is_shown(opened, page, tmp_path):
    """Votes for the red side alone: the winner is the tool that makes red pictures."""
    ballot = ballots.read(page)
    for pair in ballot.pairs:
        shown = opened.locator(".pane img").evaluate_all("all => all.map(i => i.src)")
        assert shown == [ballot.scenes[pair[0]]["shots"][number] for number in pair[1:]]
        red = [n for n, side in enumerate(np.split(np.asarray(ballot.picture(pair))[:, [0, -1]], 2, axis=1))
               if (side == (255, 0, 0)).all()]  # fmt: skip
        opened.keyboard.press(("ArrowLeft", "ArrowRight")[red[0]] if red else "ArrowDown")
    winners = [v["winner"] for v in saved(opened, tmp_path / "votes.json", "#keep")["votes"]]
    assert (winners.count("theirs"), winners.count(None)) == (4, 2)


def test_zoom_is_the_same_on_both_sides_and_the_input_can_be_seen(opened):
    def transforms() -> set[str]:
        return set(opened.locator(".pane img").evaluate_all("all => all.map(i => i.style.transform)"))

    before = transforms()
    opened.mouse.move(200, 300)
    opened.mouse.wheel(0, -400)
    assert len(transforms()) == 1
    assert transforms() != before
    opened.keyboard.press("0")
    assert transforms() == before
    versions = opened.locator(".pane img").evaluate_all("all => all.map(i => i.src)")
    opened.keyboard.press(" ")
    low = opened.locator(".pane img").evaluate_all("all => all.map(i => i.src)")
    assert len({*low}) == 1
    assert not {*low} & {*versions}
    opened.keyboard.press("ArrowLeft")
    assert opened.locator(".label").first.inner_text() == "Left"


def test_the_page_fits_a_phone_and_buttons_vote(opened, tmp_path):
    opened.set_viewport_size({"width": 360, "height": 640})
    assert opened.evaluate("document.documentElement.scrollWidth") == 360
    boxes = [box.bounding_box() for box in opened.locator(".pane").all()]
    assert boxes[1]["y"] > boxes[0]["y"]
    assert all(box["height"] > 180 for box in boxes)
    opened.get_by_role("button", name="Lower is better").tap()
    opened.get_by_role("button", name="No difference").tap()
    found = saved(opened, tmp_path / "votes.json")["votes"]
    assert [v["winner"] for v in found] == [found[0]["right"], None]
    opened.get_by_role("button", name="Undo").tap()
    assert opened.locator("#where").inner_text() == "2 of 6"
