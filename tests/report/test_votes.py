"""`srcli compare --tally`, and votes on the page in a real browser."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from srcli.bench import ballots
from tests.report.steps import compare, sides


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
