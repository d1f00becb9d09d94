"""`srcli serve --stdio`, and the command as a process."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys

import requests

from srcli.service import Limits, Models
from tests.serve.conftest import held
from tests.support import children
from tests.support.command import photo, srcli
from tests.support.places import ROOT
from tests.support.ports import free_port

SRCLI = [sys.executable, "-m", "srcli", "serve", "-n", "bicubic", "--device", "cpu"]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}


def test_lines_go_in_and_records_come_out(tmp_path):
    cat = photo(tmp_path / "cat.png")
    asked = [
        {"input": str(cat), "output": str(tmp_path / "out"), "scale": 2, "id": "first"},
        {"input": str(tmp_path / "nothere.png"), "id": 2},
        "nonsense",
        {"input": str(cat), "sclae": 3, "id": "typo"},
        {"output": "x"},
        {"input": str(cat), "output": str(tmp_path / "{stem}_small.jpg"), "scale": 1.5},
        {"input": str(cat), "output": str(tmp_path / "out"), "scale": 2, "id": "again"},
        {"input": str(cat), "output": str(tmp_path / "out"), "scale": 2, "overwrite": True, "id": "over"},
        {"input": "-"},
    ]
    lines = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in asked)
    process = children.start([*SRCLI, "--stdio"], env=ENVIRONMENT, stdin=-1)
    out, err = process.communicate(lines.encode() + b"\n\n", timeout=120)
    assert (process.returncode, err) == (3, b"")
    records = [json.loads(line) for line in out.splitlines()]
    told = {record.get("id", record.get("line")): record for record in records[:-1]}
    assert {mark: record.get("status", record["kind"]) for mark, record in told.items()} == {
        "first": "done", 2: "failed", 3: "error", "typo": "error", 5: "error", 6: "done", "again": "skipped",
        "over": "done", 9: "failed",
    }  # fmt: skip
    assert told["first"]["output"] == str(tmp_path / "out" / "cat_x2.png")
    assert told["typo"]["error"] == "unknown option 'sclae'; did you mean 'scale'?"
    assert (tmp_path / "cat_small.jpg").exists()
    assert records[-1]["kind"] == "summary"
    assert records[-1]["summary"] == {"done": 3, "failed": 2, "skipped": 1, "refused": 3}


def test_no_more_is_read_than_there_is_room_for(tmp_path):
    from srcli.serve import lines
    from srcli.serve.workers import Pool

    cat, read, seen, most = photo(tmp_path / "cat.png"), [], [], []
    pool = Pool([Models(["bicubic"], device="cpu", precision="fp32")], Limits(), queue=2)

    def source():
        for number in range(8):
            read.append(number)
            most.append(len(read) - len(seen))
            yield json.dumps({"input": str(cat), "output": str(tmp_path / f"{number}.png"), "scale": 2})

    code = lines.run(source(), seen.append, pool)
    pool.close()
    assert code == 0
    assert seen[-1]["summary"] == {"done": 8}
    assert max(most) <= 5  # two wait, one is in work, one is told, one is being read


def test_the_process_serves_and_ends_by_sigterm(tmp_path):
    port = free_port()
    process = children.start([*SRCLI, "--port", str(port), "--device", "cpu,cpu"], env=ENVIRONMENT)
    assert process.stdout.readline().decode().strip() == f"http://127.0.0.1:{port} on cpu, cpu (Ctrl-C ends it)"
    for _ in range(100):
        try:
            told = requests.get(f"http://127.0.0.1:{port}/healthz", timeout=10).json()
            break
        except requests.ConnectionError:
            continue
    assert len(told["workers"]) == 2
    data = photo(tmp_path / "cat.png").read_bytes()
    assert requests.post(f"http://127.0.0.1:{port}/upscale?scale=2", data, timeout=30).status_code == 200
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 143
    assert process.stderr.read() == b""


def test_closing_ends_pictures_in_work(tmp_path):
    from srcli.serve.workers import Job, Pool
    from srcli.service import Stop, parse

    pool = Pool([Models(["bicubic"], device="cpu", precision="fp32")], Limits(), queue=2)
    jobs = [
        Job(source=photo(tmp_path / "cat.png"), out=tmp_path / "out", wanted=parse({"scale": 2}), stop=Stop())
        for _ in range(2)
    ]
    with held(pool) as gate:
        answers = [pool.submit(job) for job in jobs]
        pool.changed.acquire()
        pool.changed.wait_for(lambda: pool._busy() == 1, 20)
        pool.changed.release()
        from threading import Timer

        Timer(0.2, gate.set).start()
        pool.close()
    assert [answer.result(5).reason for answer in answers] == ["cancelled"] * 2


def test_sigterm_and_a_closed_output_end_the_lines(tmp_path):
    cat = photo(tmp_path / "cat.png")
    line = (
        json.dumps({"input": str(cat), "output": str(tmp_path / "out"), "scale": 2, "overwrite": True}).encode() + b"\n"
    )
    process = children.start([*SRCLI, "--stdio"], env=ENVIRONMENT, stdin=-1)
    process.stdin.write(line)
    process.stdin.flush()
    assert json.loads(process.stdout.readline())["status"] == "done"
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 143
    process = children.start([*SRCLI, "--stdio"], env=ENVIRONMENT, stdin=-1)
    process.stdout.close()
    _, err = process.communicate(line * 3, timeout=60)
    assert process.returncode == 1
    assert "cannot write standard output" in err.decode()
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"cat_x2.png"}


def test_without_the_packages_the_command_says_what_to_install(monkeypatch):
    monkeypatch.setattr("srcli.weights.extras.find_spec", lambda name: None)
    result = srcli("serve")
    assert result.exit_code == 4
    wanted = "fastapi and uvicorn and prometheus_client"
    assert result.output.strip() == f"srcli: srcli serve needs {wanted}; run: pip install 'srcli[serve]'"


def test_a_port_in_use_is_said_at_once():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = srcli("serve", "--port", port)
    assert result.exit_code == 1
    assert result.output.strip() == f"srcli: cannot listen on 127.0.0.1, port {port}: Address already in use"
