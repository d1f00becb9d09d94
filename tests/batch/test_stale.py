"""Results of other settings: told, counted, made again when asked; and models that do not take each other's names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from srcli import choice
from srcli.batch.earlier import differences
from srcli.images.made import recorded
from tests.batch.steps import contents, photo, photos, records, srcli, statuses, tree


@pytest.fixture
def folder(tmp_path) -> Path:
    return photos(tmp_path / "in", 3)


def errors(result) -> set[str]:
    return {r["error"].partition(" was ")[2] for r in records(result) if r["status"] == "stale"}


CHANGES = [
    (["-n", "linf-s"], ["-n", "flowsr-s"], "made with model linf-s, not flowsr-s"),
    (["-n", "flowsr-s"], ["-n", "flowsr-s", "--detail", "0"], "made with detail 1, not 0"),
    (["-n", "flowsr-s"], ["-n", "flowsr-s", "--steps", "2"], "made with steps 1, not 2"),
    (["--precision", "fp32"], ["--precision", "bf16"], "made with precision fp32, not bf16"),
    (["--compression", "1"], ["--compression", "2"], "made with compression 1, not 2"),
    (
        ["-n", "linf-s", "--temperature", "0.5"],
        ["-n", "linf-s", "--temperature", "0.5", "--seed", "3"],
        "made with seed 0, not 3",
    ),
]


@pytest.mark.parametrize(("before", "after", "says"), CHANGES, ids=lambda v: " ".join(v) if isinstance(v, list) else "")
def test_a_result_of_other_settings_is_stale_until_it_is_made_again(folder, tmp_path, before, after, says):
    template = f"{tmp_path}/out/{{stem}}{{ext}}"  # one name for all models
    srcli(folder, "-o", template, *before)
    made = contents(tmp_path / "out")
    result = srcli(folder, "-o", template, *after, "--json")
    assert (result.exit_code, statuses(result)) == (3, {"stale": 3})
    assert errors(result) == {f"{says}; use --remake-stale to make it again"}
    assert json.loads(result.stdout.splitlines()[-1])["summary"] == {"stale": 3}
    assert contents(tmp_path / "out") == made
    again = srcli(folder, "-o", template, *after, "--json", "--remake-stale")
    assert (again.exit_code, statuses(again)) == (0, {"done": 3})
    assert statuses(srcli(folder, "-o", template, *after, "--json")) == {"skipped": 3}


def test_precision_counts_only_if_it_is_asked_for(folder, tmp_path):
    srcli(folder, "-o", tmp_path / "out", "--precision", "fp32")
    assert statuses(srcli(folder, "-o", tmp_path / "out", "--json")) == {"skipped": 3}
    assert statuses(srcli(folder, "-o", tmp_path / "out", "--json", "--precision", "fp32")) == {"skipped": 3}


def test_settings_without_effect_change_nothing(folder, tmp_path):
    srcli(folder, "-o", tmp_path / "out", "-n", "flowsr-s")
    for more in (["--seed", "7"], ["--quality", "50"]):
        result = srcli(folder, "-o", tmp_path / "out", "-n", "flowsr-s", "--json", *more)
        assert {r["reason"] for r in records(result)} == {"unchanged"}


def test_another_version_of_srcli_alone_makes_nothing_stale(folder, tmp_path, monkeypatch):
    srcli(folder, "-o", tmp_path / "out")
    monkeypatch.setattr("srcli.batch.batches.__version__", "99.0")
    result = srcli(folder, "-o", tmp_path / "out", "--json")
    assert {r["reason"] for r in records(result)} == {"unchanged"}


def test_only_stale_results_are_made_again(folder, tmp_path):
    out = tmp_path / "out"
    srcli(folder, "-o", out, "-n", "flowsr-s")
    (out / "000_x2.png").write_bytes(b"mine")
    photo(folder / "001.png", 50)
    before = contents(out)
    result = srcli(folder, "-o", out, "-n", "flowsr-s", "--json", "--remake-stale")
    assert [(r["status"], r.get("reason")) for r in records(result)] == [
        ("skipped", "exists"),
        ("done", None),
        ("skipped", "unchanged"),
    ]
    assert {name for name, data in contents(out).items() if data != before[name]} == {"001_x2.png"}


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif"])
def test_a_single_file_knows_it_from_the_metadata(tmp_path, suffix):
    photo(tmp_path / "a.png")
    words = (tmp_path / "a.png", "-f", suffix, "-n", "flowsr-s")
    srcli(*words)
    assert srcli(*words).exit_code == 0
    result = srcli(*words, "--detail", "0.5")
    assert result.exit_code == 3
    assert f"stale: {tmp_path / 'a_x2'}.{suffix} was made with detail 1, not 0.5; use --remake-stale" in result.stderr
    assert srcli(*words, "--detail", "0.5", "--remake-stale").exit_code == 0
    assert recorded(tmp_path / f"a_x2.{suffix}")["detail"] == 0.5


def test_what_is_recorded_is_read_from_every_line(tmp_path):
    exif = Image.Exif()
    exif[0x000B] = (
        "srcli 0.2.0: linf-s (clean (very)), x2.5, detail 1, temperature 0.4, seed 7, denoise 0.5, guarded tiles 0"
    )
    Image.new("RGB", (4, 4)).save(tmp_path / "a.jpg", exif=exif)
    assert recorded(tmp_path / "a.jpg") == {
        "version": "0.2.0", "model": "linf-s", "why": "clean (very)", "scale": 2.5, "detail": 1.0, "temperature": 0.4,
        "seed": 7, "denoise": 0.5,
    }  # fmt: skip
    (tmp_path / "b.png").write_bytes(b"no picture")
    assert recorded(tmp_path / "b.png") is None


def test_unknown_facts_make_no_difference():
    now = {"model": "a", "detail": 0.5, "steps": 2, "weights": {"flow": "x"}, "output_size": [4, 6]}
    assert differences({}, now, any_precision=False) == []
    assert differences({"detail": 0.5, "weights": {"flow": ""}}, now, any_precision=False) == []
    assert differences({"weights": {"flow": "y"}}, now, any_precision=False) == ["other weights of a"]
    assert differences({"output_size": (2, 3), "scale": 1}, now | {"scale": 2}, any_precision=False) == [
        "output size 2x3, not 4x6"
    ]


# What a run says of what it did not make


def test_many_unchanged_files_are_one_line_and_the_others_are_listed_apart(tmp_path):
    folder, out = photos(tmp_path / "in", 12), tmp_path / "out"
    srcli(folder, "-o", out, "-n", "bicubic")
    photo(folder / "003.png", 60)
    (out / "005_x2.png").write_bytes(b"mine")
    (out / "006_x2.png").write_bytes(b"mine")
    (folder / "odd.png").write_text("no picture")
    result = srcli(folder, "-o", out, "-n", "bicubic")
    assert result.exit_code == 3
    assert sorted(result.stderr.splitlines()) == [
        "2 kept: the results exist; use --overwrite to replace them: 005_x2.png, 006_x2.png",
        "9 unchanged: already made from these files with these settings",
        f"failed: {folder / 'odd.png'} is not a picture in a known format",
        f"stale: {out / '003_x2.png'} was made from another version of the file; use --remake-stale to make it again",
    ]
    assert result.stdout == "9 unchanged, 1 stale, 2 skipped, 1 failed\n"
    assert result.stdout.count("\n") == 1
    told = srcli(folder, "-o", out, "-n", "bicubic", "-v").stderr
    assert told.count("was already made from this file") == 9


def test_many_stale_results_are_a_line_for_each_change(tmp_path):
    folder, out = photos(tmp_path / "in", 6), tmp_path / "out"
    srcli(folder, "-o", out, "-n", "flowsr-s")
    lines = srcli(folder, "-o", out, "-n", "flowsr-s", "--detail", "0").stderr.splitlines()
    assert lines == [
        "6 stale: made with detail 1, not 0; use --remake-stale to make them again: "
        "000_x2.png, 001_x2.png, 002_x2.png and 3 more (-v lists them)"
    ]


# Names


@pytest.mark.parametrize("place", ["in", "out"])
@pytest.mark.parametrize("batch", [True, False])
def test_two_models_of_one_picture_are_kept_apart(tmp_path, place, batch):
    source = photo(tmp_path / "in" / "a.png")
    words = (source.parent if batch else source, "-o", tmp_path / place)
    for _ in range(2):  # the second time nothing is made
        for model in ("linf-s", "flowsr-s", "bicubic"):
            assert srcli(*words, "-n", model).exit_code == 0
    made = {"a_x2.png": "linf-s", "a_x2_flowsr-s.png": "flowsr-s", "a_x2_bicubic.png": "bicubic"}
    assert tree(tmp_path) == {"in/a.png", *(f"{place}/{name}" for name in made)}
    assert {name: recorded(tmp_path / place / name)["model"] for name in made} == made
    srcli(*words, "-n", "flowsr-s", "--detail", "0", "-y")  # replaces its own
    assert recorded(tmp_path / place / "a_x2_flowsr-s.png")["detail"] == 0
    assert recorded(tmp_path / place / "a_x2.png")["model"] == "linf-s"


def test_a_batch_knows_models_that_its_files_do_not_name(tmp_path):
    folder = photos(tmp_path / "in", 2)
    for model in ("linf-s", "bicubic", "linf-s"):
        srcli(folder, "-o", tmp_path / "out", "-n", model, "--strip")
    assert tree(tmp_path / "out") == {f"00{n}_x2{mark}.png" for n in (0, 1) for mark in ("", "_bicubic")}


def test_results_with_a_model_in_their_name_are_not_enlarged_again(tmp_path):
    photo(tmp_path / "a.png")
    photo(tmp_path / "a_x2_mine.png")  # not ours
    for model in ("linf-s", "bicubic"):
        srcli(tmp_path / "a.png", "-n", model)
    result = srcli(tmp_path, "-n", "linf-s")
    assert "skipped as results of earlier runs: a_x2.png, a_x2_bicubic.png;" in result.stderr
    assert tree(tmp_path) == {"a.png", "a_x2.png", "a_x2_bicubic.png", "a_x2_mine.png", "a_x2_mine_x2.png"}


def test_what_auto_picks_shares_a_name(tmp_path, monkeypatch):
    """Its choice may change when a model is installed: the result is stale then, and no second one is made."""
    photo(tmp_path / "a.png")
    srcli(tmp_path / "a.png")
    first = recorded(tmp_path / "a_x2.png")["model"]
    other = choice.Choice(kind="test", model="bicubic", detail=1.0, why="a test")
    monkeypatch.setattr(choice, "choose", lambda seen, restorer: other)
    result = srcli(tmp_path / "a.png")
    assert result.exit_code == 3
    assert f"was made with model {first}, not bicubic" in result.stderr
    assert tree(tmp_path) == {"a.png", "a_x2.png"}
