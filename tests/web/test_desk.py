"""What the page's buttons do, without Gradio."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image

from srcli.service import Limits, Models, parse
from srcli.web.desk import Desk, Refused
from srcli.web.guard import Guard
from tests.support.command import photo, srcli

WANTED = parse({"scale": 2})


@pytest.fixture(scope="module")
def desk():
    return Desk(Models(["auto", "bicubic"], device="cpu", precision="fp32", tile=64), Limits(pixels=10_000))


def test_previews_have_the_same_size_on_both_sides(desk, tmp_path):
    source = photo(tmp_path / "cat.png", 80, 70, mode="RGBA")
    made = desk.make(source, parse({"scale": 2.5}), tmp_path, "me", lambda done, total: None)
    assert made.record["output"] == made.file.name == "cat_x2.5.png"
    for pair in (made.whole, made.detail):
        assert {Image.open(file).size for file in pair} == {(175, 200)}
    assert made.line.startswith("175x200 · ")


def test_refusals_do_not_say_where_files_are(desk, tmp_path):
    large = photo(tmp_path / "large.png", 120, 90)
    with pytest.raises(Refused, match=r"^large.png has more pixels than this page takes: 0.01 megapixels$"):
        desk.look(large, "auto", tmp_path)
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(Refused, match=r"^notes.txt is not a picture"):
        desk.make(tmp_path / "notes.txt", parse({}), tmp_path, "me", lambda done, total: None)


def test_one_visitor_cannot_stop_another(desk, tmp_path):
    source, seen = photo(tmp_path / "cat.png", 100, 90), []
    with pytest.raises(Refused, match="cancelled"):
        desk.make(source, WANTED, tmp_path / "a", "me", lambda done, total: desk.stop("me"))
    made = desk.make(source, WANTED, tmp_path / "b", "me", lambda done, total: seen.append(desk.stop("you")))
    assert made.record["status"] == "done"
    assert len(seen) > 1


def answered(path: str) -> int:
    sent = []

    async def inner(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message):
        sent.append(message)

    with ThreadPoolExecutor(1) as pool:  # a browser of other tests has a loop in this thread
        pool.submit(asyncio.run, Guard(inner)({"type": "http", "path": path}, None, send)).result()
    return sent[0]["status"]


def test_the_guard_lets_through_what_the_page_needs():
    fine = ["/", "/config", "/assets/index-abc.js", "/gradio_api/queue/join", "/gradio_api/call/upscale/ab12"]
    assert {answered(path) for path in [*fine, "/gradio_api/file=/tmp/srcli-web-1/ab/cat.png"]} == {200}
    closed = ["/gradio_api/file=http://x/y", "/gradio_api/file=file:/etc", "/gradio_api/proxy=x", "/monitoring/summary"]
    assert {answered(path) for path in [*closed, "/login", "/gradio_api/component_server", "//", ""]} == {404}


def test_without_gradio_the_command_says_what_to_install(monkeypatch):
    monkeypatch.setattr("srcli.weights.extras.find_spec", lambda name: None)
    result = srcli("web")
    assert result.exit_code == 4
    assert result.output.strip() == "srcli: srcli web needs gradio; run: pip install 'srcli[web]'"
