"""Weights: what a manifest may say, how files come, and that nothing wrong ever gets a name."""

from __future__ import annotations

import json
import os
import pickle
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
import torch
from layouts import PRIORS, filled, layout_of, linf, saved, wrapped
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner
from weights_server import Server, breaks, digest, hangs, page, running, says, slowly, trickles

from srcli import weights
from srcli.cli.app import app
from srcli.weights import home, keeping, manifest, pull, store
from srcli.weights.convert import FAMILIES, Checkpoint, Source
from srcli.weights.download import Patience, drive

ROOT = Path(__file__).parents[1]
BODY = (store.EMBEDDED / "linf-s.safetensors").read_bytes()
OTHER = (store.EMBEDDED / "linf-lp-s.safetensors").read_bytes()
QUICK = Patience(attempts=3, wait=0.01, timeout=1.0)


@pytest.fixture
def server():
    with running() as made:
        yield made


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch) -> Path:
    """A machine of its own."""
    for name, value in {"SRCLI_HOME": "home", "XDG_CONFIG_HOME": "config", "HF_HOME": "hf"}.items():
        monkeypatch.setenv(name, str(tmp_path / value))
    for name in ("SRCLI_MANIFEST", "SRCLI_OFFLINE", "HF_HUB_OFFLINE", "HF_TOKEN", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def listed(place: Path, **models: str) -> Path:
    """The user's own manifest with a part for each model: NAME = its TOML lines."""
    path = manifest.own_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    text = ""
    for name, lines in models.items():
        text += f'[models.{name}]\npurpose = "a test"\npipeline = "linf"\nscales = [1.0, 8.0]\nlicence = "MIT"\n'
        text += f"commercial = true\n[models.{name}.parts.flow]\n{lines}\n"
    path.write_text(text)
    return path


def part(*urls: str, file: str = "far.safetensors", body: bytes | None = BODY, known: bool = True) -> str:
    sources = ", ".join(f'{{ url = "{url}" }}' for url in urls)
    facts = f'sha256 = "{digest(body)}"\nbytes = {len(body)}\n' if known and body is not None else ""
    return f'file = "{file}"\n{facts}sources = [{sources}]'


def pulled(*names: str, **options) -> dict[str, Path]:
    how = pull.How(patience=options.pop("patience", QUICK), **options)
    return pull.pull([manifest.load().find(name) for name in names], how)


def srcli(*arguments: object):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def command(*arguments: object, **environment: str) -> subprocess.Popen:
    words = [sys.executable, "-m", "srcli", *[str(a) for a in arguments]]
    env = os.environ | {"OMP_NUM_THREADS": "1", "NO_COLOR": "1"} | environment
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env, cwd=ROOT)


def finished(run: subprocess.Popen) -> tuple[int, str, str]:
    out, err = run.communicate(timeout=120)
    return run.returncode, out, err


def names(folder: Path) -> set[str]:
    return {p.name for p in folder.iterdir() if not p.name.startswith(".")} if folder.is_dir() else set()


def nothing_wrong(place: Path) -> None:
    """No file that is not one of ours has a final name."""
    for path in (place / "home" / "weights").glob("[!.]*"):
        assert path.read_bytes() in (BODY, OTHER), path


# Downloads


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_broken_connection_is_gone_on_with(place, server, share):
    server.files["/far"] = BODY
    server.faults["/far"] = [breaks(share)]
    listed(place, far=part(f"{server.url}/far"))
    assert pulled("far")["far.safetensors"].read_bytes() == BODY
    first, second = server.gets("/far")
    assert first == ""
    assert 0 <= len(BODY) * share - int(second.removeprefix("bytes=").removesuffix("-")) <= 2**15 + 1
    assert names(place / "home" / "weights") == {"far.safetensors"}


def test_a_pull_that_was_given_up_goes_on_the_next_time(place, server):
    server.files["/far"] = BODY
    server.faults["/far"] = [breaks(0.5), *[says(503)] * 3]
    listed(place, far=part(f"{server.url}/far", known=False))
    with pytest.raises(pull.PullError, match=r"127\.0\.0\.1:\d+ answered 503.*goes on after 0\.6 MB"):
        pulled("far")
    nothing_wrong(place)
    assert pulled("far")["far.safetensors"].read_bytes() == BODY
    assert re.fullmatch(r"bytes=[1-9]\d{5}-", server.gets("/far")[-1])


def test_a_file_that_changed_in_between_begins_again(place, server):
    """Without a known hash, only the server can tell that the rest belongs to what is there."""
    server.files["/far"] = OTHER
    server.faults["/far"] = [breaks(0.5), *[says(503)] * 3]
    listed(place, far=part(f"{server.url}/far", known=False))
    with pytest.raises(pull.PullError):
        pulled("far")
    server.files["/far"] = BODY
    assert pulled("far")["far.safetensors"].read_bytes() == BODY


def test_a_server_without_ranges_begins_again(place, server):
    server.files["/far"], server.ranges = BODY, False
    server.faults["/far"] = [breaks(0.5)]
    listed(place, far=part(f"{server.url}/far"))
    assert pulled("far")["far.safetensors"].read_bytes() == BODY


def test_pieces_of_two_mirrors_are_checked_as_one(place, server):
    """The second mirror goes on where the first stopped; if that makes a third file, it is fetched from the start."""
    server.files |= {"/one": OTHER + b"x" * (len(BODY) - len(OTHER)), "/two": BODY}
    server.faults["/one"] = [breaks(0.5), *[says(503)] * 3]
    listed(place, far=part(f"{server.url}/one", f"{server.url}/two"))
    assert pulled("far")["far.safetensors"].read_bytes() == BODY
    asked, again = server.gets("/two")
    assert re.fullmatch(r"bytes=[1-9]\d{5}-", asked)
    assert again == ""


def test_mirrors_that_are_down_are_passed_over(place, server):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        dead = f"http://127.0.0.1:{nobody.getsockname()[1]}/far"
        server.files["/far"] = BODY
        listed(place, far=part(dead, f"{server.url}/gone", f"{server.url}/far"))
        assert pulled("far")["far.safetensors"].read_bytes() == BODY
        listed(place, far=part(dead, f"{server.url}/gone", file="b.safetensors"))
        with pytest.raises(pull.PullError) as told:
            pulled("far")
    text = str(told.value)
    assert "b.safetensors" in text
    assert f"{dead.split('/')[2]} cannot be reached" in text
    assert "answered 404" in text
    assert "srcli models pull far" in text


def test_redirects_are_followed(place, server):
    server.files |= {"/old": b"-", "/far": BODY}
    server.faults["/old"] = [says(302, Location=f"{server.url}/far")]
    listed(place, far=part(f"{server.url}/old"))
    assert pulled("far")["far.safetensors"].read_bytes() == BODY


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (OTHER + b"x" * (len(BODY) - len(OTHER)), "is another file"),
        (BODY[: len(BODY) // 2], "has a file of"),
        (b"", "has a file of 0 bytes"),
    ],
    ids=["hash", "truncated", "empty"],
)
def test_a_wrong_file_gets_no_name(place, server, sent, why):
    server.files["/far"] = sent
    listed(place, far=part(f"{server.url}/far"))
    with pytest.raises(pull.PullError, match=why) as told:
        pulled("far")
    assert "far.safetensors" in str(told.value)
    assert "127.0.0.1" in str(told.value)
    assert names(place / "home" / "weights") == set()
    server.files["/far"] = BODY
    assert pulled("far")["far.safetensors"].read_bytes() == BODY


def test_a_truncated_file_of_unknown_hash_is_not_kept(place, server):
    server.files["/far"] = BODY[:-1000]
    listed(place, far=part(f"{server.url}/far", known=False))
    with pytest.raises(pull.PullError, match="not a readable safetensors file"):
        pulled("far")
    assert names(place / "home" / "weights") == set()


def test_a_web_page_is_not_a_file(place, server):
    server.files["/far"] = BODY
    server.faults["/far"] = [page("<h1>Please log in</h1>")]
    listed(place, far=part(f"{server.url}/far", known=False))
    with pytest.raises(pull.PullError, match="sent a web page instead of the file"):
        pulled("far")
    nothing_wrong(place)


def test_a_server_that_stops_sending_is_left_and_resumed(place, server):
    server.files["/far"] = BODY
    server.faults["/far"] = [hangs(3)]
    listed(place, far=part(f"{server.url}/far"))
    start = time.monotonic()
    assert pulled("far", patience=Patience(3, 0.01, 0.4))["far.safetensors"].read_bytes() == BODY
    assert time.monotonic() - start < 2.5
    assert re.fullmatch(r"bytes=[1-9]\d{5}-", server.gets("/far")[1])


def test_a_server_that_trickles_is_left_for_the_next(place, server):
    server.files |= {"/slow": BODY, "/far": BODY}
    server.faults["/slow"] = [trickles(400, 0.01)] * 3
    listed(place, far=part(f"{server.url}/slow", f"{server.url}/far"))
    patience = Patience(1, 0.01, 0.5, slowest=1000)
    assert pulled("far", patience=patience)["far.safetensors"].read_bytes() == BODY
    assert server.gets("/far")  # went on there


def test_a_server_that_asks_for_time_is_given_it(place, server):
    server.files["/far"] = BODY
    server.faults["/far"] = [says(429, Retry_After="1")]
    listed(place, far=part(f"{server.url}/far"))
    start = time.monotonic()
    assert pulled("far")["far.safetensors"].read_bytes() == BODY
    assert time.monotonic() - start >= 1


def test_files_come_at_once_and_one_failure_costs_no_other(place, server):
    server.files |= {f"/{n}": BODY for n in range(4)}
    for n in range(4):
        server.faults[f"/{n}"] = [slowly(0.8)]
    models = {f"m{n}": part(f"{server.url}/{n}", file=f"{n}.safetensors") for n in range(4)}
    listed(place, **models, bad=part(f"{server.url}/none", file="bad.safetensors"))
    start = time.monotonic()
    with pytest.raises(pull.PullError, match="bad"):
        pulled(*models, "bad")
    assert time.monotonic() - start < 2.6  # one after another: 3.2 s
    assert names(place / "home" / "weights") == {f"{n}.safetensors" for n in range(4)}


def test_two_pulls_at_once_fetch_a_file_once(place, server):
    server.files["/far"] = BODY
    server.faults["/far"] = [slowly(2.0)]
    listed(place, far=part(f"{server.url}/far"))
    runs = [command("models", "pull", "far") for _ in range(2)]
    results = [finished(run) for run in runs]
    assert [code for code, _, _ in results] == [0, 0], results
    assert server.gets("/far") == [""]
    assert any("another process is fetching" in err for _, _, err in results)
    nothing_wrong(place)


def test_an_interrupted_pull_goes_on(place, server):
    server.files["/far"] = BODY
    server.faults["/far"] = [slowly(20)]
    listed(place, far=part(f"{server.url}/far", known=False))
    run, begun = command("models", "pull", "far"), place / "home" / "weights" / ".far.safetensors.part"
    until = time.monotonic() + 30
    while (not begun.is_file() or begun.stat().st_size < 100_000) and time.monotonic() < until:
        time.sleep(0.05)
    run.send_signal(signal.SIGINT)
    code, _, err = finished(run)
    assert code == 130
    assert "interrupted" in err
    assert "Traceback" not in err
    assert pulled("far")["far.safetensors"].read_bytes() == BODY
    assert re.fullmatch(r"bytes=[1-9]\d{5,}-", server.gets("/far")[1])


def test_a_full_disk_is_one_sentence(place, server, mounted):
    """Before anything is fetched; of several files, their sum counts."""
    server.files["/far"] = BODY
    listed(place, far=part(f"{server.url}/far"))
    result = srcli("models", "pull", "far")
    assert result.exit_code == 4
    assert re.search(r"1\.1 MB do not fit into .* 1\.6 MB are free; make room", " ".join(result.stderr.split()))
    assert server.gets("/far") == []
    assert names(mounted / "weights") == set()


def test_a_disk_that_fills_up_on_the_way_is_one_sentence(place, server, mounted, monkeypatch):
    monkeypatch.setattr("srcli.weights.download.base.SPARE", -(2**30))
    server.files["/far"] = BODY + BODY
    listed(place, far=part(f"{server.url}/far", body=BODY + BODY))
    with pytest.raises(pull.PullError, match=r"cannot write .*: No space left on device"):
        pulled("far")
    assert names(mounted / "weights") == set()


@pytest.fixture
def mounted(place, monkeypatch):
    """SRCLI_HOME on a file system of 1.5 MB."""
    folder = place / "small"
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=1536k", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("file systems cannot be mounted here")
    monkeypatch.setenv("SRCLI_HOME", str(folder))
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_offline_is_one_sentence(place, server):
    server.files["/far"] = BODY
    listed(place, far=part(f"{server.url}/far"))
    result = srcli("models", "pull", "far", "--offline")
    assert result.exit_code == 4
    assert "downloads are off" in result.stderr
    assert "go online and run: srcli models pull far" in result.stderr
    assert not server.asked


# The hub, by its own library


def from_hub(server: Server, *arguments: object, **environment: str) -> tuple[int, str, str]:
    return finished(command(*arguments, HF_ENDPOINT=server.url, **environment))


def hub_part(path: str = "far.safetensors", known: bool = True) -> str:
    facts = f'sha256 = "{digest(BODY)}"\nbytes = {len(BODY)}\n' if known else ""
    return f'file = "far.safetensors"\n{facts}sources = [{{ hub = "some/models", path = "{path}" }}]'


def test_the_hub_resumes_where_it_broke_off(place, server):
    server.hub["some/models/far.safetensors"] = BODY
    blob = f"/blobs/{digest(BODY)}"
    server.faults[blob] = [breaks(0.5), *[says(503)] * 2]
    listed(place, far=hub_part(known=False))
    code, _, err = from_hub(server, "models", "pull", "far", "--retries", "1", HF_TOKEN="hf_secret")
    assert code == 4
    assert re.search(r"localhost:\d+ answered 503.*goes on after 0\.6 MB", err)
    assert names(place / "home" / "weights") == set()
    server.faults[blob] = [breaks(0.99)]
    code, out, err = from_hub(server, "models", "pull", "far", "--json", HF_TOKEN="hf_secret")
    assert code == 0, err
    made = json.loads(out)
    assert Path(made["path"]).read_bytes() == BODY
    assert made["sha256"] == digest(BODY)
    asked = [int(text[6:-1]) / len(BODY) for text in server.gets(blob) if text]
    assert len(asked) == 3
    assert asked[0] == pytest.approx(0.5, abs=0.04)
    assert asked[-1] == pytest.approx(0.99, abs=0.04)
    told = [token for (_, path, _), token in zip(server.asked, server.tokens, strict=True) if "resolve" in path]
    assert set(told) == {"Bearer hf_secret"}
    # The token is for the hub, not for the storage that it sends to.
    assert not any(t for (_, path, _), t in zip(server.asked, server.tokens, strict=True) if path == blob)


def test_the_hub_is_held_to_its_own_hash(place, server):
    """Between two pulls the authors upload another version of the same size; pieces of both are no file."""
    first = BODY[: len(BODY) // 2] + bytes(len(BODY) - len(BODY) // 2)
    server.hub["some/models/far.safetensors"] = first
    server.faults[f"/blobs/{digest(first)}"] = [breaks(0.5), *[says(503)] * 2]
    listed(place, far=hub_part(known=False))
    assert from_hub(server, "models", "pull", "far", "--retries", "1")[0] == 4
    second = bytes(100) + BODY[100:-1] + b"?"
    server.hub["some/models/far.safetensors"] = BODY
    server.faults[f"/blobs/{digest(BODY)}"] = []
    code, _, err = from_hub(server, "models", "pull", "far")
    assert code == 0, err
    assert (place / "home" / "weights" / "far.safetensors").read_bytes() == BODY
    assert srcli("models", "rm", "far", "--forget").exit_code == 0
    damaged = place / "damaged"
    damaged.write_bytes(second)
    server.faults[f"/blobs/{digest(BODY)}"] = [lambda handler, body, start: handler.send(second, "")] * 3
    code, _, err = from_hub(server, "models", "pull", "far", "--retries", "1")
    assert code == 4
    assert "came damaged" in err
    assert names(place / "home" / "weights") == set()


def test_what_other_tools_left_in_the_hubs_cache_stays(place, server):
    """An older version there is passed over, not removed."""
    server.hub["some/models/far.safetensors"] = OTHER
    code = "import huggingface_hub; print(huggingface_hub.hf_hub_download('some/models', 'far.safetensors'))"
    env = os.environ | {"HF_ENDPOINT": server.url}
    subprocess.run([sys.executable, "-c", code], env=env, check=True, capture_output=True)
    listed(place, far=hub_part())
    code, _, err = from_hub(server, "models", "pull", "far", "--offline")
    assert code == 4
    assert "is in another version in the hub's cache, and downloads are off" in err
    server.hub["some/models/far.safetensors"] = BODY
    assert from_hub(server, "models", "pull", "far")[0] == 0
    nothing_wrong(place)
    assert [p.read_bytes() for p in (place / "hf").rglob("far.safetensors")] == [OTHER]


def test_a_file_in_the_hubs_cache_is_taken_from_there(place, server):
    """As diffusers, say, has left it; without another copy on the disk, and without a network."""
    server.hub["some/models/far.safetensors"] = BODY
    code = "import huggingface_hub; print(huggingface_hub.hf_hub_download('some/models', 'far.safetensors'))"
    env = os.environ | {"HF_ENDPOINT": server.url}
    subprocess.run([sys.executable, "-c", code], env=env, check=True, capture_output=True)
    listed(place, far=hub_part())
    run = command("models", "pull", "far", "--json", HF_ENDPOINT="http://127.0.0.1:9", HF_HUB_OFFLINE="1")
    code, out, err = finished(run)
    assert code == 0, err
    path = Path(json.loads(out)["path"])
    assert path.read_bytes() == BODY
    assert path.stat().st_nlink == 2


def test_what_the_hub_gives_is_checked_too(place, server):
    server.hub["some/models/far.safetensors"] = OTHER + b"x" * (len(BODY) - len(OTHER))
    listed(place, far=hub_part())
    code, _, err = from_hub(server, "models", "pull", "far")
    assert code == 4
    assert "is another file" in err
    assert names(place / "home" / "weights") == set()
    assert not server.gets(f"/blobs/{digest(BODY)}")
    server.hub["some/models/far.safetensors"] = BODY
    assert from_hub(server, "models", "pull", "far")[0] == 0
    nothing_wrong(place)


@pytest.mark.parametrize(
    ("lines", "environment", "why"),
    [
        (hub_part("none.safetensors"), {}, r"127\.0\.0\.1:\d+ has no file some/models/none\.safetensors"),
        (hub_part().replace("some/models", "no/models"), {}, "has no repository no/models"),
        (hub_part(), {"HF_ENDPOINT": "http://127.0.0.1:9"}, r"127\.0\.0\.1:9 .*try again later"),
        (hub_part(), {"HF_HUB_OFFLINE": "1"}, "not in the hub's cache, and downloads are off"),
    ],
    ids=["file", "repository", "down", "offline"],
)
def test_what_the_hub_does_not_give_is_one_sentence(place, server, lines, environment, why):
    server.hub["some/models/far.safetensors"] = BODY
    listed(place, far=lines)
    words = ["models", "pull", "far", "--retries", "1"]
    code, _, err = finished(command(*words, **{"HF_ENDPOINT": server.url} | environment))
    assert code == 4
    assert re.search(why, err), err
    assert "Traceback" not in err
    nothing_wrong(place)


def test_google_drive_is_asked_twice(place, server, monkeypatch):
    """First comes a page about viruses, whose form leads to the file."""
    monkeypatch.setattr(drive, "ENDPOINT", f"{server.url}/download")
    server.files["/download"] = BODY
    form = '<form id="f" action="/download"><input type="hidden" name="id" value="1TX1TL6Af2Cu">'
    form += '<input type="hidden" name="uuid" value="a-b"><input type="submit"></form>'
    server.faults["/download"] = [page(form)]
    listed(place, far='file = "far.safetensors"\nsources = [{ drive = "1TX1TL6Af2Cu" }]')
    assert pulled("far")["far.safetensors"].read_bytes() == BODY
    server.faults["/download"] = [page("<p>Quota exceeded</p>")]
    listed(place, far='file = "b.safetensors"\nsources = [{ drive = "1TX1TL6Af2Cu" }]')
    with pytest.raises(pull.PullError, match=r"no downloads left .* in a browser and run: srcli models import"):
        pulled("far")
    elsewhere = page(form.replace('action="/download"', 'action="https://example.org/"'))
    server.faults["/download"] = [elsewhere]
    with pytest.raises(pull.PullError, match="does not give the file out"):
        pulled("far")


# Trust


def test_an_unknown_hash_is_pinned_and_every_change_is_an_error(place, server):
    server.files["/far"] = BODY
    listed(place, far=part(f"{server.url}/far", known=False))
    assert "its hash was not known before and is kept now" in srcli("models", "pull", "far").stdout
    assert home.pins()["far.safetensors"].sha256 == digest(BODY)
    assert srcli("models", "rm", "far").exit_code == 0
    server.files["/far"] = OTHER
    result = srcli("models", "pull", "far")
    assert result.exit_code == 4
    assert "is not what it was on" in result.stderr
    assert names(place / "home" / "weights") == set()
    assert srcli("models", "rm", "--file", "far.safetensors", "--forget").exit_code == 0
    assert srcli("models", "pull", "far").exit_code == 0
    assert pulled("far")["far.safetensors"].read_bytes() == OTHER


def test_a_file_that_changes_here_is_noticed(place, server):
    server.files["/far"] = BODY
    listed(place, far=part(f"{server.url}/far"))
    path = pulled("far")["far.safetensors"]
    assert srcli("models", "verify").exit_code == 0
    changed = bytearray(BODY)
    changed[-1] ^= 1
    path.unlink()
    path.write_bytes(changed)
    assert weights_error("far").startswith(f"{path} has changed since it came on")
    # A change that hides behind the old time is found by reading everything.
    os.utime(path, ns=(0, home.pins()["far.safetensors"].mtime_ns))
    result = srcli("models", "verify", "far")
    assert result.exit_code == 4
    assert "has changed since" in result.stderr


def weights_error(name: str) -> str:
    with pytest.raises(store.WeightsMissing) as told:
        weights.resolve(name)
    return str(told.value)


def test_licences_are_accepted_once(place, server):
    server.files["/far"] = BODY
    path = listed(place, far=part(f"{server.url}/far"))
    path.write_text(path.read_text().replace('"MIT"\ncommercial = true', '"CC-BY-NC-4.0"\ncommercial = false'))
    result = srcli("models", "pull", "far")
    assert result.exit_code == 4
    assert "licence CC-BY-NC-4.0, not for commercial use; to accept: srcli models pull far --accept-license" in (
        " ".join(result.stderr.split())
    )
    assert not server.asked
    with pytest.raises(pull.LicenceError):
        weights.resolve("far")
    assert srcli("models", "pull", "far", "--accept-license").exit_code == 0
    (place / "home" / "weights" / "far.safetensors").unlink()
    assert srcli("models", "pull", "far").exit_code == 0
    # Other terms are another question.
    path.write_text(path.read_text().replace("CC-BY-NC-4.0", "CC-BY-NC-ND-4.0"))
    (place / "home" / "weights" / "far.safetensors").unlink()
    assert srcli("models", "pull", "far").exit_code == 4


def lying(body: bytes) -> bytes:
    """Safetensors whose first tensor is said to lie beyond the end."""
    length = struct.unpack("<Q", body[:8])[0]
    header = json.loads(body[8 : 8 + length])
    name = next(n for n in header if n != "__metadata__")
    header[name]["data_offsets"] = [0, 2**40]
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body[8 + length :]


@pytest.mark.parametrize(
    "sent",
    [lying(BODY), struct.pack("<Q", 2**62) + BODY[8:], b"hello", b"PK\x03\x04" + BODY],
    ids=["offsets", "header", "text", "zip"],
)
def test_files_that_lie_are_refused(place, server, sent):
    server.files["/far"] = sent
    listed(place, far=part(f"{server.url}/far", known=False))
    result = srcli("models", "pull", "far")
    assert result.exit_code == 4
    assert "not a readable safetensors file" in result.stderr
    assert "Traceback" not in result.output
    assert names(place / "home" / "weights") == set()


GOOD = 'file = "a.safetensors"\nsources = [{ url = "https://example.org/a" }]'


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (GOOD.replace("a.saf", "../a.saf"), "file cannot be"),
        (GOOD.replace("a.saf", "/etc/a.saf"), "file cannot be"),
        (GOOD.replace("a.saf", "a/b.saf"), "file cannot be"),
        (GOOD.replace("a.saf", "..\\\\a.saf"), "file cannot be"),
        (GOOD.replace("a.safetensors", "a.exe"), "weights are"),
        ('file = "a.safetensors"\nsources = [{ hub = "a/b", path = "../../x" }]', "path cannot be"),
        ('file = "a.safetensors"\nsources = [{ hub = "a/b", path = "/etc/passwd" }]', "path cannot be"),
        ('file = "a.safetensors"\nsources = [{ hub = "../b", path = "x" }]', "hub cannot be"),
        ('file = "a.safetensors"\nsources = [{ hub = "a/b", path = "x", revision = "../c" }]', "revision cannot be"),
        ('file = "a.safetensors"\nsources = [{ drive = "x?y=z/../../.." }]', "drive cannot be"),
        (GOOD.replace("https://example.org/a", "file:///etc/passwd"), "url cannot be"),
        (GOOD.replace("https://example.org/a", "https://u:p@example.org/a"), "url cannot be"),
        (GOOD.replace("https", "http"), "plain http needs its whole sha256"),
        (GOOD + "\nbytes = -3", "bytes is -3"),
        (GOOD + '\nbytes = "many"', "bytes is not a int"),
        (GOOD + "\nbytes = true", "bytes is not a int"),
        (GOOD + '\nsha256 = "xyz"', "sha256 cannot be"),
        (GOOD + "\nbyte = 3", "unknown key 'byte'"),
        (GOOD.replace('"a.safetensors"', "3"), "file is not a str"),
        (GOOD.replace("[{", "{").replace("}]", "}"), "sources is not a list"),
        (GOOD.replace("{ url = ", "{ embedded = true, url = ").replace("[{", "[3, {"), "a source is"),
        ('file = "a.safetensors"', "embedded file"),
        ("file = ", "is not TOML"),
        (GOOD.replace('"a.safetensors"', '"linf-s.safetensors"'), "belongs to another file"),
    ],
)
def test_a_manifest_that_asks_for_what_it_must_not_is_refused(place, lines, why):
    path = listed(place, far=lines)
    result = srcli("models", "list")
    assert result.exit_code == 4
    assert why in " ".join(result.stderr.split())
    assert str(path) in result.stderr.replace("\n", "")
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("models = 3", "models is not a dict"),
        ("[models]\na = 3", "a is not a table"),
        ('[models."../a".parts.flow]\nfile = "a.pth"', "a model's name"),
        ("[models.a]\nparts = []", "parts is not a dict"),
        (
            '[models.a]\nscales = ["x", 2]\n[models.a.parts.flow]\nfile = "a.pth"\nsources = []',
            "scales are two numbers",
        ),
        (
            '[models.a]\ncommercial = "yes"\n[models.a.parts.flow]\nfile = "a.pth"\nsources = []',
            "commercial is not a bool",
        ),
        ("more = 1", "unknown key 'more'"),
        ("\xff", "is not TOML"),
    ],
)
def test_a_manifest_of_wrong_types_is_refused(place, text, why):
    path = place / "more.toml"
    path.write_bytes(text.encode("latin-1"))
    code, _, err = finished(command("models", "list", "--manifest", path))
    assert code == 4
    assert why in err
    assert "Traceback" not in err


# Commands


def test_a_model_of_the_users_own_manifest_upscales(place, server):
    server.files["/far"] = BODY
    listed(place, far=part(f"{server.url}/far"))
    made = srcli("upscale", ROOT / "examples" / "cat.png", "-n", "far", "-s", "2", "-o", place / "large.png")
    assert made.exit_code == 0, made.output
    assert re.search(r"far: 1\.1 MB from http://127.*; licence MIT", made.stderr.replace("\n", ""))
    ours = srcli(
        "upscale", ROOT / "examples" / "cat.png", "-n", "linf-s", "-s", "2", "-o", place / "ours.png", "--strip"
    )
    assert ours.exit_code == 0
    from PIL import Image

    with Image.open(place / "large.png") as a, Image.open(place / "ours.png") as b:
        assert a.tobytes() == b.tobytes()
    assert weights.resolve("far") == {"flow": place / "home" / "weights" / "far.safetensors"}


def test_a_batch_is_made_again_by_other_weights_of_the_same_name(place, server):
    """The ledger knows weights by their hash, also where the manifest does not know it."""
    server.files["/far"] = BODY
    listed(place, far=part(f"{server.url}/far", known=False))
    (place / "in").mkdir()
    shutil.copy(ROOT / "examples" / "cat.png", place / "in")
    words = ("upscale", place / "in", "-n", "far", "-s", "1", "-o", place / "out", "-y", "--json")

    def statuses() -> list[str]:
        return [json.loads(line).get("status") for line in srcli(*words).stdout.splitlines()][:-1]

    assert [statuses(), statuses()] == [["done"], ["skipped"]]
    assert srcli("models", "rm", "far", "--forget").exit_code == 0
    server.files["/far"] = BODY[:-1] + bytes([BODY[-1] ^ 1])
    assert statuses() == ["done"]


def test_upscale_says_how_to_get_what_it_cannot(place):
    result = srcli("upscale", ROOT / "examples" / "cat.png", "-n", "edsr-linf", "-o", place / "large.png")
    assert result.exit_code == 4
    assert "srcli models pull edsr-linf --accept-license" in " ".join(result.stderr.split())
    result = srcli("upscale", ROOT / "examples" / "cat.png", "-n", "lpips-alex", "-o", place / "large.png")
    assert result.exit_code == 2
    assert not (place / "large.png").exists()


def test_the_list_tells_licence_size_scales_and_scores(place):
    result = srcli("models", "list")
    assert result.exit_code == 0
    row = next(line for line in result.stdout.splitlines() if line.startswith("linf-lp-s"))
    assert re.search(r"1 to 8 +1\.8 MB +Apache-2\.0 +in the package +Set5 x4 \d\d\.\d\d dB, LPIPS 0\.\d+", row)
    objects = [json.loads(line) for line in srcli("models", "list", "--all", "--json").stdout.splitlines()]
    assert {o["name"] for o in objects} == set(manifest.load().entries)
    assert all(o["licence"] and o["files"] for o in objects)
    assert {o["name"]: o["installed"] for o in objects}["srflow-df2k-x4"] == "to import"


def test_every_command_speaks_json(place, server):
    server.files["/far"] = BODY
    listed(place, far=part(f"{server.url}/far"))
    for words in ("pull far", "show far", "verify far", "path far", "path", "licenses", "rm far"):
        result = srcli("models", *words.split(), "--json")
        assert result.exit_code == 0, (words, result.output)
        assert all(json.loads(line) for line in result.stdout.splitlines())
        assert result.stdout
    assert names(place / "home" / "weights") == set()


def test_what_another_model_uses_stays(place, server):
    server.files["/far"] = BODY
    listed(place, far=part(f"{server.url}/far"), near=part(f"{server.url}/far"))
    pulled("far", "near")
    assert server.gets("/far") == [""]
    assert srcli("models", "rm", "far").exit_code == 0
    assert names(place / "home" / "weights") == {"far.safetensors"}
    assert srcli("models", "rm", "far", "near").exit_code == 0
    assert names(place / "home" / "weights") == set()
    assert srcli("models", "rm", "linf-s").exit_code == 2


def test_a_file_is_imported(place):
    listed(place, far='file = "far.safetensors"\nsources = []\n' + f'sha256 = "{digest(BODY)}"')
    result = srcli("models", "pull", "far")
    assert result.exit_code == 4
    assert "srcli models import FILE --as far" in " ".join(result.stderr.split())
    mine = place / "mine.safetensors"
    mine.write_bytes(OTHER)
    assert srcli("models", "import", mine, "--as", "far").exit_code == 4
    mine.write_bytes(BODY)
    assert srcli("models", "import", mine, "--as", "far").exit_code == 0
    mine.write_bytes(OTHER)  # what was imported is a copy
    assert srcli("models", "verify", "far").exit_code == 0
    assert weights.resolve("far")["flow"].read_bytes() == BODY


def official(folder: Path) -> dict[str, Path]:
    """A LINF and its learned prior as their authors save them, tiny."""
    flow = filled(layout_of(linf("edsr")))
    prior = filled(layout_of(PRIORS["unet"] | {"channels": 27}), seed=1)
    return {
        "flow": saved(folder / "flow.pth", wrapped("linf-patch", flow, patch_size=3)),
        "prior": saved(folder / "prior.pth", wrapped("unet", prior, "prior_model")),
    }


def test_a_published_checkpoint_is_pulled_converted_and_run(place, server):
    made = official(place)
    server.files |= {f"/{role}.pth": path.read_bytes() for role, path in made.items()}
    server.faults["/flow.pth"] = [breaks(0.5)]
    both = '[models.lp]\npipeline = "linf-official"\nscales = [1.0, 8.0]\nlicence = "MIT"\ncommercial = true\n'
    for role in made:
        both += f'[models.lp.parts.{role}]\nfile = "{role}.pth"\nsources = [{{ url = "{server.url}/{role}.pth" }}]\n'
    manifest.own_path().parent.mkdir(parents=True)
    manifest.own_path().write_text(both)
    words = ("upscale", ROOT / "examples" / "cat.png", "-s", "1.5", "--strip", "-o")
    result = srcli(*words, place / "by_name.png", "-n", "lp")
    assert result.exit_code == 0, result.output
    assert names(place / "home" / "weights") == {"flow.safetensors", "prior.safetensors"}
    assert home.pins()["flow.pth"].sha256 == digest(made["flow"].read_bytes())
    assert srcli("models", "verify", "lp").exit_code == 0
    result = srcli(*words, place / "by_file.png", "-m", made["flow"], "--prior", made["prior"])
    assert result.exit_code == 0, result.output
    assert (place / "by_name.png").read_bytes() == (place / "by_file.png").read_bytes()


def test_lpips_comes_as_trunk_and_heads(place, server, reference):
    """As torchvision and the authors publish them; the numbers are those of the file that holds both."""
    both = load_file(reference / "perceptual" / "lpips_squeeze_v01.safetensors")
    trunk = {k: v.float() for k, v in both.items() if k.startswith("features.")}
    trunk |= {"classifier.1.weight": torch.zeros(1000, 512, 1, 1), "classifier.1.bias": torch.zeros(1000)}
    heads = {k.replace(".weight", ".model.1.weight"): v.float() for k, v in both.items() if k.startswith("lin")}
    text = '[models.lpips-squeeze]\nlicence = "BSD-3-Clause"\ncommercial = true\n'
    for role, tensors in {"trunk": trunk, "heads": heads}.items():
        server.files[f"/{role}.pth"] = saved(place / f"{role}.pth", tensors).read_bytes()
        text += f'[models.lpips-squeeze.parts.{role}]\nfile = "{role}.pth"\n'
        text += f'sources = [{{ url = "{server.url}/{role}.pth" }}]\n'
    manifest.own_path().parent.mkdir(parents=True)
    manifest.own_path().write_text(text)
    words = ("bench", "--data", ROOT / "examples", "--scale", "4", "--models", "bicubic", "--json")
    lacking = srcli(*words, "--metrics", "lpips_squeeze")
    assert lacking.exit_code == 2
    assert "srcli models pull lpips-squeeze" in " ".join(lacking.stderr.split())
    assert srcli("models", "pull", "lpips-squeeze").exit_code == 0
    pulled_weights = srcli(*words)
    assert pulled_weights.exit_code == 0, pulled_weights.output
    one_file = srcli(*words, "--lpips-weights", reference / "perceptual" / "lpips_squeeze_v01.safetensors")
    scores = [json.loads(result.stdout.splitlines()[-1])["lpips_squeeze"] for result in (pulled_weights, one_file)]
    assert scores[0] == pytest.approx(scores[1], abs=1e-6)


def test_a_damaged_checkpoint_is_left_for_the_next_mirror(place, server):
    good = official(place)["flow"].read_bytes()
    server.files |= {"/bad": good[:-2000] + bytes(2000), "/good": good}
    listed(place, far=part(f"{server.url}/bad", file="far.pth", known=False))
    with pytest.raises(pull.PullError, match=r"far\.pth from http://127.*/bad is refused"):
        pulled("far")
    assert not list((place / "home" / "weights").iterdir())  # nothing that the next attempt would trip over
    listed(place, far=part(f"{server.url}/bad", f"{server.url}/good", file="far.pth", known=False))
    assert pulled("far")["far.pth"].name == "far.safetensors"


def test_what_was_begun_is_removed_too(place, server):
    server.files["/far"] = BODY
    server.faults["/far"] = [breaks(0.5), *[says(503)] * 3]
    listed(place, far=part(f"{server.url}/far"))
    with pytest.raises(pull.PullError):
        pulled("far")
    assert list((place / "home" / "weights").iterdir())
    assert srcli("models", "rm", "far").exit_code == 0
    assert not list((place / "home" / "weights").iterdir())


def test_a_server_that_sends_too_much_is_stopped(place, server):
    def endless(handler, body, start):
        handler.send_response(200)
        handler.end_headers()
        for _ in range(2000):
            handler.wfile.write(bytes(2**16))
        handler.close_connection = True

    server.files["/far"] = BODY
    server.faults["/far"] = [endless]
    listed(place, far=part(f"{server.url}/far"))
    with pytest.raises(pull.PullError, match="sends more than the 1,121,046 bytes"):
        pulled("far")
    assert not list((place / "home" / "weights").iterdir())


@pytest.mark.parametrize(("name", "file"), [("mine-v1.5", "a.safetensors"), ("mine", "a.bin"), ("mine", "a.PTH")])
def test_odd_names_of_own_models_are_no_trouble(place, name, file):
    shutil.copy(store.EMBEDDED / "linf-s.safetensors", place / file)
    assert srcli("models", "import", place / file, "--as", name).exit_code == 0
    assert weights.resolve(name)["flow"].read_bytes() == BODY
    assert srcli("models", "list").exit_code == 0


def test_a_name_that_would_spoil_the_manifest_is_not_written(place):
    shutil.copy(store.EMBEDDED / "linf-s.safetensors", place / "a.safetensors")
    result = srcli("models", "import", place / "a.safetensors", "--as", "sd21-unet")
    assert result.exit_code == 4
    assert "belongs to another file" in " ".join(result.stderr.split())
    assert srcli("models", "list").exit_code == 0
    assert not manifest.own_path().exists()


def test_official_tensors_in_safetensors_are_converted(place):
    save_file(filled(layout_of(linf("edsr"))), place / "official.safetensors")
    assert srcli("models", "import", place / "official.safetensors", "--as", "mine").exit_code == 0
    assert json.loads(store.metadata(weights.resolve("mine")["flow"])["architecture"])["kind"] == "linf"
    listed(place, far=part(file="far.safetensors", known=False) + "\narchitecture = { hidden = 999 }")
    result = srcli("models", "import", store.EMBEDDED / "linf-s.safetensors", "--as", "far")
    assert result.exit_code == 4
    assert "holds another network (hidden is 96, not 999)" in " ".join(result.stderr.split())


def test_conversions_replace_what_they_may(place):
    made, out = official(place)["flow"], place / "out.safetensors"
    assert srcli("models", "convert", made, "-o", out).exit_code == 0
    assert srcli("models", "convert", made, "-o", out).exit_code == 2
    assert srcli("models", "convert", made, "-o", out, "-y").exit_code == 0
    assert srcli("models", "convert", out, "-o", out, "-y").exit_code == 2


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("date = 2026-11-21", 0),
        ("psnr_y = { x2 = nan }", 4),
        ("psnr_y = 31.0", 4),
        (f"psnr_y = {{ x2 = 1{'0' * 400} }}", 4),
        (f"psnr_y = {{ x2 = 1{'0' * 5000} }}", 4),
    ],
)
def test_odd_scores_in_a_manifest_stop_nothing_else(place, line, code):
    path = listed(place, far=part("https://example.org/far", known=False))
    path.write_text(path.read_text() + f"[models.far.measured]\n{line}\n")
    result = srcli("models", "list", "--all", "--json")
    assert result.exit_code == code
    assert all(json.loads(text) for text in result.stdout.splitlines())


def test_two_files_never_share_a_place(place):
    flow, prior = part("https://e.org/a", file="w.safetensors", known=False), 'file = "W.pth"\nsources = []'
    listed(place, far=f"{flow}\n[models.far.parts.prior]\n{prior}")
    assert srcli("models", "list").exit_code == 4


def test_a_damaged_memory_says_what_to_do(place, server):
    server.files["/far"] = BODY
    listed(place, far=part(f"{server.url}/far"))
    pulled("far")
    memory = place / "home" / home.PINS
    memory.write_text(memory.read_text().replace('"bytes"', '"later field": 1, "bytes"', 1))
    assert srcli("models", "verify", "far").exit_code == 0
    memory.write_text(memory.read_text().replace('"sha256": "', '"sha256": 5, "was": "'))
    result = srcli("models", "verify", "far")
    assert result.exit_code == 4
    assert "is damaged at far.safetensors" in " ".join(result.stderr.split())


def test_a_pickle_with_code_from_a_server_does_not_run(place, server):
    class Evil:
        def __reduce__(self):
            return os.system, (f"touch {place / 'ran'}",)

    server.files["/far"] = pickle.dumps({"model": Evil()})
    listed(place, far=part(f"{server.url}/far", file="far.pth", known=False))
    result = srcli("models", "pull", "far")
    assert result.exit_code == 4
    assert "Traceback" not in result.output
    assert not (place / "ran").exists()
    assert names(place / "home" / "weights") == set()
    assert "far.pth" not in home.pins()


def test_a_file_of_ones_own_gets_a_name(place):
    made = official(place)
    result = srcli("models", "import", made["flow"], "--as", "mine")
    assert result.exit_code == 0, result.output
    words = ("upscale", ROOT / "examples" / "cat.png", "-s", "1.5", "--strip", "-o", place / "large.png")
    assert srcli(*words, "-n", "mine").exit_code == 0
    assert "mine" in srcli("models", "list").stdout
    assert srcli("models", "import", made["prior"], "--as", "other").exit_code == 4
    assert srcli("models", "import", made["flow"], "--as", "../x").exit_code == 2
    assert srcli("models", "list").exit_code == 0


def test_a_checkpoint_of_another_model_is_refused(place):
    """Its hash is not known, but what it should hold is."""
    result = srcli("models", "import", official(place)["flow"], "--as", "edsr-linf-lp", "--accept-license")
    assert result.exit_code == 4
    assert "holds another network (hidden is 16, not 256)" in " ".join(result.stderr.split())
    assert names(place / "home" / "weights") == set()


def test_parts_are_told_apart_by_what_they_hold(place):
    made = official(place)
    listed(place, both='file = "a.pth"\nsources = []\n[models.both.parts.prior]\nfile = "b.pth"\nsources = []')
    for role in ("prior", "flow"):
        result = srcli("models", "import", made[role], "--as", "both", "--json")
        assert result.exit_code == 0, result.output
        assert json.loads(result.stdout)["role"] == role
    assert not store.missing(manifest.load().find("both"))


LISTS = {
    "EDSR-baseline-LINF_patch1": ("edsr-linf", "flow"),
    "EDSR-baseline-LINF_patch3": ("edsr-linf-lp", "flow"),
    "RDN-LINF_patch1": ("rdn-linf", "flow"),
    "SwinIR-LINF_patch1": ("swinir-linf", "flow"),
    "RRDB-LINF_patch3": ("rrdb-linf", "flow"),
    "LINF-LP_UNet_dim64_c27": ("rrdb-linf-lp", "prior"),
    "SRFlow_DF2K_4X": ("srflow-df2k-x4", "flow"),
    "SRFlow_DF2K_8X": ("srflow-df2k-x8", "flow"),
    "SRFlow_CelebA_8X": ("srflow-celeba-x8", "flow"),
    "SRFlow-LP_UNet_dim64": ("srflow-lp-df2k-x4", "prior"),
}


@pytest.mark.parametrize("layout", LISTS)
def test_the_manifest_says_of_published_files_what_they_hold(reference, layout):
    listed = json.loads((reference / "parity" / "keys" / f"{layout}.json").read_text())
    with torch.device("meta"):
        state = {key: torch.empty(shape) for key, shape, _ in listed["keys"]}
    family = next(f for f in FAMILIES if f.detect(state.keys()))
    found = family.convert(Checkpoint(state, Source("", "")))
    name, role = LISTS[layout]
    entry = manifest.load().find(name)
    assert (found.role, found.pipeline) == (role, entry.pipeline)
    assert keeping.differing(entry.parts[role].architecture, found.architecture) is None


def test_the_manifest_describes_the_networks_of_the_package():
    table = tomllib.loads((ROOT / "weights_manifest.toml").read_text())
    for name, entry in table["models"].items():
        known = manifest.load().find(name)
        for role, values in entry["parts"].items():
            if not known.parts[role].embedded:
                continue
            with safe_open(store.locate(known.parts[role]), "np") as file:
                assert values["architecture"] == json.loads(file.metadata()["architecture"]), name


def test_help_imports_no_network():
    code = "import sys, srcli.cli.app; assert 'torch' not in sys.modules and 'requests' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
