"""The Dockerfile: what it copies is enough to install srcli, and what it runs exists. No image is built."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest
import typer

from srcli.cli.app import app

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(not (ROOT / "Dockerfile").is_file(), reason="not a checkout")


def instructions(word: str) -> list[str]:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    return [line.removeprefix(word).strip() for line in text.splitlines() if line.startswith(word + " ")]


def sent() -> set[str]:
    """What of the checkout's top level goes to the builder."""
    rules = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert rules[0] == "*"
    names = {path.name for path in ROOT.iterdir()}
    kept = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    assert kept <= names
    return {name for name in names if any(fnmatch(name, rule) for rule in kept)}


def test_what_is_sent_is_enough_to_build_the_wheel():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    wanted = {*wheel["packages"], *(Path(name).parts[0] for name in wheel["force-include"]), "pyproject.toml"}
    wanted |= {project["project"]["readme"], *project["project"]["license-files"]}
    assert wanted <= sent()
    extras = next(arg.split("=")[1] for arg in instructions("ARG") if arg.startswith("EXTRAS="))
    assert set(extras.split(",")) <= set(project["project"]["optional-dependencies"])


def test_the_default_command_is_one_of_srcli():
    (entry,), (command,) = instructions("ENTRYPOINT"), instructions("CMD")
    assert json.loads(entry) == ["srcli"]
    name, *arguments = json.loads(command)
    typer.main.get_command(app).commands[name].make_context(name, arguments)


def test_the_image_is_not_run_by_root():
    assert instructions("USER")[-1] not in ("root", "0")


@pytest.mark.skipif(not Path("/proc/1/cmdline").is_file(), reason="no first process to look at")
def test_the_health_of_other_commands_is_not_asked_for():
    """Their container has no server: the first process is not `serve`, here as there."""
    (health,) = instructions("HEALTHCHECK")
    program, *arguments = json.loads(re.sub(r"^.*?CMD ", "", health))
    assert program == "python"
    assert b"serve" not in Path("/proc/1/cmdline").read_bytes().split(b"\0")
    subprocess.run([sys.executable, *arguments], check=True, timeout=60)
    code = arguments[1].replace("/proc/1/cmdline", __file__).replace("b'serve' not in", "not").replace(":8000", ":9")
    served = [arguments[0], code]
    refused = subprocess.run([sys.executable, *served], capture_output=True, text=True, timeout=60, check=False)
    assert refused.returncode != 0  # nobody listens there
