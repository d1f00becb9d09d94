"""`srcli models rm`: a model of one's own leaves the user's manifest, others only lose their files."""

from __future__ import annotations

import json
import shutil
import tomllib

import pytest

from srcli.weights import cache, manifest, store
from tests.weights.steps import OTHER, listed, names, official, part, srcli

pytestmark = pytest.mark.usefixtures("place")


def test_an_imported_model_is_gone_with_its_entry(place):
    flow = official(place)["flow"]
    for name in ("first", "mine-v1.5", "last"):
        assert srcli("models", "import", flow, "--as", name).exit_code == 0
    before = tomllib.loads(manifest.user_path().read_text())
    result = srcli("models", "rm", "mine-v1.5")
    assert result.exit_code == 0, result.output
    assert f"removed mine-v1.5 from {manifest.user_path()}" in result.stdout
    del before["models"]["mine-v1.5"]
    assert tomllib.loads(manifest.user_path().read_text()) == before
    assert "mine-v1.5" not in srcli("models", "list", "--all").stdout
    assert names(place / "home" / "weights") == {"first.safetensors", "last.safetensors"}
    assert srcli("models", "rm", "mine-v1.5").exit_code == 2
    for name in ("first", "last"):
        assert srcli("models", "rm", name).exit_code == 0
    assert manifest.user_path().read_text() == ""
    assert cache.pins() == {}


def test_the_name_can_be_used_for_another_file(place):
    shutil.copy(store.EMBEDDED / "linf-s.safetensors", place / "a.safetensors")
    assert srcli("models", "import", place / "a.safetensors", "--as", "mine").exit_code == 0
    assert srcli("models", "rm", "mine").exit_code == 0
    assert srcli("models", "import", official(place)["flow"], "--as", "mine").exit_code == 0
    assert srcli("models", "verify", "mine").exit_code == 0


def test_an_entry_that_can_be_pulled_again_stays(place):
    path = listed(place, far=part("http://127.0.0.1:9/x"), known=part(file="b.safetensors"))
    before = path.read_text()
    for name in ("far", "known"):
        assert srcli("models", "rm", name).exit_code == 0
    assert path.read_text() == before


AROUND = """# my models
default = "linf-s"

[models.'text']  # not [models.mine]
pipeline = "linf"
scales = [1, 8]
purpose = '''
%s
'''
parts.flow.file = "t.pth"
parts.flow.sources = [
]
"""
LINES = 'file = "m.pth"\nsources = []  # mine'


def test_what_the_user_has_written_around_an_entry_stays(place):
    path = listed(place, mine=LINES, z='file = "z.pth"\nsources = []')
    path.write_text(AROUND % "[a, b]" + "\n" + path.read_text() + "# the end\n")
    wanted = tomllib.loads(path.read_text())
    assert srcli("models", "rm", "mine").exit_code == 0
    del wanted["models"]["mine"]
    assert tomllib.loads(path.read_text()) == wanted
    assert path.read_text().startswith(AROUND % "[a, b]")
    assert path.read_text().endswith("# the end\n")


def test_an_entry_that_cannot_be_taken_out_is_left_whole(place):
    path = listed(place, mine=LINES)
    path.write_text(AROUND % "[models.mine]" + path.read_text())
    before = path.read_text()
    result = srcli("models", "rm", "mine", "--json")
    assert result.exit_code == 4
    assert "in a form that only you can edit" in json.loads(result.stdout.splitlines()[-1])["error"]
    assert path.read_text() == before


def test_a_file_that_another_model_uses_keeps_its_hash(place):
    (place / "a.safetensors").write_bytes(OTHER)
    lines = 'file = "a.safetensors"\nsources = []'
    listed(place, one=lines, two=lines)
    assert srcli("models", "import", place / "a.safetensors", "--as", "one").exit_code == 0
    assert srcli("models", "rm", "one").exit_code == 0
    assert [*manifest.load().entries][-1] == "two"
    assert "a.safetensors" in cache.pins()
