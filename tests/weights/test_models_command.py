"""Models by the command: listed, shown, removed, and run by their names."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import sys

import pytest

from srcli import weights
from srcli.weights import manifest, pull
from tests.weights.server import breaks, says
from tests.weights.steps import BODY, ROOT, listed, names, part, pulled, srcli

pytestmark = pytest.mark.usefixtures("place")


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


def test_the_list_tells_what_each_model_is_for(place):
    result = srcli("models", "list")
    assert result.exit_code == 0
    rows = {line.split()[0]: line for line in result.stdout.splitlines()}
    assert re.search(r"clean photos, .+ 1 to 8 +1\.8 MB +built in", rows["linf-lp-s"])
    assert re.search(r"any picture: .+ 1 to 8 +built in", rows["auto"])
    assert rows["edsr-linf"].startswith("edsr-linf *")
    objects = [json.loads(line) for line in srcli("models", "list", "--all", "--json").stdout.splitlines()]
    assert {o["name"] for o in objects} == set(manifest.load().entries)
    assert all(o["licence"] and o["purpose"] for o in objects)
    assert all(o["files"] or o["name"] in ("auto", "bicubic") for o in objects)
    assert {o["name"]: o["installed"] for o in objects}["srflow-df2k-x4"] == "to import"


@pytest.mark.parametrize("columns", [80, 120])
def test_the_list_fits_the_terminal(columns):
    from rich.console import Console

    from srcli.cli.shared.models_view import table_of

    entries, shown = list(manifest.load().entries.values()), io.StringIO()
    Console(file=shown, width=columns).print(table_of(entries))
    lines = shown.getvalue().splitlines()
    assert max(map(len, lines)) <= columns
    assert "…" not in shown.getvalue()
    assert [line.split()[0] for line in lines[1:] if line[0] != " "] == [entry.name for entry in entries]


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


def test_what_was_begun_is_removed_too(place, server):
    server.files["/far"] = BODY
    server.faults["/far"] = [breaks(0.5), *[says(503)] * 3]
    listed(place, far=part(f"{server.url}/far"))
    with pytest.raises(pull.PullError):
        pulled("far")
    assert list((place / "home" / "weights").iterdir())
    assert srcli("models", "rm", "far").exit_code == 0
    assert not list((place / "home" / "weights").iterdir())


def test_help_imports_no_network():
    code = "import sys, srcli.cli.app; assert 'torch' not in sys.modules and 'requests' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_doctor_does_not_open_files_that_keep_their_authors_names(place, server):
    """Such a file names no architecture."""
    import torch
    from safetensors.torch import save

    body = save({"text_model.weight": torch.zeros(2, 2)})
    server.files["/theirs"] = body
    listed(place, theirs=part(f"{server.url}/theirs", file="theirs.safetensors", body=body) + "\nplain = true")
    pulled("theirs")
    found = {m["name"]: m for m in json.loads(srcli("doctor", "--json").stdout)["models"]}
    assert found["theirs"]["files"]
    assert "error" not in found["theirs"]
