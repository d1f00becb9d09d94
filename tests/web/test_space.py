"""`examples/space` runs as it stands, and so does `srcli web`."""

from __future__ import annotations

import os
import re
import signal
import sys
from pathlib import Path

import pytest
import requests

from srcli import __version__
from tests.support import children
from tests.support.places import ROOT
from tests.support.ports import free_port

SPACE = ROOT / "examples" / "space"


@pytest.mark.usefixtures("_gradio")
def test_the_app_serves_the_page():
    port = free_port()
    environment = os.environ | {"GRADIO_SERVER_PORT": str(port), "PYTHONPATH": str(ROOT)}
    app = children.start([sys.executable, str(SPACE / "app.py")], env=environment)
    address = app.stdout.readline().decode().strip()
    assert address == f"http://127.0.0.1:{port}/"
    assert requests.get(f"{address}config", timeout=20).json()["title"] == "srcli"


@pytest.mark.usefixtures("_gradio")
def test_the_command_serves_the_page_and_leaves_nothing(tmp_path):
    port = free_port()
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-m", "srcli", "web", "-n", "bicubic", "--port", str(port)]
    process = children.start(command, env=environment)
    assert process.stdout.readline().decode().split()[0] == f"http://127.0.0.1:{port}/"
    assert [path.name[:10] for path in tmp_path.iterdir()] == ["srcli-web-"]
    again = children.start(command, env=environment)
    assert again.wait(60) == 1
    assert b"Address already in use" in again.stderr.read()
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 143
    assert list(tmp_path.iterdir()) == []


def test_the_files_name_this_version():
    head = (SPACE / "README.md").read_text("utf-8").split("---")[1]
    facts = dict(re.findall(r"^(\w+): (.+)$", head, re.MULTILINE))
    assert (facts["sdk"], facts["app_file"]) == ("gradio", "app.py")
    assert (SPACE / facts["app_file"]).is_file()
    wanted = (SPACE / "requirements.txt").read_text("utf-8")
    assert f"srcli-{__version__}-py3-none-any.whl" in wanted
    assert Path(ROOT / "constraints.txt").read_text("utf-8").split()[-1] in wanted
