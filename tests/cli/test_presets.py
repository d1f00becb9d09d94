"""Presets: options under a name, which the command line overrides; a broken one is one sentence."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from srcli.cli.commands import upscale
from srcli.cli.usage import presets
from srcli.cli.usage.command import known_options
from srcli.errors import SrcliError
from tests.support.command import photo, shape, srcli


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """An empty folder of presets; a picture is in the working folder."""
    monkeypatch.setattr("platformdirs.user_config_path", lambda name: tmp_path / "config" / name)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    photo(Path("a.png"))
    return tmp_path / "config" / "srcli" / "presets"


def one_sentence(result, *says: str) -> None:
    assert result.exit_code == 2, result.output
    assert len(result.stderr.strip().splitlines()) == 1
    for text in says:
        assert text in result.stderr


def test_saved_options_are_used_later(folder):
    options = ["--long-side", 96, "-f", "jpg", "--no-provenance", "--detail", 0.25, "-n", "linf-lp-s"]
    result = srcli("upscale", "a.png", *options, "--save-preset", "scans", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout.splitlines()[0])["detail"] == 0.25  # today's run is made too
    first = Path("a_96x80.jpg").read_bytes()
    text = (folder / "scans.toml").read_text()
    assert tomllib.loads(text) == {
        "long-side": 96, "model": "linf-lp-s", "detail": 0.25, "format": "jpg", "provenance": False,
    }  # fmt: skip
    assert srcli("upscale", "a.png", "--preset", "scans", "-y", "--no-ledger").exit_code == 0
    assert Path("a_96x80.jpg").read_bytes() == first
    assert srcli("upscale", "a.png", "-y", "--long-side", 96, "-f", "jpg").exit_code == 0
    assert Path("a_96x80.jpg").read_bytes() != first  # and nothing is left of it without --preset


def test_without_an_input_it_only_saves(folder):
    result = srcli("upscale", "--scale", 2, "-n", "bicubic", "--save-preset", "two")
    assert result.exit_code == 0
    assert f"saved {folder / 'two.toml'}: --scale 2 --model bicubic" in result.stderr
    assert [p.name for p in Path().iterdir()] == ["a.png"]


@pytest.mark.parametrize(
    ("options", "name", "size"),
    [
        ([], "a_48x40.png", (48, 40)),
        (["--scale", 3], "a_x3.png", (72, 60)),
        (["--size", "30x30"], "a_30x25.png", (30, 25)),
        (["--size", "30x30", "--fit", "cover"], "a_30x30.png", (30, 30)),
        (["--fit", "cover"], "a_48x48.png", (48, 48)),
        (["--short-side", 60, "-f", "bmp"], "a_72x60.bmp", (72, 60)),
    ],
)
def test_options_on_the_command_line_win(folder, options, name, size):
    assert srcli("upscale", "--size", "48x48", "-f", "png", "-n", "bicubic", "--save-preset", "p").exit_code == 0
    result = srcli("upscale", "a.png", "--preset", "p", *options)
    assert result.exit_code == 0, result.output
    assert shape(Path(name)) == size


def test_a_size_replaces_the_fit_of_the_preset_too(folder):
    assert srcli("upscale", "--size", "48x48", "--fit", "cover", "-n", "bicubic", "--save-preset", "p").exit_code == 0
    assert srcli("upscale", "a.png", "--preset", "p").exit_code == 0
    assert srcli("upscale", "a.png", "--preset", "p", "--size", "60x60").exit_code == 0
    assert srcli("upscale", "a.png", "--preset", "p", "--long-side", 36).exit_code == 0
    made = {p.name for p in Path().iterdir()}
    assert made == {"a.png", "a_48x48.png", "a_60x50.png", "a_36x30.png"}


def test_a_flag_and_a_model_of_the_preset_are_overridden(folder):
    srcli("upscale", "-m", "weights.pth", "--prior", "prior.pth", "--no-provenance", "-s", 2, "--save-preset", "p")
    options = tomllib.loads((folder / "p.toml").read_text())
    assert options["model-file"] == str(Path("weights.pth").absolute())  # whatever the folder it is used in
    assert srcli("upscale", "a.png", "--preset", "p", "-n", "bicubic", "--provenance").exit_code == 0
    assert b"srcli" in Path("a_x2.png").read_bytes()


def test_what_belongs_to_one_run_is_not_saved(folder):
    Path("list.txt").write_text("a.png\n")
    report = ["--json", "-q", "--dry-run", "--explain", "--debug"]
    result = srcli(
        "upscale", "--from", "list.txt", "-o", "out", "-y", "--retry-failed", "--shard", "1/1", *report,
        "--recursive", "--exclude", "*.gif", "--exclude", "*.bmp", "--max-memory", 2.5, "--save-preset", "p",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    saved = tomllib.loads((folder / "p.toml").read_text())
    assert saved == {"recursive": True, "exclude": ["*.gif", "*.bmp"], "max-memory": 2.5}


def test_a_preset_is_extended_under_another_name(folder):
    srcli("upscale", "-s", 2, "-f", "png", "--save-preset", "p")
    srcli("upscale", "--preset", "p", "--long-side", 96, "--save-preset", "q")
    assert tomllib.loads((folder / "q.toml").read_text()) == {"long-side": 96, "format": "png"}


def test_a_preset_is_replaced_only_with_y(folder):
    srcli("upscale", "-s", 2, "--save-preset", "p")
    one_sentence(srcli("upscale", "-s", 3, "--save-preset", "p"), "exists", "use -y to replace it")
    assert tomllib.loads((folder / "p.toml").read_text()) == {"scale": 2.0}
    assert srcli("upscale", "-s", 3, "--save-preset", "p", "-y").exit_code == 0
    assert tomllib.loads((folder / "p.toml").read_text()) == {"scale": 3.0}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["-s", "nan"], "positive"),
        (["-f", "docx"], "unknown format"),
        (["--detail", "7"], "detail goes from"),
        (["-n", "nomodel"], "unknown model"),
        (["-s", "4x"], "-s 4"),
    ],
)
def test_wrong_options_are_not_saved(folder, options, says):
    one_sentence(srcli("upscale", *options, "--save-preset", "p"), says)
    assert not folder.exists()


BROKEN = [
    ('long-side = "x', "is not TOML"),
    ("long-sid = 4", "unknown option 'long-sid'; did you mean long-side?"),
    ("overwrite = true", "unknown option 'overwrite'"),
    ('long-side = "many"', "--long-side should be a valid integer, not 'many'"),
    ("scale = [1]", "scale must be a text or a number"),
    ("scale = true", "scale must be a text or a number"),
    ("scale = 2020-01-01", "scale must be a text or a number"),
    ("[scale]\na = 1", "scale must be a text or a number"),
    ('provenance = "no"', "provenance must be true or false"),
    ('exclude = "*.gif"', "exclude must be a list of texts"),
    ("quality = 900", "--quality should be less than or equal to 100, not 900"),
    ("a = " + "[" * 100_000, "is not TOML"),
]


@pytest.mark.parametrize(("text", "says"), BROKEN, ids=[says for _, says in BROKEN])
def test_a_broken_preset_is_one_sentence_that_names_it(folder, text, says):
    folder.mkdir(parents=True)
    (folder / "odd.toml").write_text(text)
    one_sentence(srcli("upscale", "a.png", "--preset", "odd"), says, "odd")
    assert [p.name for p in Path().iterdir()] == ["a.png"]


def test_bytes_that_are_no_text_and_a_folder_are_one_sentence(folder):
    folder.mkdir(parents=True)
    (folder / "bytes.toml").write_bytes(b"\xff\xfe")
    (folder / "folder.toml").mkdir()
    one_sentence(srcli("upscale", "a.png", "--preset", "bytes"), "is not TOML")
    one_sentence(srcli("upscale", "a.png", "--preset", "folder"), "cannot be read")


def test_an_unknown_preset_names_the_nearest(folder):
    one_sentence(srcli("upscale", "a.png", "--preset", "scan"), "save it with: srcli upscale --save-preset scan")
    srcli("upscale", "-s", 2, "--save-preset", "scans")
    one_sentence(srcli("upscale", "a.png", "--preset", "scan"), "did you mean scans?")
    one_sentence(srcli("upscale", "a.png", "--preset", "../a"), "letters, digits")
    one_sentence(srcli("upscale", "a.png", "--preset", "no.toml"), "no.toml does not exist")


def test_a_preset_can_be_a_file(folder):
    Path("shared.toml").write_text('scale = 2\nmodel = "bicubic"\n')
    assert srcli("upscale", "a.png", "--preset", "shared.toml").exit_code == 0
    assert shape(Path("a_x2.png")) == (48, 40)


def test_presets_are_listed_and_removed(folder):
    assert "no presets; save one with" in srcli("presets", "list").stdout
    srcli("upscale", "-s", 2.5, "--exclude", "*.gif", "--no-ledger", "--save-preset", "b")
    srcli("upscale", "-f", "png", "--save-preset", "a")
    assert srcli("presets", "list").stdout.splitlines() == [
        "a: --format png",
        "b: --scale 2.5 --exclude '*.gif' --no-ledger",
    ]
    records = [json.loads(line) for line in srcli("presets", "list", "--json").stdout.splitlines()]
    assert [r["name"] for r in records] == ["a", "b"]
    assert records[0]["options"] == {"format": "png"}
    (folder / "c.toml").write_text("broken")
    listed = srcli("presets", "list")
    assert listed.exit_code == 1
    assert "c.toml is not TOML" in listed.stderr
    assert len(listed.stdout.splitlines()) == 2
    assert srcli("presets", "rm", "a", "c").exit_code == 0
    assert presets.names() == ["b"]
    one_sentence(srcli("presets", "rm", "a"), "no preset 'a' among b")
    Path("mine.toml").write_text("")
    assert srcli("presets", "rm", "mine.toml").exit_code == 2  # only presets are removed, no file by its path
    assert Path("mine.toml").exists()


def test_a_user_without_a_home_is_told(folder, monkeypatch):
    def homeless(name):
        raise RuntimeError("no home")

    for missing in (homeless, lambda name: Path("~/.config") / name):
        monkeypatch.setattr("platformdirs.user_config_path", missing)
        with pytest.raises(SrcliError, match="no home folder"):
            presets.save("p", {"scale": 2}, overwrite=False)
    assert [p.name for p in Path().iterdir()] == ["a.png"]
    assert presets.names() == []


def test_every_option_of_a_preset_can_be_saved_and_read(folder):
    known = known_options(upscale.command)
    values = {"flag": True, "list": ["a", "b"], "value": 1.5}
    options = {key: values[option.kind] for key, option in known.items()}
    presets.save("all", options, overwrite=False)
    assert presets.read("all", known).options == options
    assert {option.parameter for option in known.values()}.isdisjoint(presets.PER_RUN)
    assert {"scale", "fit", "model", "format", "quality", "tile", "device", "recursive"} <= set(known)


@pytest.mark.parametrize(
    ("words", "offered"), [("upscale --preset sc", ["scans"]), ("upscale -n flowm", ["flowmap-s"])]
)
def test_the_shell_completes_names(tmp_path, words, offered):
    (tmp_path / "srcli" / "presets").mkdir(parents=True)
    for name in ("scans", "web"):
        (tmp_path / "srcli" / "presets" / f"{name}.toml").write_text("scale = 2\n")
    environment = os.environ | {
        "XDG_CONFIG_HOME": str(tmp_path), "_SRCLI_COMPLETE": "complete_bash", "COMP_WORDS": f"srcli {words}",
        "COMP_CWORD": str(len(words.split())),
    }  # fmt: skip
    code = "import sys; sys.argv = ['srcli']; from srcli.cli.app import main; main()"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert run.stdout.split() == offered
