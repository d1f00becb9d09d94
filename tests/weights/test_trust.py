"""What is believed of a file: hashes once seen, licences accepted, and nothing of what it says itself."""

from __future__ import annotations

import json
import os
import pickle
import struct

import pytest

from srcli import weights
from srcli.weights import cache, pull, store
from tests.weights.server import digest
from tests.weights.steps import BODY, OTHER, listed, names, part, pulled, srcli

pytestmark = pytest.mark.usefixtures("place")


def test_an_unknown_hash_is_pinned_and_every_change_is_an_error(place, server):
    server.files["/far"] = BODY
    listed(place, far=part(f"{server.url}/far", known=False))
    assert "its hash was unknown and is now pinned" in srcli("models", "pull", "far").stdout
    assert cache.pins()["far.safetensors"].sha256 == digest(BODY)
    assert srcli("models", "rm", "far").exit_code == 0
    server.files["/far"] = OTHER
    result = srcli("models", "pull", "far")
    assert result.exit_code == 4
    assert "has changed since" in result.stderr
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
    assert weights_error("far").startswith(f"{path} has changed since")
    # A change that hides behind the old time is found by reading everything.
    os.utime(path, ns=(0, cache.pins()["far.safetensors"].mtime_ns))
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
    assert (
        "licence CC-BY-NC-4.0, not for commercial use; to accept it, run: srcli models pull far --accept-license"
        in (" ".join(result.stderr.split()))
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
    assert "far.pth" not in cache.pins()


def test_a_damaged_memory_says_what_to_do(place, server):
    server.files["/far"] = BODY
    listed(place, far=part(f"{server.url}/far"))
    pulled("far")
    memory = place / "home" / cache.PINS
    memory.write_text(memory.read_text().replace('"bytes"', '"later field": 1, "bytes"', 1))
    assert srcli("models", "verify", "far").exit_code == 0
    memory.write_text(memory.read_text().replace('"sha256": "', '"sha256": 5, "was": "'))
    result = srcli("models", "verify", "far")
    assert result.exit_code == 4
    assert "has a damaged entry for far.safetensors" in " ".join(result.stderr.split())
