"""The page's API, as programs use it, and what its server does not give away."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import requests

from tests.support.command import srcli
from tests.web.steps import photo


@pytest.fixture(scope="module")
def client(address):
    from gradio_client import Client

    return Client(address, verbose=False)


def test_a_program_gets_what_the_command_makes(client, tmp_path):
    from gradio_client import handle_file

    source = photo(tmp_path / "cat.jpg")
    file, record, line, _ = client.predict(
        picture=handle_file(source), model="linf-lp-s", scale=2, detail=0.5, format="png", api_name="/upscale"
    )
    shutil.copy(file, tmp_path / "theirs.png")
    result = srcli("upscale", source, "-o", tmp_path / "ours.png", "-n", "linf-lp-s", "-s", 2, "--detail", 0.5,
                   "--precision", "fp32", "-g", "cpu")  # fmt: skip
    assert result.exit_code == 0, result.output
    assert (tmp_path / "ours.png").read_bytes() == (tmp_path / "theirs.png").read_bytes()
    assert (record["status"], record["input"], record["output"]) == ("done", "cat.jpg", "cat_x2.png")
    assert line.startswith("96x80")


def test_curl_needs_three_requests(address, tmp_path):
    """Those of the documentation: upload, ask, and wait for the answer."""
    source = photo(tmp_path / "cat.jpg")
    with source.open("rb") as file:
        (path,) = requests.post(f"{address}/gradio_api/upload", files={"files": file}, timeout=20).json()
    picture = {"path": path, "meta": {"_type": "gradio.FileData"}}
    call = f"{address}/gradio_api/call/upscale"
    wanted = {"picture": picture, "model": "bicubic", "scale": 2}
    event = requests.post(f"{address}/gradio_api/call/v2/upscale", json=wanted, timeout=20).json()["event_id"]
    told = requests.get(f"{call}/{event}", timeout=60).text
    assert "event: complete" in told
    made = json.loads(told.rpartition("data: ")[2])[0]
    assert requests.get(made["url"], timeout=20).content.startswith(b"\xff\xd8")


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", str(Path(__file__)), "http://127.0.0.1:9/x.png", "https://example.com/x.png", "file:///etc/passwd"],
)
def test_only_uploads_are_read(address, path):
    for picture in ({"path": path}, {"path": path, "url": path}):
        wanted = {"picture": picture | {"meta": {"_type": "gradio.FileData"}}, "model": "bicubic"}
        event = requests.post(f"{address}/gradio_api/call/v2/upscale", json=wanted, timeout=20).json()["event_id"]
        told = requests.get(f"{address}/gradio_api/call/upscale/{event}", timeout=20).text
        assert "event: error" in told
        assert "root:" not in told


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=/etc/passwd", f"/gradio_api/file={__file__}", "/gradio_api/file=../../../etc/passwd",
        "/gradio_api/file=https://example.com/", "/gradio_api/proxy=https://example.com/", "/monitoring", "/docs",
        "/gradio_api/runs", "/static/../routes.py", "/static/%2e%2e/%2e%2e/routes.py", "/assets/../../../routes.py",
        "/gradio_api/file/etc/passwd", "/gradio_api/deep_link",
    ],
)  # fmt: skip
def test_the_server_gives_nothing_else_away(address, path):
    asked = requests.Request("GET", address).prepare()
    asked.url = address + path  # as it stands
    answer = requests.Session().send(asked, timeout=20)
    assert answer.status_code in (403, 404)
    assert "root:" not in answer.text


def test_uploads_above_the_limit_are_not_kept(address):
    answer = requests.post(f"{address}/gradio_api/upload", files={"files": b"0" * 4_100_000}, timeout=20)
    assert answer.status_code == 413


def test_a_shared_link_is_asked_for(monkeypatch):
    """And the page listens on this machine alone."""
    from srcli.web.server import Settings

    assert (Settings().host, Settings().share) == ("127.0.0.1", False)
