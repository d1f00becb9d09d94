"""real.py shows the same parts of every version, measures what it says, and makes nothing twice."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from srcli.metrics.psnr import psnr
from tests.support.places import BENCHMARKS, EXAMPLES


@pytest.fixture
def script(monkeypatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS / "quality"))
    for name in ("real", "sheet", "subjects", "worst"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    import real  # type: ignore[import-not-found]

    return real


def run(script, monkeypatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", ["real.py", *map(str, arguments)])
    script.main()


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "scores.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.fixture
def pictures(tmp_path) -> Path:
    """A real picture of 40 pixels a side, odd ones of which one is damaged and one tiny, and a photo."""
    cat = Image.open(EXAMPLES / "cat.png").convert("RGB")
    for folder in ("real", "odd", "photos"):
        (tmp_path / folder).mkdir()
    cat.resize((40, 40)).save(tmp_path / "real" / "cat.png")
    for number in range(5):
        cat.rotate(20 * number).resize((36, 36)).save(tmp_path / "odd" / f"{number}.png")
    cat.resize((8, 8)).save(tmp_path / "odd" / "tiny.png")
    (tmp_path / "odd" / "broken.png").write_text("no picture")
    Image.open(EXAMPLES / "coffee.jpg").convert("RGB").resize((140, 112)).save(tmp_path / "photos" / "coffee.png")
    return tmp_path


def asked(pictures: Path, out: Path) -> list[object]:
    return ["--real", pictures / "real", "--odd", pictures / "odd", "--odd-count", 3, "--photos", pictures / "photos",
            "--degraded-count", 2, "--scales", "2,3.5", "--models", "bicubic", "--out", out]  # fmt: skip


def test_one_command_makes_sheet_page_and_numbers(script, pictures, monkeypatch, capsys):
    out = pictures / "out"
    run(script, monkeypatch, *asked(pictures, out))
    found = rows(out)
    assert [(r["group"], r["picture"]) for r in found if r["scale"] == "3.5"] == [
        ("real", "cat"),
        ("odd", "0"),
        ("odd", "2"),
        ("odd", "4"),
        ("degraded", "coffee.light"),
        ("degraded", "coffee.moderate"),
    ]
    degraded = [r for r in found if r["group"] == "degraded"]
    assert all(r["psnr_y"] for r in degraded)
    assert not any(r["psnr_y"] for r in found if r["group"] != "degraded")
    (one,) = [r for r in degraded if (r["scale"], r["picture"]) == ("2.0", "coffee.light")]
    truth = np.asarray(Image.open(pictures / "photos" / "coffee.png"))
    (made,) = (out / "results").glob("bicubic-*/x2/coffee.light-*.png")
    assert float(one["psnr_y"]) == pytest.approx(psnr(np.asarray(Image.open(made)), truth, border=2))
    page = (out / "index.html").read_text()
    assert page.count("<img") == 2 * (6 + 6 + 2 + 2)  # two parts of each version, and of each truth
    assert "broken.png" in capsys.readouterr().err
    assert Image.open(out / "sheet.jpg").width > 480


def test_results_are_used_again_and_others_can_be_added(script, pictures, monkeypatch):
    out, other = pictures / "out", pictures / "other"
    run(script, monkeypatch, *asked(pictures, out))
    (made,) = (out / "results").glob("bicubic-*/x2/cat-*.png")
    Image.new("RGB", (80, 80), "red").save(made)  # what is there is taken
    other.mkdir()
    Image.new("RGB", (80, 80), "blue").save(other / "cat_x2.png")
    run(script, monkeypatch, *asked(pictures, out), "--folder", f"theirs={other}", "--only", "cat")
    found = [r for r in rows(out) if r["scale"] == "2.0"]
    assert [r["model"] for r in found] == ["bicubic", "theirs"]
    assert float(found[0]["colour"]) > 10
    assert (out / "index.html").read_text().count("not made") == 1  # theirs at 3.5


def test_parts_are_the_same_in_every_version(script, pictures, monkeypatch):
    from subjects import Asked, subjects  # type: ignore[import-not-found]

    image = np.full((300, 300, 3), 90, np.uint8)
    image[104:200, 56:152] = np.random.default_rng(0).integers(0, 256, (96, 96, 3))
    Image.fromarray(image).save(pictures / "real" / "a.png")
    wanted = Asked(real=[pictures / "real" / "a.png"], largest=0, at={})
    for subject in subjects(wanted, [2.0, 3.5, 4.0]):
        part = subject.in_result(subject.detailed)
        assert (part.top, part.left) == (104 * subject.scale, 56 * subject.scale)
        enlarged = np.asarray(Image.fromarray(image).resize((subject.size.width, subject.size.height)))
        assert enlarged[part.slices].std() > 30
        assert enlarged[subject.in_result(subject.flat).slices].std() < 5
    (moved,) = subjects(Asked(real=wanted.real, largest=0, at={"a": (1.0, 0.0)}), [2.0])
    assert (moved.detailed.top, moved.detailed.left) == (0, 200)


def test_degraded_photos_are_the_same_each_time_and_all_different(script, pictures):
    from subjects import Asked, degradations, subjects

    wanted = Asked(photos=[pictures / "photos"], degraded_count=3, at={})
    first, second = (list(subjects(wanted, [2.0])) for _ in range(2))
    assert [s.name for s in first] == ["coffee.light", "coffee.moderate", "coffee.heavy"]
    for a, b in zip(first, second, strict=True):
        assert np.array_equal(a.low.rgb(), b.low.rgb())
    drawn = list(degradations([(str(n), None) for n in range(14)], 20))
    assert len({(name, preset) for name, _, preset in drawn}) == 20
    assert {preset for *_, preset in drawn} == {"light", "moderate", "heavy"}


def test_the_worst_pictures_are_those_that_lost_votes(script, pictures, monkeypatch, capsys):
    out, blurred = pictures / "out", pictures / "blurred"
    run(script, monkeypatch, *asked(pictures, out))
    blurred.mkdir()
    for number in (0, 2, 4):
        Image.open(out / "low" / "x2" / f"{number}.png").resize((72, 72), 0).save(blurred / f"{number}.png")
    vote = {"picture": "2.png", "left": "blurred", "right": "bicubic"}
    facts = {"srcli": "1", "seed": 0, "scale": 2.0, "made": "", "saved": ""}
    models = [{"name": name, "weights": []} for name in ("blurred", "bicubic")]
    votes = facts | {"models": models, "votes": [vote | {"winner": "bicubic"}, vote | {"winner": None}]}
    (pictures / "votes.json").write_text(json.dumps(votes))
    capsys.readouterr()
    chosen = ["--scales", "2", "--only", "0", "2", "4", "--odd", pictures / "odd", "--models", "bicubic", "--out", out]
    worst = ["--folder", f"blurred={blurred}", "--worst", "blurred", "--votes", pictures / "votes.json"]
    run(script, monkeypatch, *chosen, *worst)
    lines = [line for line in capsys.readouterr().out.splitlines() if "votes lost" in line]
    assert lines[0].split(":")[1].strip() == "2"
    assert "votes lost - won: 1" in lines[0]
    assert len(lines) == 3
    assert Image.open(out / "worst.jpg").height > 100
