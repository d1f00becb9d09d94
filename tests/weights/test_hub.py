"""Files of the Hugging Face hub, by its own library, and of Google Drive."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from srcli.weights import pull
from srcli.weights.download import drive
from tests.weights.server import Server, breaks, digest, page, says
from tests.weights.steps import BODY, OTHER, command, finished, listed, names, nothing_wrong, pulled, srcli

pytestmark = pytest.mark.usefixtures("place")


def from_hub(server: Server, *arguments: object, **environment: str) -> tuple[int, str, str]:
    return finished(command(*arguments, HF_ENDPOINT=server.url, **environment))


def hub_part(path: str = "far.safetensors", known: bool = True) -> str:
    facts = f'sha256 = "{digest(BODY)}"\nbytes = {len(BODY)}\n' if known else ""
    return f'file = "far.safetensors"\n{facts}sources = [{{ hub = "some/models", path = "{path}" }}]'


@pytest.mark.slow
def test_the_hub_resumes_where_it_broke_off(place, server):
    server.hub["some/models/far.safetensors"] = BODY
    blob = f"/blobs/{digest(BODY)}"
    server.faults[blob] = [breaks(0.5), *[says(503)] * 2]
    listed(place, far=hub_part(known=False))
    code, _, err = from_hub(server, "models", "pull", "far", "--retries", "1", HF_TOKEN="hf_secret")
    assert code == 4
    assert re.search(r"localhost:\d+ answered 503.*continues after 0\.6 MB", err)
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


@pytest.mark.slow
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
    assert "was damaged on the way" in err
    assert names(place / "home" / "weights") == set()


@pytest.mark.slow
def test_what_other_tools_left_in_the_hubs_cache_stays(place, server):
    """An older version there is passed over, not removed."""
    server.hub["some/models/far.safetensors"] = OTHER
    code = "import huggingface_hub; print(huggingface_hub.hf_hub_download('some/models', 'far.safetensors'))"
    env = os.environ | {"HF_ENDPOINT": server.url}
    subprocess.run([sys.executable, "-c", code], env=env, check=True, capture_output=True)
    listed(place, far=hub_part())
    code, _, err = from_hub(server, "models", "pull", "far", "--offline")
    assert code == 4
    assert "is only in a different version in the hub's cache, and downloads are off" in err
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


@pytest.mark.slow
def test_what_the_hub_gives_is_checked_too(place, server):
    server.hub["some/models/far.safetensors"] = OTHER + b"x" * (len(BODY) - len(OTHER))
    listed(place, far=hub_part())
    code, _, err = from_hub(server, "models", "pull", "far")
    assert code == 4
    assert "is a different file" in err
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
    with pytest.raises(
        pull.PullError, match=r"reached its download quota .* in a browser and run: srcli models import"
    ):
        pulled("far")
    elsewhere = page(form.replace('action="/download"', 'action="https://example.org/"'))
    server.faults["/download"] = [elsewhere]
    with pytest.raises(pull.PullError, match="refuses to send the file"):
        pulled("far")
