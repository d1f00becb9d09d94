"""What a batch takes, how it names the results, and which of them are a shard's."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from srcli import batch
from tests.batch.steps import COMMAND, ENVIRONMENT, QUICK, photo, photos, records, srcli, statuses, tree


def planned(*arguments, **options) -> set[str]:
    return {item.source.name for item in batch.plan(*arguments, **options).items}


# What is taken


def test_folders_with_globs(tmp_path):
    for name in ("a.png", "b.jpg", "scans/c.jpg", "scans/deep/d.png", ".hidden/e.png", "scans/.f.png", "text.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    everything = batch.Selection(recursive=True)
    assert planned([tmp_path], None) == {"a.png", "b.jpg"}
    assert planned([tmp_path], None, everything) == {"a.png", "b.jpg", "c.jpg", "d.png"}
    assert planned([tmp_path], None, batch.Selection(recursive=True, include=("*.jpg",))) == {"b.jpg", "c.jpg"}
    assert planned([tmp_path], None, batch.Selection(recursive=True, include=("scans/*",))) == {"c.jpg", "d.png"}
    assert planned([tmp_path], None, batch.Selection(recursive=True, exclude=("scans/deep/*", "a.*"))) == {
        "b.jpg",
        "c.jpg",
    }


def test_globs_that_choose_nothing_are_told(tmp_path):
    photo(tmp_path / "a.png")
    result = srcli(tmp_path, "--include", "*.tif")
    assert result.exit_code == 0
    assert "no pictures selected" in result.stderr
    assert tree(tmp_path) == {"a.png"}


@pytest.mark.parametrize(
    ("mark", "ending"), [(b"", b"\n"), (b"\xef\xbb\xbf", b"\r\n"), (b"", b"\0")], ids=["lines", "windows", "print0"]
)
def test_lists_from_files_and_standard_input(tmp_path, mark, ending):
    names = ["a b.png", "%41.png", "#ñ🐈.png"]
    paths = [photo(tmp_path / name, number) for number, name in enumerate(names)]
    text = mark + ending.join(os.fsencode(path) for path in paths) + ending
    (tmp_path / "list").write_bytes(text)
    assert srcli("--from", tmp_path / "list", "-o", tmp_path / "file").exit_code == 0
    assert srcli("--from", "-", "-o", tmp_path / "stdin", "--dry-run", text=text).exit_code == 0
    assert tree(tmp_path / "file") == {"a b_x2.png", "%41_x2.png", "#ñ🐈_x2.png"}


def test_a_missing_or_empty_list_is_wrong_usage(tmp_path):
    (tmp_path / "empty").touch()
    for name, says in (("missing", "cannot be read"), ("empty", "is empty")):
        result = srcli("--from", tmp_path / name)
        assert (result.exit_code, says in result.stderr) == (2, True), result.stderr


def test_a_picture_through_a_pipe(tmp_path):
    data = photo(tmp_path / "a.png").read_bytes()
    run = subprocess.run([*COMMAND, "-", *QUICK], input=data, capture_output=True, env=ENVIRONMENT, check=True)
    (tmp_path / "piped.png").write_bytes(run.stdout)
    srcli(tmp_path / "a.png", "-o", tmp_path / "b.png")
    assert np.array_equal(Image.open(tmp_path / "piped.png"), Image.open(tmp_path / "b.png"))
    assert Path(tmp_path / "piped.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_symlinks(tmp_path):
    inside, outside = tmp_path / "in", tmp_path / "elsewhere"
    photo(inside / "a.png")
    photo(outside / "b.png")
    (inside / "file.png").symlink_to(outside / "b.png")
    (inside / "folder").symlink_to(outside)
    (inside / "circle").symlink_to(inside)
    (inside / "nowhere.png").symlink_to(tmp_path / "gone.png")
    (inside / "loop.png").symlink_to("loop.png")
    result = srcli(inside, "-r", "-o", tmp_path / "out", "--json")
    failed = {Path(r["input"]).name: r["error"] for r in records(result) if r["status"] == "failed"}
    assert tree(tmp_path / "out") == {"a_x2.png", "file_x2.png"}
    assert failed.keys() == {"nowhere.png", "loop.png"}
    assert "is a broken link" in failed["nowhere.png"]
    assert result.exit_code == 3
    assert srcli(inside / "folder", "-o", tmp_path / "named").exit_code == 0  # a link that is named is followed
    assert tree(tmp_path / "named") == {"b_x2.png"}


def test_names_of_every_kind(tmp_path):
    longest = "é" * 123 + "a.png"  # 251 bytes
    odd = ["a b", " lead", "%41", "#1", "ñ", "n\u0303", "🐈", "new\nline", "[x]{y}", "-o", os.fsdecode(b"\xff")]
    names = [f"{stem}.png" for stem in odd] + [longest]
    for number, name in enumerate(names):
        photo(tmp_path / "in" / name, number)
    result = srcli(tmp_path / "in", "-o", tmp_path / "out", "--json")
    made = {name.removesuffix("_x2.png") + ".png" for name in tree(tmp_path / "out")}
    assert made == set(names)
    assert result.exit_code == 0
    photo(tmp_path / "in" / ("b" * 251 + ".png"))  # 255 bytes, but those of its result would be 258
    result = srcli(tmp_path / "in", "-o", tmp_path / "out", "--json")
    assert statuses(result) == {"skipped": len(names), "failed": 1}
    assert "File name too long" in result.stdout
    assert srcli(tmp_path / "in" / ("b" * 251 + ".png"), "-o", tmp_path / "short.png").exit_code == 0


# How results are named


def test_every_field_of_a_template(tmp_path):
    photo(tmp_path / "in" / "sub" / "a.jpg")
    template = f"{tmp_path}/out/{{folder}}/{{parent}}/{{model}}-{{stem}}-{{scale}}-{{width}}x{{height}}{{ext}}"
    assert srcli(tmp_path / "in", "-r", "-n", "linf-lp-s", "-o", template).exit_code == 0
    assert tree(tmp_path / "out") == {"sub/sub/linf-lp-s-a-2-40x32.jpg"}


def test_a_template_without_suffix_gets_the_format(tmp_path):
    photo(tmp_path / "in" / "photo.v2.png")
    photo(tmp_path / "in" / "a.jpg.png")
    assert srcli(tmp_path / "in", "-o", tmp_path / "{stem}").exit_code == 0
    assert tree(tmp_path) >= {"photo.v2.png", "a.jpg.png"}


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("{name}{ext}", "unknown field {name}"),
        ("{}{ext}", "unknown field {}"),
        ("{stem.x}{ext}", "unknown field {stem.x}"),
        ("{stem", "is invalid"),
        ("{stem:d}{ext}", "is invalid"),
        ("{stem!q}{ext}", "is invalid"),
        ("all{ext}", "the same name"),
        ("{parent}{ext}", "add {stem}"),
    ],
)
def test_a_wrong_template_is_wrong_usage(tmp_path, template, says):
    photos(tmp_path / "in", 2)
    result = srcli(tmp_path / "in", "-o", tmp_path / template)
    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1), result.stderr
    assert says in result.stderr
    assert tree(tmp_path) == {"in/000.png", "in/001.png"}


def test_a_format_that_contradicts_the_template_is_wrong_usage(tmp_path):
    photos(tmp_path / "in", 2)
    result = srcli(tmp_path / "in", "-o", tmp_path / "{stem}.png", "-f", "jpg")
    assert (result.exit_code, "contradicts" in result.stderr) == (2, True)


@pytest.mark.parametrize("template", ["", "/{stem}{ext}", "/{stem}"])
def test_clashes_are_resolved_and_told(tmp_path, template):
    for number, name in enumerate(["a.jpg", "a.png", "a_png.webp", "b.png"]):
        photo(tmp_path / "in" / name, number)
    result = srcli(tmp_path / "in", "-o", f"{tmp_path / 'out'}{template}", "-f", "png")
    assert result.exit_code == 0
    mark = "" if template else "_x2"
    assert tree(tmp_path / "out") == {f"{stem}{mark}.png" for stem in ("a_jpg", "a_png", "a_png_2", "b")}
    assert "a.jpg as a_jpg" in result.stderr


# Shards


def test_shards_are_disjoint_complete_and_stable(tmp_path):
    for number in range(60):
        (tmp_path / f"{number}.png").touch()
    parts = [planned([tmp_path], None, batch.Selection(shard=(i, 4))) for i in (1, 2, 3, 4)]
    assert sum(map(len, parts)) == 60
    assert set.union(*parts) == {f"{n}.png" for n in range(60)}
    assert all(5 < len(part) < 30 for part in parts)
    (tmp_path / "00.png").touch()
    after = [planned([tmp_path], None, batch.Selection(shard=(i, 4))) for i in (1, 2, 3, 4)]
    assert [a - {"00.png"} for a in after] == parts
    moved = shutil.copytree(tmp_path, tmp_path / "elsewhere")
    assert planned([moved], None, batch.Selection(shard=(2, 4))) == after[1]


def test_results_of_different_shards_do_not_take_one_name(tmp_path):
    for number in range(8):
        (tmp_path / f"{number}.png").touch()
        (tmp_path / f"{number}.jpg").touch()
    shards = [batch.plan([tmp_path], None, batch.Selection(shard=(i, 2)), suffix=".png").items for i in (1, 2)]
    names = [item.name for part in shards for item in part]
    assert len(set(names)) == 16
    whole = {item.source: item.name for item in batch.plan([tmp_path], None, suffix=".png").items}
    assert {item.source: item.name for part in shards for item in part} == whole


def test_a_result_of_one_shard_does_not_replace_an_input_of_another(tmp_path):
    paths = [photo(tmp_path / name) for name in ("a.png", "a_x2.png")]
    before = paths[1].read_bytes()
    for shard in ("1/2", "2/2"):
        srcli(*paths, "--shard", shard, "-y")
    assert paths[1].read_bytes() == before


@pytest.mark.parametrize("shard", ["0/2", "3/2", "1", "a/b", "1/0"])
def test_a_wrong_shard_is_wrong_usage(tmp_path, shard):
    photo(tmp_path / "a.png")
    result = srcli(tmp_path, "--shard", shard)
    assert (result.exit_code, "must be I/N" in result.stderr) == (2, True)
