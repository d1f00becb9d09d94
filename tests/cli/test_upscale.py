"""The command as a person meets it: names, sizes, exit codes, one sentence for every error."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from srcli.batch.names import Item
from srcli.batch.records import naming
from tests.support.command import photo, shape, srcli
from tests.support.places import EXAMPLES


def visible(folder: Path) -> list[Path]:
    """Without the ledger."""
    return [p for p in folder.iterdir() if not p.name.startswith(".")]


def test_result_lies_beside_the_input_and_names_the_scale(tmp_path):
    photo(tmp_path / "a.png")
    assert srcli("upscale", tmp_path / "a.png", "--scale", "3.5").exit_code == 0
    assert shape(tmp_path / "a_x3.5.png") == (84, 70)


@pytest.mark.parametrize(
    ("options", "name", "size"),
    [
        (["-s", "1"], "a_x1.png", (24, 20)),
        (["-s", "8"], "a_x8.png", (192, 160)),
        (["--size", "50x60"], "a_50x42.png", (50, 42)),
        (["--size", "50x60", "--fit", "stretch"], "a_50x60.png", (50, 60)),
        (["--size", "48x"], "a_48x40.png", (48, 40)),
        (["--size", "x30"], "a_36x30.png", (36, 30)),
        (["--long-side", "100"], "a_100x83.png", (100, 83)),
        (["--short-side", "50"], "a_60x50.png", (60, 50)),
        (["--megapixels", "0.01"], "a_110x91.png", (110, 91)),
    ],
)
def test_every_way_to_say_a_size(tmp_path, options, name, size):
    photo(tmp_path / "a.png")
    assert srcli("upscale", tmp_path / "a.png", *options).exit_code == 0
    assert shape(tmp_path / name) == size


def test_detail_zero_is_the_mean_of_the_sampled_model(tmp_path):
    photo(tmp_path / "a.png")
    srcli("upscale", tmp_path / "a.png", "-s", 2, "--detail", 0, "-o", tmp_path / "prior.png")
    srcli("upscale", tmp_path / "a.png", "-s", 2, "-n", "linf-s", "-o", tmp_path / "flow.png")
    srcli("upscale", tmp_path / "a.png", "-s", 2, "-o", tmp_path / "full.png")
    srcli(
        "upscale",
        tmp_path / "a.png",
        "-s",
        2,
        "-n",
        "linf",
        "--temperature",
        0.7,
        "--seed",
        1,
        "-o",
        tmp_path / "t.png",
    )
    prior, flow, full, sampled = (np.asarray(Image.open(tmp_path / f"{n}.png")) for n in ("prior", "flow", "full", "t"))
    assert np.array_equal(prior, flow)
    assert not np.array_equal(full, flow)
    assert not np.array_equal(sampled, flow)


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P"])
def test_channels_of_the_input_are_those_of_the_output(tmp_path, mode):
    photo(tmp_path / "a.png", mode=mode)
    assert srcli("upscale", tmp_path / "a.png", "-s", 2).exit_code == 0
    with Image.open(tmp_path / "a_x2.png") as made:
        assert made.mode == {"P": "RGB"}.get(mode, mode)


def test_alpha_is_upscaled_and_constant_alpha_kept(tmp_path):
    pixels = np.asarray(Image.open(EXAMPLES / "cat.png").convert("RGBA").crop((0, 0, 24, 20))).copy()
    pixels[..., 3] = 77
    Image.fromarray(pixels).save(tmp_path / "flat.png")
    pixels[:10, :, 3], pixels[10:, :, 3] = 255, 0
    Image.fromarray(pixels).save(tmp_path / "half.png")
    srcli("upscale", tmp_path / "flat.png", tmp_path / "half.png", "-s", 2)
    assert (np.asarray(Image.open(tmp_path / "flat_x2.png"))[..., 3] == 77).all()
    alpha = np.asarray(Image.open(tmp_path / "half_x2.png"))[..., 3]
    assert alpha[:16].min() > 240
    assert alpha[24:].max() < 15


def test_a_folder_with_two_broken_files(tmp_path):
    for i in range(18):
        photo(tmp_path / f"{i:02}{['.png', '.jpg', '.webp'][i % 3]}", mode=["RGB", "L"][i % 2])
    (tmp_path / "text.png").write_text("not a picture")
    (tmp_path / "empty.jpg").write_bytes(b"")
    result = srcli("upscale", tmp_path, "-o", tmp_path / "out", "-s", 1.5, "--json")
    assert result.exit_code == 3
    assert len(list(visible(tmp_path / "out"))) == 18
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert sorted(Path(f).name for f in lines[-1]["failed"]) == ["empty.jpg", "text.png"]
    assert lines[-1]["summary"] == {"done": 18, "failed": 2}
    assert len(lines) == 21


def test_recursive_keeps_sub_folders_and_equal_stems_apart(tmp_path):
    source = tmp_path / "in"
    (source / "sub").mkdir(parents=True)
    photo(source / "a.png")
    photo(source / "a.jpg")
    photo(source / "sub" / "b ñ%41#.png")
    assert srcli("upscale", source, "-r", "-o", tmp_path / "out", "-s", 2, "-f", "png").exit_code == 0
    made = sorted(str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*.png"))
    assert made == ["a_jpg_x2.png", "a_png_x2.png", "sub/b ñ%41#_x2.png"]


def test_inputs_of_one_name_from_two_folders_do_not_lose_each_other(tmp_path):
    for folder in ("A", "B"):
        (tmp_path / folder).mkdir()
        photo(tmp_path / folder / "x.png")
    assert srcli("upscale", tmp_path / "A", tmp_path / "B", "-o", tmp_path / "out", "-s", 2).exit_code == 0
    assert sorted(p.name for p in visible(tmp_path / "out")) == ["x_png_2_x2.png", "x_png_x2.png"]


def test_a_surprise_with_one_file_does_not_cost_the_others(tmp_path):
    for name in ("a.png", "c.png"):
        photo(tmp_path / name)
    exif = Image.Exif()
    exif[0x010E] = "long " * 20000
    with Image.open(EXAMPLES / "cat.png") as cat:
        cat.crop((0, 0, 24, 20)).save(tmp_path / "b.png", exif=exif)
    (tmp_path / ("n" * 250 + ".png")).write_bytes((tmp_path / "a.png").read_bytes())  # its result's name is too long
    result = srcli("upscale", tmp_path, "-o", tmp_path / "out", "-s", 2, "-f", "jpg")
    assert result.exit_code == 3
    assert "File name too long" in result.stderr
    assert {"a_x2.jpg", "b_x2.jpg", "c_x2.jpg"} <= {p.name for p in visible(tmp_path / "out")}
    assert "too long for JPEG" in result.stderr


def test_existing_files_are_kept_unless_asked(tmp_path):
    photo(tmp_path / "a.png")
    (tmp_path / "a_x2.png").write_text("precious")
    result = srcli("upscale", tmp_path / "a.png", "-s", 2)
    assert result.exit_code == 0
    assert result.stderr == f"skipped: {tmp_path / 'a_x2.png'} exists; use --overwrite to replace it\n"
    assert (tmp_path / "a_x2.png").read_text() == "precious"
    assert srcli("upscale", tmp_path / "a.png", "-s", 2, "-y").exit_code == 0
    assert shape(tmp_path / "a_x2.png") == (48, 40)


def test_an_output_folder_inside_the_input_is_left_alone_however_it_is_written(tmp_path, monkeypatch):
    photo(tmp_path / "a.png")
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        assert srcli("upscale", tmp_path, "-r", "-o", "out", "-s", 2, "-y").exit_code == 0
    assert sorted(p.name for p in tmp_path.rglob("*.png")) == ["a.png", "a_x2.png"]
    assert srcli("upscale", "a.png", tmp_path / "a.png", "-s", 2, "--json").stdout.count('"done"') == 2  # and a summary


def test_a_result_does_not_replace_another_input(tmp_path):
    for name in ("a.png", "a_x2.png"):
        photo(tmp_path / name)
    before = (tmp_path / "a_x2.png").read_bytes()
    result = srcli("upscale", tmp_path / "a.png", tmp_path / "a_x2.png", "-s", 2, "-y")
    assert result.exit_code == 3
    assert "is one of the inputs" in result.stderr
    assert (tmp_path / "a_x2.png").read_bytes() == before


def test_a_bug_with_one_file_is_one_failure(tmp_path, monkeypatch):
    from srcli.upscaler import Upscaler

    for name in ("a.png", "b.png", "c.png"):
        photo(tmp_path / name)
    run, calls = Upscaler.stream, []

    def surprising(self, *arguments):
        calls.append(arguments)
        if len(calls) < 3:
            raise (KeyError("odd"), MemoryError())[len(calls) - 1]
        return run(self, *arguments)

    monkeypatch.setattr(Upscaler, "stream", surprising)
    result = srcli("upscale", tmp_path, "-s", 2, "--json")
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert (result.exit_code, [r["status"] for r in records[:3]]) == (3, ["failed", "failed", "done"])
    assert records[0]["error"].endswith("unexpected KeyError: 'odd'")
    assert records[1]["error"].endswith("not enough memory")


def test_dry_run_writes_nothing_and_says_the_size(tmp_path):
    photo(tmp_path / "a.png")
    result = srcli("upscale", tmp_path / "a.png", "-s", 2.5, "--dry-run")
    assert result.exit_code == 0
    assert "60x50" in result.stdout
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


BAD = [
    (["missing.png"], 1, "does not exist"),
    (["empty_folder"], 1, "no pictures"),
    (["text.png"], 1, "not a picture"),
    (["a.png", "-s", "0"], 2, "positive"),
    (["a.png", "-s", "-1"], 2, "positive"),
    (["a.png", "-s", "nan"], 2, "positive"),
    (["a.png", "-s", "inf"], 2, "positive"),
    (["a.png", "-s", "100"], 2, "outside 1 to 8"),
    (["a.png", "-s", "0.5"], 2, "outside 1 to 8"),
    (["a.png", "--size", "9999x"], 2, "makes 1 to 8"),
    (["a.png", "--size", "big"], 2, "must be WIDTHxHEIGHT"),
    (["a.png", "-s", "2", "--long-side", "50"], 2, "exactly one"),
    (["a.png", "--size", "50x", "--short-side", "50"], 2, "exactly one"),
    (["a.png", "--size", "50x60", "--fit", "crop"], 2, "contain, cover or stretch, not 'crop'"),
    (["a.png", "--size", "50x", "--fit", "cover"], 2, "--fit only works with --size WIDTHxHEIGHT"),
    (["a.png", "--fit", "cover"], 2, "--fit only works with --size WIDTHxHEIGHT"),
    (["a.png", "--short-side", "0"], 2, "positive"),
    (["a.png", "-n", "linf-xl"], 2, "unknown model"),
    (["a.png", "-g", "tpu9"], 2, "unknown device"),
    (["a.png", "-g", "cuda:7"], 2, "not available"),
    (["a.png", "--precision", "int3"], 2, "unknown precision"),
    (["a.png", "-f", "docx"], 2, "unknown format"),
    (["a.png", "--detail", "7"], 2, "detail goes from 0 to 1"),
    (["a.png", "-o", "file/deeper/a.png"], 1, "cannot write"),
    (["a.png", "b.png", "-o", "one.png"], 2, "several inputs"),
    (["a.png", "-t", "3"], 2, "at least 16"),
    (["a.png", "--no-such-flag"], 2, "no such option"),
]


@pytest.mark.parametrize(("arguments", "code", "says"), BAD, ids=lambda v: " ".join(v) if isinstance(v, list) else None)
def test_bad_input_is_one_sentence_and_leaves_everything(tmp_path, monkeypatch, arguments, code, says):
    monkeypatch.chdir(tmp_path)
    photo(Path("a.png"))
    photo(Path("b.png"))
    Path("empty_folder").mkdir()
    Path("text.png").write_text("not a picture")
    Path("file").write_text("in the way")
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    result = srcli("upscale", *arguments)
    assert result.exit_code == code, result.output
    assert says in result.stderr
    assert "Traceback" not in result.output
    assert len(result.stderr.strip().splitlines()) == 1
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


def test_json_says_why_nothing_came(tmp_path):
    result = srcli("upscale", tmp_path / "a.png", "-s", "0", "--json")
    assert result.exit_code == 2
    told = json.loads(result.stdout)
    assert (told["error"], told["exit_code"]) == (result.stderr.strip().removeprefix("srcli: "), 2)


def test_an_empty_folder_does_not_stop_the_others(tmp_path):
    photo(tmp_path / "a.png")
    (tmp_path / "empty").mkdir()
    result = srcli("upscale", tmp_path / "empty", tmp_path / "a.png", "-s", 2)
    assert result.exit_code == 3
    assert f"no pictures in {tmp_path / 'empty'}" in result.stderr
    assert (tmp_path / "a_x2.png").is_file()


@pytest.mark.parametrize("inputs", ["a.png", ""], ids=["file", "folder"])
@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--size", "9999x"], "pixels high is a scale of 416.6"),
        (["-s", "3"], "unexpected ZeroDivisionError"),
        (["-s", "2", "-f", "gif", "--frame", "3"], "has 1 frame"),
    ],
    ids=["size", "surprise", "frame"],
)
def test_every_failure_names_its_file(tmp_path, monkeypatch, inputs, options, says):
    if "ZeroDivision" in says:
        monkeypatch.setattr("srcli.tiling.strips.Job._make", lambda *_: 1 / 0)
    photo(tmp_path / "a.png")
    result = srcli("upscale", tmp_path / inputs, *options, "-o", tmp_path / "out")
    assert result.exit_code in (1, 2)
    lines = result.stderr.splitlines()
    assert len(lines) == 1, lines
    assert str(tmp_path / "a.png") in lines[0]
    assert says in lines[0]


@pytest.mark.parametrize(
    ("source", "text", "named"),
    [
        ("in/a.png", "out of memory", "in/a.png: out of memory"),
        ("in/a.png", "in/a.png is empty", "in/a.png is empty"),
        ("1.png", "21.png is in the way", "1.png: 21.png is in the way"),
        ("1.png", "1.png-old is in the way", "1.png: 1.png-old is in the way"),
        ("-", "low-resolution", "standard input: low-resolution"),
        ("-", "standard input is empty", "standard input is empty"),
    ],
)
def test_a_sentence_gets_its_file_only_once(source, text, named):
    assert naming(Item(Path(source), Path()), text) == named


@pytest.mark.parametrize("inputs", ["a.png", ""], ids=["file", "folder"])
def test_what_was_skipped_is_told_and_no_failure(tmp_path, inputs):
    photo(tmp_path / "a.png")
    (tmp_path / "out").mkdir()
    photo(tmp_path / "out" / "a_x2.png")
    result = srcli("upscale", tmp_path / inputs, "-o", tmp_path / "out", "-s", 2)
    assert (result.exit_code, result.stdout) == (0, "")
    assert "exists; use --overwrite to replace it" in result.stderr
    assert srcli("upscale", tmp_path / inputs, "-o", tmp_path / "out", "-s", 2, "-q").stderr == ""
