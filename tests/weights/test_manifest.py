"""Manifests: what they may say, and that ours says what the files hold."""

from __future__ import annotations

import json
import tomllib

import pytest
import torch
from safetensors import safe_open

from srcli.methods.registry import methods
from srcli.weights import installing, manifest, manifest_file, store
from srcli.weights.convert import Checkpoint, SourceFile, families
from tests.weights.steps import ROOT, command, finished, listed, part, srcli

pytestmark = pytest.mark.usefixtures("place")

GOOD = 'file = "a.safetensors"\nsources = [{ url = "https://example.org/a" }]'


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (GOOD.replace("a.saf", "../a.saf"), "file cannot be"),
        (GOOD.replace("a.saf", "/etc/a.saf"), "file cannot be"),
        (GOOD.replace("a.saf", "a/b.saf"), "file cannot be"),
        (GOOD.replace("a.saf", "..\\\\a.saf"), "file cannot be"),
        (GOOD.replace("a.safetensors", "a.exe"), "file must end in"),
        ('file = "a.safetensors"\nsources = [{ hub = "a/b", path = "../../x" }]', "path cannot be"),
        ('file = "a.safetensors"\nsources = [{ hub = "a/b", path = "/etc/passwd" }]', "path cannot be"),
        ('file = "a.safetensors"\nsources = [{ hub = "../b", path = "x" }]', "hub cannot be"),
        ('file = "a.safetensors"\nsources = [{ hub = "a/b", path = "x", revision = "../c" }]', "revision cannot be"),
        ('file = "a.safetensors"\nsources = [{ drive = "x?y=z/../../.." }]', "drive cannot be"),
        (GOOD.replace("https://example.org/a", "file:///etc/passwd"), "url cannot be"),
        (GOOD.replace("https://example.org/a", "https://u:p@example.org/a"), "url cannot be"),
        (GOOD.replace("https", "http"), "plain http needs its full sha256"),
        (GOOD + "\nbytes = -3", "bytes cannot be -3"),
        (GOOD + '\nbytes = "many"', "bytes must be a whole number"),
        (GOOD + "\nbytes = true", "bytes must be a whole number"),
        (GOOD + '\nsha256 = "xyz"', "sha256 cannot be"),
        (GOOD + "\nbyte = 3", "unknown key 'byte'"),
        (GOOD.replace('"a.safetensors"', "3"), "file must be text"),
        (GOOD.replace("[{", "{").replace("}]", "}"), "sources must be a list"),
        (GOOD.replace("{ url = ", "{ embedded = true, url = ").replace("[{", "[3, {"), "a source must be"),
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
        ("models = 3", "models must be a table"),
        ("[models]\na = 3", "a must be a table"),
        ('[models."../a".parts.flow]\nfile = "a.pth"', "a model's name"),
        ("[models.a]\nparts = []", "parts must be a table"),
        (
            '[models.a]\nscales = ["x", 2]\n[models.a.parts.flow]\nfile = "a.pth"\nsources = []',
            "scales must be two numbers",
        ),
        (
            '[models.a]\ncommercial = "yes"\n[models.a.parts.flow]\nfile = "a.pth"\nsources = []',
            "commercial must be true or false",
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
    family = next(f for f in families() if f.detect(state.keys()))
    found = family.convert(Checkpoint(tensors=state, source=SourceFile("", "")))
    name, role = LISTS[layout]
    entry = manifest.load().find(name)
    assert (found.role, found.pipeline) == (role, entry.pipeline)
    assert installing.first_difference(entry.parts[role].architecture, found.architecture) is None


def test_the_manifest_describes_the_networks_of_the_package():
    table = tomllib.loads((ROOT / "weights_manifest.toml").read_text())
    for name, entry in table["models"].items():
        known = manifest.load().find(name)
        for role, values in entry.get("parts", {}).items():
            if not known.parts[role].embedded:
                continue
            with safe_open(store.locate(known.parts[role]), "np") as file:
                assert values["architecture"] == json.loads(file.metadata()["architecture"]), name


def test_a_model_that_does_not_say_what_it_is_for_has_the_words_of_its_method(tmp_path):
    text = '[models.mine]\npipeline = "linf"\nlicence = "MIT"\ncommercial = true\n'
    text += '[models.mine.parts.flow]\nfile = "mine.safetensors"\nsources = []\n'
    _, (entry,) = manifest_file.parse(text, tmp_path / "models.toml")
    linf = methods()["linf"]
    assert (entry.purpose, entry.paper) == (linf.does, linf.paper)
    _, (entry,) = manifest_file.parse(text.replace("licence", 'purpose = "mine"\nlicence', 1), tmp_path / "models.toml")
    assert entry.purpose == "mine"
