"""Files of DegFlow in every layout in which its authors' code writes them: told apart, pulled, imported and run."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from layouts import saved
from PIL import Image
from safetensors.torch import load_file, save_file
from test_degflow import FORWARD, close, photo
from torch import Tensor
from weights_server import page
from weights_steps import listed, names, srcli

from srcli.networks.build import build
from srcli.networks.degflow_ae import Autoencoder
from srcli.networks.ncsnpp import NCSNpp
from srcli.weights import home, keeping, manifest, store
from srcli.weights.convert import FAMILIES, Checkpoint, ConvertError, Source, convert, held
from srcli.weights.download import drive
from srcli.weights.given import load_part

pytestmark = pytest.mark.usefixtures("place")

NAME, AUTOENCODER, FLOW = "degflow-realsr", "autoencoder", "flow"
IDS = {AUTOENCODER: "1qOAa5FwGX9fAurpB3hJtcIfrARBkTjBJ", FLOW: "1t-V-hiJOP5g1LI-qU3VCArR6bM5OABEP"}
QUICK = ("--scale", "2.4", "--solver", "rk4", "--steps", "2", "--threads", "1", "--precision", "fp32")
State = dict[str, Tensor]


@pytest.fixture(scope="module")
def published(reference) -> dict[str, Path]:
    """Small networks in the layouts of the public files."""
    folder = reference / "parity" / "degflow" / "weights"
    return {AUTOENCODER: folder / "ae_layout.pth", FLOW: folder / "flow_layout.pth"}


@pytest.fixture(scope="module")
def states(published) -> dict[str, State]:
    """Their state dicts, as a network of both would have them."""
    ae, flow = (torch.load(published[role], weights_only=True) for role in (AUTOENCODER, FLOW))
    joined = {f"{part}.{key}": value for part, entries in ae.items() for key, value in entries.items()}
    return {AUTOENCODER: joined, FLOW: flow["model"]}


@pytest.fixture(scope="module")
def data(reference) -> State:
    folder = reference / "parity" / "degflow"
    return load_file(folder / "in" / "inputs.safetensors") | load_file(folder / "out" / "outputs.safetensors")


def under(prefix: str, state: State, *without: str) -> State:
    return {prefix + key: value for key, value in state.items() if not key.startswith(without)}


def lightning(state: State) -> dict:
    """A checkpoint of the trainer, with its loss, a metric and an optimizer."""
    more = {"lpips.net.slice1.0.weight": torch.ones(3), "val_psnr.total": torch.tensor(7)}
    adam = {"state": {0: {"exp_avg": torch.zeros(2)}}, "param_groups": [{"lr": 1e-4}]}
    return {
        "epoch": 3,
        "global_step": 9,
        "pytorch-lightning_version": "2.2",
        "state_dict": state | more,
        "optimizer_states": [adam],
        "hyper_parameters": {"lr": 1e-4},
        "callbacks": {"best": {"score": 1.0}},
    }


def second_stage(states: dict[str, State]) -> dict:
    return lightning(states[AUTOENCODER] | under("model.", states[FLOW]))


# What a file holds, by layout: of the two state dicts, the autoencoder's parts or the flow.
LAYOUTS = {
    AUTOENCODER: {
        "bare": lambda s: s[AUTOENCODER],
        "bare, without the levels": lambda s: under("", s[AUTOENCODER], "t_params."),
        "state_dict": lambda s: {"state_dict": s[AUTOENCODER], "step": 5},
        "parts": lambda s: {
            part: {k.removeprefix(f"{part}."): v for k, v in s[AUTOENCODER].items() if k.startswith(f"{part}.")}
            for part in ("encoder", "decoder", "t_params")
        },
        "first stage": lambda s: lightning(under("autoencoder._orig_mod.", s[AUTOENCODER])),
        "first stage, without the levels": lambda s: lightning(
            under("autoencoder._orig_mod.", s[AUTOENCODER], "t_params.")
        ),
        "first stage, not compiled": lambda s: lightning(under("autoencoder.", s[AUTOENCODER])),
        "second stage": second_stage,
        "average": lambda s: {"ema": s[AUTOENCODER], "state_dict": {k: v + 1 for k, v in s[AUTOENCODER].items()}},
    },
    FLOW: {
        "bare": lambda s: s[FLOW],
        "state_dict": lambda s: {"state_dict": s[FLOW]},
        "model": lambda s: {"model": s[FLOW]},
        "compiled": lambda s: {"model": under("_orig_mod.", s[FLOW])},
        "DataParallel": lambda s: under("module.", s[FLOW]),
        "Lightning": lambda s: lightning(under("model.", s[FLOW])),
        "Lightning, compiled": lambda s: lightning(under("model._orig_mod.", s[FLOW])),
        "second stage": second_stage,
        "average": lambda s: {"model_ema": s[FLOW], "model": {k: v + 1 for k, v in s[FLOW].items()}},
    },
}
CASES = [(role, layout) for role, layouts in LAYOUTS.items() for layout in layouts]


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize(("role", "layout"), CASES)
def test_every_layout_gives_the_network_of_the_reference(tmp_path, states, data, role, layout, legacy):
    path = saved(tmp_path / "a.ckpt", LAYOUTS[role][layout](states), legacy)
    made = convert(path, role)
    assert (made.pipeline, made.role, made.scales) == ("degflow", role, (1.0, 4.0))
    wanted = {k: v for k, v in states[role].items() if k != "sigmas"}
    assert made.tensors.keys() == wanted.keys()
    assert all(torch.equal(made.tensors[k], v) for k, v in wanted.items())
    assert held(path) == ([FLOW, AUTOENCODER] if layout == "second stage" else [role])
    network = load_part(path, "degflow", role)
    with torch.no_grad():
        if isinstance(network, Autoencoder):
            close(network.encoder(data["hr"])[0], data["rae.z"], FORWARD)
            assert network.positions().tolist() == pytest.approx([0, 1 / 3, 1], abs=1e-4)
        else:
            assert isinstance(network, NCSNpp)
            close(network(data["flow.z"], data["flow.t"]), data["flow.v"], FORWARD)


def test_safetensors_of_the_reference_are_told_too(reference):
    folder = reference / "parity" / "degflow" / "weights"
    assert held(folder / "ae.safetensors") == [AUTOENCODER]
    assert held(folder / "flow.safetensors") == [FLOW]


@pytest.mark.parametrize("role", [AUTOENCODER, FLOW])
def test_the_manifest_says_of_the_published_files_what_they_hold(reference, role):
    """Full size: keys and shapes, and the Drive's ids."""
    table = json.loads((reference / "parity" / "degflow" / f"keys_degflow_{role}.json").read_text())
    parts = {k: v for k, v in table.items() if k in ("encoder", "decoder", "t_params")} or {"": table["model"]}
    keys = {f"{part}.{k}" if part else k: tuple(v[0]) for part, entries in parts.items() for k, v in entries.items()}
    with torch.device("meta"):
        state = {key: torch.empty(shape) for key, shape in keys.items()}
    (family,) = (family for family in FAMILIES if family.detect(state.keys()))
    found = family.convert(Checkpoint(state, Source("", "")))
    entry = manifest.load().find(NAME)
    assert (found.role, found.pipeline, found.scales) == (role, entry.pipeline, entry.scales)
    assert found.architecture == entry.parts[role].architecture
    assert entry.parts[role].sources == (manifest.Drive(IDS[role]),)
    keys.pop("sigmas", None)  # of no use to a rectified flow
    with torch.device("meta"):
        network = build(found.architecture)
    assert {k: tuple(v.shape) for k, v in network.state_dict().items()} == keys
    assert found.tensors.keys() == keys.keys()


@pytest.mark.slow
def test_full_size_files_are_pulled_and_run(place, server, monkeypatch):
    """By the manifest of the package; untrained, so the photo stays where it is on the path."""
    monkeypatch.setattr(drive, "ENDPOINT", f"{server.url}/download")
    entry = manifest.load().find(NAME)
    ae, flow = (build(entry.parts[role].architecture).state_dict() for role in IDS)
    both = saved(place / "two.ckpt", second_stage({AUTOENCODER: ae, FLOW: flow | {"sigmas": torch.zeros(1000)}}))
    server.drive = dict.fromkeys(IDS.values(), both.read_bytes())
    result = srcli("models", "pull", NAME, "--accept-license")
    assert result.exit_code == 0, result.output
    assert names(place / "home" / "weights") == {f"{NAME}-{role}.safetensors" for role in IDS}
    assert degraded(place, "out", "--model", NAME).shape == (70, 90, 3)


# --- what is wrong ---


class Trap:
    """What runs code when it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ("sprung",)


def changed(state: State, **tensors: Tensor | None) -> State:
    """Other tensors, or without those that are None; dots are written as two underscores."""
    new = state | {name.replace("__", "."): value for name, value in tensors.items() if value is not None}
    return {k: v for k, v in new.items() if tensors.get(k.replace(".", "__"), v) is not None}


WRONG = {
    "missing": (AUTOENCODER, {"encoder__stem__bias": None}, "encoder.stem.bias is missing"),
    "what sizes are read from": (AUTOENCODER, {"encoder__stem__weight": None}, "encoder.stem.weight is missing"),
    "extra": (AUTOENCODER, {"decoder__odd": torch.zeros(1)}, "decoder.odd is not of this network"),
    "extra beside": (AUTOENCODER, {"extra__k": torch.zeros(1)}, "extra.k is not of this network"),
    "half the levels": (AUTOENCODER, {"t_params__LR3": None}, "t_params.LR3 is missing"),
    "shape": (AUTOENCODER, {"encoder__conv_out__bias": torch.zeros(5)}, "the shape 5 instead of 4"),
    "not finite": (AUTOENCODER, {"decoder__conv_in__bias": torch.full((64,), torch.nan)}, "not finite"),
    "no module": (FLOW, {"all_modules__14__Conv_0__bias": None}, "all_modules.14.Conv_0.bias is missing"),
    "one more": (FLOW, {"all_modules__99__bias": torch.zeros(1)}, "whole levels"),
    "far away": (FLOW, {f"all_modules__{10**40}__NIN_0__W": torch.zeros(1, 1)}, "whole levels"),
    "no number": (FLOW, {"all_modules__x__bias": torch.zeros(1)}, "all_modules.x.bias is not of this network"),
    "no width": (FLOW, {"all_modules__0__weight": torch.zeros(0, 0)}, "no width"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_named_in_one_sentence(tmp_path, states, case):
    role, changes, words = WRONG[case]
    path = saved(tmp_path / "a.pth", changed(states[role], **changes))
    with pytest.raises(ConvertError) as refused:
        load_part(path, "degflow", role)
    assert words in str(refused.value)
    assert str(refused.value).startswith(f"{path} looks like the {role} of DegFlow, but ")
    assert "\n" not in str(refused.value)
    assert refused.value.exit_code == 4


def test_a_flow_without_attention_is_refused(tmp_path, states):
    state = {k: v for k, v in states[FLOW].items() if "NIN" not in k}
    with pytest.raises(ConvertError, match="no attention at its middle"):
        convert(saved(tmp_path / "a.pth", state))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"encoder": Trap()}, "more than tensors (posix.mkdir)"),
        ({"encoder": {"stem.weight": Trap()}}, "more than tensors"),
        ({}, "holds no state dict"),
        ({"encoder": {}, "t_params": {"LR2": -0.7}}, "holds no state dict"),
        ({"encoder": {"k": torch.zeros(1)}}, "unknown network"),
    ],
)
def test_other_files_are_refused_and_run_nothing(tmp_path, monkeypatch, content, words):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConvertError) as refused:
        load_part(saved(tmp_path / "a.pth", content), "degflow", AUTOENCODER)
    assert words in str(refused.value)
    assert not Path("sprung").exists()


def test_the_other_network_is_not_taken_for_the_one_asked_for(published, states, tmp_path):
    with pytest.raises(ConvertError, match="holds the flow of degflow, not the autoencoder"):
        load_part(published[FLOW], "degflow", AUTOENCODER)
    first = saved(tmp_path / "a.ckpt", LAYOUTS[AUTOENCODER]["first stage"](states))
    with pytest.raises(ConvertError, match="holds the autoencoder of degflow, not the flow"):
        load_part(first, "degflow", FLOW)
    with pytest.raises(ConvertError, match="holds the flow of linf"):
        load_part(store.EMBEDDED / "linf-s.safetensors", "degflow", FLOW)


# --- the store ---


def small(place: Path) -> None:
    """The manifest's entry, without what it says of sizes, in which the fixtures differ."""
    text = f'[models.{NAME}]\npipeline = "degflow"\nscales = [1.0, 4.0]\n'
    for role, identity in IDS.items():
        text += f'[models.{NAME}.parts.{role}]\nfile = "{NAME}-{role}.pth"\nsources = [{{ drive = "{identity}" }}]\n'
    manifest.own_path().parent.mkdir(parents=True)
    manifest.own_path().write_text(text)


def degraded(place: Path, out: str, *options: object) -> np.ndarray:
    Image.fromarray(photo(70, 90)).save(place / "a.png")
    result = srcli("degrade", place / "a.png", "-o", place / out, *QUICK, *options)
    assert result.exit_code == 0, result.output
    (made,) = (place / out).glob("*.png")
    return np.asarray(Image.open(made))


@pytest.mark.parametrize("layout", ["public", "Lightning"])
def test_degrade_pulls_from_the_drive_converts_and_runs(place, server, monkeypatch, published, states, layout):
    monkeypatch.setattr(drive, "ENDPOINT", f"{server.url}/download")
    files = published
    if layout == "Lightning":
        files = {
            AUTOENCODER: saved(place / "one.ckpt", LAYOUTS[AUTOENCODER]["first stage"](states)),
            FLOW: saved(place / "two.ckpt", second_stage(states)),
        }
    server.drive = {IDS[role]: path.read_bytes() for role, path in files.items()}
    form = f'<form action="/download"><input type="hidden" name="id" value="{IDS[FLOW]}"></form>'
    server.faults[f"/download?{IDS[FLOW]}"] = [page(form)]  # as for files too large to be scanned
    small(place)
    Image.fromarray(photo(70, 90)).save(place / "a.png")
    refused = srcli("degrade", place / "a.png", "--model", NAME)
    assert refused.exit_code == 4
    assert f"srcli models pull {NAME} --accept-license" in " ".join(refused.stderr.split())
    home.accept(manifest.load().find(NAME))
    by_name = degraded(place, "by_name", "--model", NAME)
    assert names(place / "home" / "weights") == {f"{NAME}-{role}.safetensors" for role in IDS}
    assert {file: pin.source for file, pin in home.pins().items()} == {
        f"{NAME}-{role}.pth": f"Google Drive {identity}" for role, identity in IDS.items()
    }
    asked = len(server.asked)
    by_file = degraded(place, "by_file", "-m", published[FLOW], "--autoencoder", published[AUTOENCODER])
    assert np.array_equal(by_name, by_file)
    assert srcli("models", "verify", NAME).exit_code == 0
    assert np.array_equal(degraded(place, "again", "-n", NAME), by_name)
    assert len(server.asked) == asked
    told = json.loads((place / "again" / "a_degflow_x2.4.json").read_text())
    assert told["model"] == NAME


def test_files_that_were_exchanged_on_the_drive_are_refused(place, server, monkeypatch, published):
    monkeypatch.setattr(drive, "ENDPOINT", f"{server.url}/download")
    other = {AUTOENCODER: FLOW, FLOW: AUTOENCODER}
    server.drive = {IDS[role]: published[other[role]].read_bytes() for role in IDS}
    small(place)
    result = srcli("models", "pull", NAME, "--accept-license", "--retries", "1")
    assert result.exit_code == 4
    assert "holds the flow of a model, not the autoencoder" in " ".join(result.stderr.split())
    assert names(place / "home" / "weights") == set()


def test_upscale_refuses_before_anything_is_fetched(place, server, monkeypatch, published):
    monkeypatch.setattr(drive, "ENDPOINT", f"{server.url}/download")
    Image.fromarray(photo(20, 20)).save(place / "a.png")
    home.accept(manifest.load().find(NAME))
    for words in (["upscale", place / "a.png", "-n", NAME], ["bench", "--data", place, "--models", NAME]):
        result = srcli(*words)
        assert result.exit_code == 2, result.output
        assert f"srcli degrade --model {NAME}" in " ".join(result.stderr.split())
    assert not server.asked
    result = srcli("upscale", place / "a.png", "-m", published[FLOW])
    assert result.exit_code == 2
    assert "use it with srcli degrade" in " ".join(result.stderr.split())


def test_both_files_are_imported_and_told_apart(place, published):
    small(place)
    for role, path in published.items():
        result = srcli("models", "import", path, "--as", NAME, "--accept-license", "--json")
        assert result.exit_code == 0, result.output
        assert json.loads(result.stdout)["role"] == role
    assert degraded(place, "out", "--model", NAME).shape == (70, 90, 3)
    result = srcli("models", "import", published[FLOW], "--as", NAME, "--part", AUTOENCODER)
    assert result.exit_code == 4
    assert "is not what it was" in " ".join(result.stderr.split())


def test_a_file_with_both_networks_is_enough(place, states, published):
    both = saved(place / "epoch=9.ckpt", second_stage(states))
    wanted = degraded(place, "apart", "-m", published[FLOW], "--autoencoder", published[AUTOENCODER])
    assert np.array_equal(degraded(place, "given", "-m", both), wanted)
    small(place)
    result = srcli("models", "import", both, "--as", NAME, "--accept-license", "--json")
    assert result.exit_code == 0, result.output
    assert [json.loads(line)["role"] for line in result.stdout.splitlines()] == [FLOW, AUTOENCODER]
    assert np.array_equal(degraded(place, "imported", "--model", NAME), wanted)


def test_a_flow_with_both_networks_leaves_an_autoencoder_that_is_here(place, states, published):
    small(place)
    for path in (published[AUTOENCODER], saved(place / "two.ckpt", second_stage(states))):
        result = srcli("models", "import", path, "--as", NAME, "--accept-license")
        assert result.exit_code == 0, result.output
    assert home.pins()[f"{NAME}-autoencoder.pth"].source == "ae_layout.pth"
    assert home.pins()[f"{NAME}-flow.pth"].source == "two.ckpt"


def test_files_of_other_sizes_are_not_the_published_ones(place, published):
    for role, words in ((AUTOENCODER, "base_dim is 16, not 128"), (FLOW, "nf is 16, not 128")):
        result = srcli("models", "import", published[role], "--as", NAME, "--accept-license")
        assert result.exit_code == 4
        assert f"holds another network ({words})" in " ".join(result.stderr.split())
    assert names(place / "home" / "weights") == set()


def test_half_a_model_gets_no_name_of_its_own(place, published):
    for path in published.values():
        result = srcli("models", "import", path, "--as", "mine")
        assert result.exit_code == 4
        assert "half a model" in " ".join(result.stderr.split())
    assert not manifest.own_path().exists()


def test_an_entry_without_one_of_the_parts_is_refused(place):
    path = listed(place, mine='file = "mine-flow.pth"\nsources = []')
    path.write_text(path.read_text().replace('"linf"', '"degflow"'))
    Image.fromarray(photo(40, 40)).save(place / "a.png")
    result = srcli("degrade", place / "a.png", "--model", "mine")
    assert result.exit_code == 2
    assert "mine has no autoencoder in the manifest" in " ".join(result.stderr.split())


def test_converted_files_run_like_their_originals(place, states, published):
    both, made = saved(place / "two.ckpt", second_stage(states)), {}
    for role in IDS:
        made[role] = place / f"{role}.safetensors"
        assert srcli("models", "convert", both, "-o", made[role], "--part", role).exit_code == 0
        assert convert(made[role]).role == role
        assert keeping.differing(convert(published[role]).architecture, convert(made[role]).architecture) is None
    assert srcli("models", "convert", both, "-o", place / "main.safetensors").exit_code == 0
    assert convert(place / "main.safetensors").role == FLOW
    wanted = degraded(place, "apart", "-m", published[FLOW], "--autoencoder", published[AUTOENCODER])
    assert np.array_equal(degraded(place, "out", "-m", made[FLOW], "--autoencoder", made[AUTOENCODER]), wanted)
    result = srcli("models", "convert", published[FLOW], "-o", place / "no.safetensors", "--part", AUTOENCODER)
    assert result.exit_code == 2
    assert "has no autoencoder; it holds flow" in " ".join(result.stderr.split())
    assert not (place / "no.safetensors").exists()


def test_trained_weights_say_the_scales_of_their_pipeline(tmp_path):
    """As `srcli train export` writes them, without pipeline, role or scales."""
    architecture = {"kind": "ncsnpp", "nf": 8, "num_res_blocks": 1, "tileable": True}
    state = build(architecture).state_dict()
    save_file(state, path := tmp_path / "flow.safetensors", {"architecture": json.dumps(architecture)})
    found = convert(path)
    assert (found.pipeline, found.role, found.scales) == ("degflow", FLOW, (1.0, 4.0))
