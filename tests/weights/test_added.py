"""hf://OWNER/REPO/FILE from a real server on the loopback: licence shown and accepted, hash pinned."""

from __future__ import annotations

import json

import pytest

from srcli.weights import adding, manifest
from tests.weights.server import COMMIT, Server, digest
from tests.weights.steps import BODY, OTHER, command, finished, names

pytestmark = pytest.mark.usefixtures("place")
ADDRESS = "hf://some/models/far/mine.safetensors"


def offered(server: Server, licence: str | None) -> None:
    server.hub["some/models/far/mine.safetensors"] = BODY
    card = {} if licence is None else {"cardData": {"license": licence}, "tags": [f"license:{licence}"]}
    told = json.dumps({"id": "some/models", "sha": COMMIT, "siblings": []} | card).encode()
    for path in ("/api/models/some/models", "/api/models/some/models/revision/main"):
        server.files[path] = told


def add(server: Server, *options: object) -> tuple[int, str, str]:
    return finished(command("models", "add", ADDRESS, *options, HF_ENDPOINT=server.url))


def test_a_free_model_is_added_and_pinned(place, server):
    offered(server, "mit")
    code, out, err = add(server, "--json")
    assert code == 0, err
    assert "licence mit (commit 0123456789ab)" in err
    told = json.loads(out)
    assert (told["name"], told["sha256"], told["pipeline"]) == ("mine", digest(BODY), "linf")
    entry = manifest.load().find("mine")
    assert (entry.licence, entry.commercial) == ("mit", True)
    (part,) = entry.parts.values()
    assert (part.sha256, part.bytes) == (digest(BODY), len(BODY))
    assert part.sources[0].revision == COMMIT
    code, _, err = finished(command("models", "verify", "mine"))
    assert code == 0, err
    # Another file under the same name is an error, whatever the hub says of it.
    assert finished(command("models", "rm", "--file", part.file))[0] == 0
    server.hub["some/models/far/mine.safetensors"] = OTHER
    code, _, err = finished(command("models", "pull", "mine", HF_ENDPOINT=server.url, HF_HUB_CACHE=str(place / "new")))
    assert code == 4
    assert "different" in err or "bytes" in err
    assert names(place / "home" / "weights") == set()


@pytest.mark.parametrize("licence", ["cc-by-nc-4.0", "other", None])
def test_other_licences_must_be_accepted(licence, place, server):
    offered(server, licence)
    code, _, err = add(server)
    assert code == 4
    assert f"has the licence {licence or 'unstated'}; to accept it, add --accept-license" in " ".join(err.split())
    assert not [path for method, path, _ in server.asked if "resolve" in path]
    assert not manifest.user_path().exists()
    code, _, err = add(server, "--accept-license", "--as", "other-name")
    assert code == 0, err
    assert manifest.load().find("other-name").commercial is (False if licence == "cc-by-nc-4.0" else None)


def test_what_is_not_there(place, server):
    code, _, err = add(server)
    assert code == 4
    assert "some/models" in err
    server.files["/api/models/some/models/revision/main"] = server.files["/api/models/some/models"] = json.dumps(
        {"id": "some/models", "sha": COMMIT, "siblings": [], "tags": ["license:mit"]}
    ).encode()
    server.hub["some/models/else.safetensors"] = b"nothing"
    code, _, err = add(server)
    assert code == 4
    assert "has no file some/models/far/mine.safetensors" in " ".join(err.split())
    server.hub["some/models/far/mine.safetensors"] = b"no weights"
    code, _, err = add(server)
    assert code == 4
    assert not manifest.user_path().exists()
    assert names(place / "home" / "weights") == set()
    code, _, err = finished(command("models", "add", ADDRESS, HF_ENDPOINT=server.url, SRCLI_OFFLINE="1"))
    assert (code, "downloads are off" in err) == (4, True)


@pytest.mark.parametrize(
    "address", ["hf://models/a.pth", "hf://a/b/../c.pth", "hf://a/b/c.exe", "hf://a/b@../c.pth", "hf://a--b/c/d.pth"]
)
def test_addresses_are_checked(address):
    with pytest.raises(adding.NotAdded):
        adding.parse(address)
