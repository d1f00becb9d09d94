"""What people type who come from other programs: one sentence that says what to type here."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import typer
from PIL import Image

from srcli import Upscaler
from srcli.cli.app import app
from srcli.cli.usage import habits
from srcli.geometry import TargetError
from srcli.methods.registry import methods
from tests.support.command import RUNNER, photo, shape, srcli

UPSCALE = typer.main.get_command(app).commands["upscale"]
OPTIONS = {name for param in UPSCALE.params for name in (*param.opts, *param.secondary_opts)}
PARAMETERS = {param.name for param in UPSCALE.params}

WRONG = [
    (["-i", "a.png", "-o", "b.png"], "srcli upscale a.png"),
    (["--input=a.png"], "srcli upscale a.png"),
    (["a.png", "-s", "4x"], "-s 4"),
    (["a.png", "-s", "x2.5"], "-s 2.5"),
    (["a.png", "--scale", "2,5"], "-s 2.5"),
    (["a.png", "--scale", "200%"], "-s 2 for 200%"),
    (["a.png", "-s", "3840"], "--size 3840x"),
    (["a.png", "-s", "3840x2160"], "--size 3840x2160"),
    (["a.png", "--size", "900"], "--long-side 900"),
    (["a.png", "--size", "900,600"], "--size 900x600"),
    (["a.png", "--size", "4x"], "use -s 4"),
    (["a.png", "--outscale", "4"], "-s 4"),
    (["a.png", "-outscale", "4"], "-s 4"),
    (["a.png", "-scale", "4"], "--scale"),
    (["a.png", "-m", "models"], "-n realesrgan-x4plus"),
    (["a.png", "-m", "../models-cunet", "-n", "x"], "-n realesrgan-x4plus"),
    (["a.png", "-m", "."], "-n NAME"),
    (["a.png", "-m", "realesrgan-x4plus"], "-n realesrgan-x4plus"),
    (["a.png", "-n", "RealESRGAN_x4plus.pth"], "-m RealESRGAN_x4plus.pth"),
    (["a.png", "-n", "2"], "--denoise 0.5"),
    (["a.png", "-n", "-1"], "--denoise 0.5"),
    (["a.png", "-x"], "leave it out"),
    (["a.png", "-dn", "0.5"], "--denoise 0.5"),
    (["a.png", "--tile_pad", "10"], "leave it out"),
    (["a.png", "-j", "1:2:2"], "--threads 4"),
    (["a.png", "-g", "-1"], "-g cpu"),
    (["a.png", "--gpu-id", "1"], "-g 1"),
    (["a.png", "--fp32"], "--precision fp32"),
    (["a.png", "--ext", "png"], "-f png"),
    (["a.png", "--suffix", "big"], "-o '{stem}_big{ext}'"),
    (["a.png", "--width", "3840"], "--size 3840x"),
    (["a.png", "--height=2160"], "--size x2160"),
    (["https://example.com/a/b.jpg"], "curl -L -o photo.jpg 'https://example.com/a/b.jpg'"),
    (["file:///home/a.png"], "/home/a.png"),
    (["*.jpg"], "--include '*.jpg'"),
    (["film.mp4"], "ffmpeg -i film.mp4"),
    (["a.png", "--detail", "high"], "--detail should be a valid number, not 'high'"),
    (["a.png", "--quality", "900"], "--quality should be less than or equal to 100, not '900'"),
    (["a.png", "-o"], "requires an argument"),
    (["a.png", "--scal", "2"], "--scale"),
    (["a.png", "--no-such-flag"], "srcli upscale --help lists all"),
]


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    photo(Path("a.png"))
    Path("models").mkdir()
    return tmp_path


@pytest.mark.parametrize(("arguments", "says"), WRONG, ids=lambda v: " ".join(v) if isinstance(v, list) else None)
def test_a_wrong_use_is_one_sentence_that_says_what_to_type(here, arguments, says):
    result = typed(arguments)
    assert result.exit_code == 2
    assert says in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert (result.stdout, sorted(p.name for p in here.iterdir())) == ("", ["a.png", "models"])
    as_json = typed([*arguments, "--json"]) if arguments[-1] != "-o" else None
    if as_json is not None:
        told = json.loads(as_json.stdout)
        assert told["error"] == result.stderr.strip().removeprefix("srcli: ")
        assert (told["kind"], told["reason"], told["exit_code"]) == ("error", "usage", 2)


def typed(arguments):
    """As the program is called `srcli`."""
    return RUNNER.invoke(app, ["upscale", *arguments], prog_name="srcli")


@pytest.mark.parametrize("arguments", [["-f", "jpg"], ["-t", "256"], ["-o", "new/folder"], ["-v"]])
def test_what_is_typed_elsewhere_and_is_right_here(here, arguments):
    result = srcli("upscale", "a.png", "-s", 2, "-n", "bicubic", *arguments)
    assert result.exit_code == 0, result.output
    (made,) = (p for p in here.rglob("a_x2.*"))
    assert shape(made) == (48, 40)


def test_one_of_several_inputs_that_cannot_be_one_costs_the_others_nothing(here):
    result = srcli("upscale", "a.png", "https://example.com/b.jpg", "-s", 2, "-n", "bicubic", "-q")
    assert result.exit_code == 3
    assert "download it first" in result.stderr
    assert (here / "a_x2.png").is_file()


def test_the_name_of_a_result_as_second_input(here):
    result = srcli("upscale", "a.png", "large.png", "-s", 2, "-n", "bicubic")
    assert result.exit_code == 3
    assert "put -o before it: -o large.png" in result.stderr
    assert "put -o before it" not in srcli("upscale", "missing.png").stderr  # a single one is the input


def test_an_existing_file_with_an_odd_name_is_a_picture(here):
    for name in ("4", "what*.png"):
        (here / name).write_bytes((here / "a.png").read_bytes())
        assert srcli("upscale", name, "-s", 2, "-n", "bicubic").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["a.png", "-s", "2"], "the command is missing: srcli upscale a.png -s 2"),
        (["https://example.com/a"], "the command is missing: srcli upscale https://example.com/a"),
        (["-i", "a.png"], "srcli upscale a.png"),
        (["-s", "2", "a.png"], "-s goes after the command: srcli upscale -s 2 a.png"),
        (["upscal", "a.png"], "use srcli upscale"),
        (["pull", "realesrgan-x4plus"], "use srcli models pull NAME"),
        (["frobnicate"], "srcli --help lists all commands"),
        (["--frobnicate"], "no such option: --frobnicate"),
        (["bench", "--frobnicate"], "no such option: --frobnicate; srcli bench --help lists all"),
        (["compare", "a.png", "b.png", "--outt", "c"], "did you mean --out"),
        (["degrade", "a.png", "--scale", "4x"], "--scale should be a valid number, not '4x'"),
        (["show"], "FILE... is missing; srcli show --help shows examples"),
        (["models", "pul"], "no such command: pul; use srcli models pull"),
        (["models", "pull"], "NAME... is missing; srcli models pull --help shows examples"),
        (["models", "--frobnicate"], "srcli models --help lists all"),
        (["train", "frobnicate"], "srcli train --help lists all commands"),
        (["train", "flowsr", "--data", "a"], "--out is missing; srcli train flowsr --help shows examples"),
        (["train", "flowsr", "--steps", "x", "--out", "a"], "--steps should be a valid integer, not 'x'"),
    ],
)
def test_without_a_command_or_with_a_wrong_one(here, arguments, says):
    result = RUNNER.invoke(app, arguments, prog_name="srcli")
    assert result.exit_code == 2
    assert says in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert [p.name for p in here.iterdir() if p.suffix] == ["a.png"]


def test_commands_of_the_table_do_not_exist_and_those_it_names_do():
    commands = typer.main.get_command(app).commands
    for rule in habits.table()["command"]:
        assert not set(rule["names"]) & set(commands)
        named = re.findall(r"srcli ([a-z]\w*)", rule["says"])
        assert set(named) <= set(commands)


def test_what_comes_after_two_dashes_is_an_input(here):
    photo(here / "-size.png")
    result = srcli("upscale", "-s", 2, "-n", "bicubic", "--", "-size.png")
    assert result.exit_code == 0, result.output
    assert shape(here / "-size_x2.png") == (48, 40)
    (here / "clips.mp4").mkdir()
    photo(here / "clips.mp4" / "b.png")
    assert srcli("upscale", "clips.mp4", "-s", 2, "-n", "bicubic").exit_code == 0  # a folder of that name


def test_a_file_of_weights_may_be_called_models(here):
    Path("models").rmdir()
    Path("models").write_bytes(b"no weights")
    assert srcli("upscale", "a.png", "-m", "models").exit_code == 4


def test_help_is_help_whatever_else_is_typed(here):
    assert "Usage" in srcli("upscale", "--help", "-s", "4x").stdout


def test_the_table_names_options_that_exist_and_none_that_is_right():
    rules = habits.table()
    assert {rule["option"] for rule in rules["value"]} <= PARAMETERS
    assert not {name for rule in rules["option"] for name in rule["names"]} & OPTIONS
    names = [name for rule in rules["option"] for name in rule["names"]]
    assert len(names) == len(set(names))
    for kind in (rules["option"], rules["value"], rules["input"]):
        for rule in kind:
            said = rule["says"].replace("curl -L -o", "").replace("ffmpeg -i", "")
            assert set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", said)) <= OPTIONS, rule["says"]


def test_every_rule_of_the_table_applies_and_can_be_filled(here):
    for rule in habits.table()["option"]:
        for name in rule["names"]:
            assert habits.of_option(name, ["a.png", name]), name
    for rule in habits.table()["value"] + habits.table()["input"]:
        assert re.compile(rule.get("pattern", ".*"))
        rule["says"].format("", *[""] * re.compile(rule.get("pattern", "")).groups, value="")


def test_an_unknown_model_is_told_the_nearest_of_those_that_enlarge(here):
    said = srcli("upscale", "a.png", "-n", "RealESRGAN_x4plus").stderr
    assert "did you mean realesrgan-x4plus?" in said
    assert "linf-lp-s" in said
    for other in ("lpips", "degflow"):
        assert other not in said
    assert "did you mean flowmap" in srcli("upscale", "a.png", "-n", "flow-map").stderr
    assert "lpips-vgg" in srcli("models", "show", "lpips-vg").stderr  # where all models can be meant


def test_a_flow_map_takes_the_steps_that_it_was_trained_for(here):
    for count in (3, 8):
        result = srcli("upscale", "a.png", "-n", "flowmap-s", "--steps", count)
        assert result.exit_code == 2
        assert f"flowmap-s takes 1, 2 or 4 steps, not {count}" in result.stderr
        with pytest.raises(TargetError, match="1, 2 or 4 steps"):
            Upscaler("flowmap-s").upscale(Image.open("a.png"), 2, steps=count)
    assert srcli("upscale", "a.png", "-n", "flowsr-s", "--steps", 3, "-s", 2).exit_code == 0
    steps = methods()["flowmap"].control("steps")
    assert steps is not None
    assert max(steps.counts) == steps.high


def test_bench_refuses_such_steps_before_it_measures(here):
    result = srcli("bench", "--models", "flowmap-s", "--steps", "2,3")
    assert result.exit_code == 2
    assert "flowmap-s takes 1, 2 or 4 steps, not 3" in result.stderr
