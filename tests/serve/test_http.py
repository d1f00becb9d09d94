"""`POST /upscale`, against a real server on loopback."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection

import jsonschema
import pytest
import requests
from PIL import Image

from srcli import schema
from tests.serve.conftest import held
from tests.support.command import photo, srcli


def post(address: str, data, **options) -> requests.Response:
    return requests.post(f"{address}/upscale", data, params=options, timeout=60)


def wait_until(true) -> None:
    for _ in range(200):
        if true():
            return
        time.sleep(0.05)
    pytest.fail("it did not come to pass")


def test_the_answer_is_what_the_command_makes(start, tmp_path):
    source = photo(tmp_path / "cat.jpg", 48, 40)
    address, _ = start()
    answer = post(address, source.read_bytes(), name="cat.jpg", scale=2, detail=0.5, quality=90)
    made = srcli("upscale", source, "-o", tmp_path / "out", "-n", "linf-lp-s", "-s", 2, "--detail", 0.5, "--quality",
                 90, "--precision", "fp32", "-g", "cpu", "--json")  # fmt: skip
    assert made.exit_code == 0, made.output
    assert answer.status_code == 200
    assert answer.content == (tmp_path / "out" / "cat_x2.jpg").read_bytes()
    assert answer.headers["content-type"] == "image/jpeg"
    assert 'filename="cat_x2.jpg"' in answer.headers["content-disposition"]
    ours, theirs = json.loads(answer.headers["Srcli-Record"]), json.loads(made.stdout.splitlines()[0])
    jsonschema.validate(ours, json.loads(schema.text()))
    names = {"input": "cat.jpg", "output": "cat_x2.jpg", "seconds": None}
    assert ours | names == theirs | names


def test_the_format_is_that_of_the_content(start, tmp_path):
    address, _ = start("bicubic")
    data = photo(tmp_path / "cat.jpg").read_bytes()
    kinds = [post(address, data, scale=2, format="webp")]
    kinds.append(post(address, data, scale=2))
    kinds.append(requests.post(f"{address}/upscale?scale=2", data, headers={"Content-Type": "image/jpeg"}, timeout=60))
    assert [each.headers["content-type"] for each in kinds] == ["image/webp", "image/png", "image/jpeg"]


def test_each_model_of_the_server_can_be_asked_for(start, tmp_path):
    address, _ = start("bicubic", "linf-lp-s")
    data = photo(tmp_path / "cat.png").read_bytes()
    used = [json.loads(post(address, data, scale=2, **m).headers["Srcli-Record"])["model"]
            for m in ({}, {"model": "linf-lp"})]  # fmt: skip
    assert used == ["bicubic", "linf-lp-s"]
    assert "does not have the model 'flowsr-s'" in post(address, data, model="flowsr-s").json()["error"]


def test_names_stay_in_their_folder(start, tmp_path):
    address, _ = start("bicubic")
    data = photo(tmp_path / "cat.png").read_bytes()
    for name in ("../../etc/cat.png", "C:\\cat.png", "a\nb/cat.png", ".cat.png", "{stem}.png", "ü" * 300 + ".png"):
        answer = post(address, data, name=name, scale=2)
        assert answer.status_code == 200, answer.text
        told = json.loads(answer.headers["Srcli-Record"])
        assert "/" not in told["input"] + told["output"]


@pytest.mark.parametrize(
    ("data", "options", "status", "reason"),
    [
        (b"hello", {}, 422, "unreadable"),
        (b"", {}, 422, "unreadable"),
        ("photo", {"sclae": 2}, 400, "usage"),
        ("photo", {"scale": 9}, 400, "usage"),
        ("photo", {"scale": 2, "long-side": 900}, 400, "usage"),
        ("photo", {"long_side": 10}, 422, "large-enough"),
        ("photo", {"scale": 8}, 413, "too-large"),
        ("bomb", {}, 413, "too-large"),
        (b"0" * 200_001, {}, 413, "too-large"),
        (iter([b"0" * 100_000] * 3), {}, 413, "too-large"),
    ],
)
def test_refusals_say_why(start, tmp_path, data, options, status, reason):
    address, _ = start("bicubic", bytes=200_000, pixels=10_000, result=100_000)
    if data == "bomb":
        Image.new("1", (30_000, 30_000)).save(tmp_path / "bomb.png")
        data = (tmp_path / "bomb.png").read_bytes()[:200_000]
    if data == "photo":
        data = photo(tmp_path / "cat.png", 60, 50).read_bytes()
    answer = post(address, data, **options)
    told = answer.json()
    assert (answer.status_code, told["reason"]) == (status, reason)
    assert told["kind"] in ("file", "error")
    assert str(tmp_path) not in answer.text
    jsonschema.validate(told, json.loads(schema.text()))


def test_a_picture_that_takes_too_long_is_given_up(start, tmp_path):
    address, pool = start("bicubic", seconds=0.3)
    data = photo(tmp_path / "cat.png").read_bytes()
    with held(pool) as gate, ThreadPoolExecutor(1) as clients:
        asked = clients.submit(post, address, data, scale=2)
        time.sleep(0.5)
        gate.set()
        answer = asked.result()
    assert (answer.status_code, answer.json()["reason"], answer.headers["retry-after"]) == (504, "timeout", "5")


def test_a_full_queue_says_so_and_workers_share_it(start, tmp_path):
    address, pool = start("bicubic", workers=2, queue=1)
    data = photo(tmp_path / "cat.png").read_bytes()
    with held(pool) as gate, ThreadPoolExecutor(3) as clients:
        asked = []
        for busy in (1, 2):  # one after the other: the queue has room for one
            asked.append(clients.submit(post, address, data, scale=2))
            wait_until(lambda busy=busy: pool._busy() == busy)
        asked.append(clients.submit(post, address, data, scale=2))
        wait_until(lambda: len(pool.jobs) == 1)
        full = post(address, data, scale=2)
        assert (full.status_code, full.json()["reason"]) == (503, "busy")
        assert full.json()["retryable"] is True
        gate.set()
        assert [each.result().status_code for each in asked] == [200, 200, 200]


def test_nobody_works_for_a_client_who_has_gone(start, tmp_path):
    address, pool = start("bicubic")
    data = photo(tmp_path / "cat.png").read_bytes()
    client = HTTPConnection(address.removeprefix("http://"))
    with held(pool) as gate:
        client.request("POST", "/upscale?scale=2", data)
        wait_until(lambda: pool._busy() == 1)
        client.close()
        wait_until(pool.workers[0].stop.asked.is_set)
        gate.set()
        wait_until(lambda: pool._busy() == 0)
    assert 'reason="cancelled",status="failed"} 1.0' in requests.get(f"{address}/metrics", timeout=10).text


def test_pages_of_other_sites_are_refused(start, tmp_path):
    address, _ = start("bicubic")
    data = photo(tmp_path / "cat.png").read_bytes()
    answers = [
        requests.post(f"{address}/upscale?scale=2", data, headers=headers, timeout=20).status_code
        for headers in ({"Origin": "https://example.com"}, {"Origin": "null"}, {"Host": "example.com"},
                        {"Origin": address}, {"Host": "localhost:1"}, {"Host": "[::1]:1"})
    ]  # fmt: skip
    assert answers == [403, 403, 400, 200, 200, 200]


def test_nothing_else_is_served(start):
    address, _ = start("bicubic")
    for path in ("/", "/docs", "/redoc", "/etc/passwd", "/upscale/../healthz"):
        assert requests.get(address + path, timeout=10).status_code in (404, 200 if "healthz" in path else 404)
    assert requests.get(f"{address}/upscale", timeout=10).status_code == 405


def test_its_reasons_are_in_the_schema():
    from srcli.serve.app import STATUS

    known = set(json.loads(schema.text())["$defs"]["reasons"]["enum"])
    assert set(STATUS) <= known
