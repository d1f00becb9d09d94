"""`srcli compare --blind`: what the page holds, and votes without a browser."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from srcli.bench import ballots, windows
from srcli.geometry import Window
from tests.report.steps import MODELS, compare, sides
from tests.support.places import EXAMPLES


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
