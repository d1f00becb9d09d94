"""What `srcli degrade --model` refuses: one sentence, and nothing is left."""

from __future__ import annotations

import pytest

from srcli.cli.app import app
from srcli.weights import store
from tests.support.command import RUNNER
from tests.support.degrading import names, saved


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (["--scale", "1"], 2, "above 1 up to 4, not 1"),
        (["--scales", "2,4.5"], 2, "not 4.5"),
        (["--scales", "2,two"], 2, "must be a list of numbers"),
        (["--scales", "2", "--scale", "2"], 2, "one of --scale"),
        (["--trajectory", "film"], 2, "strip or webp"),
        (["--trajectory", "strip", "--resize"], 2, "--resize cannot be combined with --trajectory"),
        (["--scales", "2,3", "-o", "out.png"], 2, "several scales"),
        (["--solver", "euler"], 2, "unknown solver"),
        (["--preset", "light"], 2, "leave out one"),
        (["--seed", "3"], 2, "leave out one"),
        (["--device", "cuda:77"], 2, "device"),
    ],
)
def test_bad_commands_are_one_sentence_and_leave_nothing(tiny_degflow, tmp_path, monkeypatch, options, code, says):
    monkeypatch.chdir(tmp_path)
    saved(tmp_path / "a.png")
    given = ["--autoencoder", str(tiny_degflow.autoencoder), "--flow", str(tiny_degflow.flow)]
    result = RUNNER.invoke(app, ["degrade", "a.png", *given, *options])
    assert (result.exit_code, says in result.stderr) == (code, True), result.output
    assert names(tmp_path) == ["a.png"]


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (["--model", "degflwo"], 2, "unknown model"),
        (["--model", "linf-s"], 2, "makes pictures larger"),
        (["--autoencoder", "a.png"], 2, "belong together"),
        (["--autoencoder", "a.png", "--flow", "a.png"], 4, "a.png is not a checkpoint"),
        (["--autoencoder", "no.pth", "--flow", "no.pth"], 4, "no.pth does not exist"),
        (["--autoencoder", "FLOW", "--flow", "FLOW"], 4, "has no autoencoder beside the flow"),
        (["-m", "FLOW"], 4, "add --autoencoder FILE"),
        (["-m", "FLOW", "--model", "degflow"], 2, "not both"),
        (["--autoencoder", "LINF", "--flow", "FLOW"], 4, "holds the flow of linf, not the autoencoder of degflow"),
        (["--scales", "2,3"], 2, "--model degflow"),
        (["--resize"], 2, "--model degflow"),
    ],
)
def test_missing_models_say_what_to_do(tiny_degflow, tmp_path, monkeypatch, options, code, says):
    monkeypatch.chdir(tmp_path)
    saved(tmp_path / "a.png")
    known = {"FLOW": str(tiny_degflow.flow), "LINF": str(store.EMBEDDED / "linf-s.safetensors")}
    given = [known.get(option, option) for option in options]
    result = RUNNER.invoke(app, ["degrade", "a.png", *given])
    assert (result.exit_code, says in result.stderr) == (code, True), result.output
    assert names(tmp_path) == ["a.png"]


@pytest.mark.parametrize(
    ("name", "says"), [("none.png", "does not exist"), ("text.png", "not a picture"), ("folder", "no pictures in")]
)
def test_inputs_that_are_no_pictures(learned, tmp_path, name, says):
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "folder").mkdir()
    assert says in learned(tmp_path / name, "--scale", 2, "-o", tmp_path / "out", code=1).stderr
    assert not list(tmp_path.rglob("*_degflow*"))


def test_an_input_is_never_replaced(learned, tmp_path):
    saved(tmp_path / "a.png")
    saved(tmp_path / "b.png")
    before = (tmp_path / "a.png").read_bytes()
    assert "is one of the inputs" in learned(tmp_path / "a.png", "-o", tmp_path / "a.png", "-y", code=2).stderr
    assert (tmp_path / "a.png").read_bytes() == before
