"""A user without a home folder: what ships with the package works, and the rest says what to set."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import platformdirs
import pytest

from tests.support.command import photo
from tests.support.places import ROOT
from tests.weights.steps import srcli


def raises(name: str) -> Path:
    raise RuntimeError("could not determine the home directory")


def unexpanded(name: str) -> Path:
    return Path("~/.local/share") / name


@pytest.fixture(params=[raises, unexpanded], ids=lambda find: find.__name__)
def _homeless(request, monkeypatch, tmp_path) -> None:
    """As newer and older versions of platformdirs have it."""
    for name in ("SRCLI_HOME", "HF_HOME", "SRCLI_MANIFEST"):
        monkeypatch.delenv(name, raising=False)
    for kind in ("data", "config", "cache"):
        monkeypatch.setattr(platformdirs, f"user_{kind}_path", request.param)
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("_homeless")
def test_embedded_models_work_without_a_home(tmp_path):
    result = srcli("upscale", photo(tmp_path / "a.png"), "-s", 2)
    assert (result.exit_code, result.stderr) == (0, "")
    for words in (["list"], ["show", "realesrgan-x4plus"], ["path", "linf-s"], ["licenses"], ["verify", "linf-s"]):
        assert srcli("models", *words).exit_code == 0, words
    assert "none: this user has no home folder" in " ".join(srcli("doctor").stdout.split())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.png", "a_x2.png"]


@pytest.mark.usefixtures("_homeless")
@pytest.mark.parametrize("words", [["path"], ["pull", "realesrgan-x4plus"], ["rm", "realesrgan-x4plus"]])
def test_what_needs_a_folder_says_which_variable_to_set(words, tmp_path, monkeypatch):
    result = srcli("models", *words)
    assert result.exit_code == 4
    assert result.stderr.splitlines()[-1] == "srcli: this user has no home folder; set SRCLI_HOME to a folder"
    monkeypatch.setenv("SRCLI_HOME", str(tmp_path / "models"))
    assert srcli("models", "path").exit_code == 0


def test_an_empty_environment_and_an_unknown_uid(tmp_path):
    """`env -i` as a user that is in no list of users."""
    command = ["unshare", "--user", "--map-user=54321", "--map-group=54321", "env", "-i", f"PYTHONPATH={ROOT}"]
    if (
        shutil.which("unshare") is None
        or subprocess.run([*command, "true"], capture_output=True, check=False).returncode
    ):
        pytest.skip("users cannot be mapped here")
    photo(tmp_path / "a.png")
    words = [*command, "OMP_NUM_THREADS=1", sys.executable, "-m", "srcli", "upscale", "a.png", "-s", "2"]
    run = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, ""), run
    assert sorted(os.listdir(tmp_path)) == ["a.png", "a_x2.png"]
