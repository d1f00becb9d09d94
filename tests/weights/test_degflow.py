"""Files of DegFlow in every layout in which its authors' code writes them: told apart, refused where they are wrong."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from srcli.methods.degflow.autoencoder import Autoencoder
from srcli.methods.degflow.network import NCSNpp
from srcli.methods.registry import build
from srcli.weights import entries, manifest, store
from srcli.weights.convert import Checkpoint, ConvertError, SourceFile, convert, families, roles_in
from srcli.weights.model_files import load_part
from tests.methods.degflow.networks import FORWARD, close
from tests.support.layouts import saved
from tests.weights.degflow_layouts import AUTOENCODER, FLOW, IDS, LAYOUTS, NAME, State

pytestmark = pytest.mark.usefixtures("place")


@pytest.fixture(scope="module")
def data(reference) -> State:
    folder = reference / "parity" / "degflow"
    return load_file(folder / "in" / "inputs.safetensors") | load_file(folder / "out" / "outputs.safetensors")


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
    assert roles_in(path) == ([FLOW, AUTOENCODER] if layout == "second stage" else [role])
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
    assert roles_in(folder / "ae.safetensors") == [AUTOENCODER]
    assert roles_in(folder / "flow.safetensors") == [FLOW]


@pytest.mark.parametrize("role", [AUTOENCODER, FLOW])
def test_the_manifest_says_of_the_published_files_what_they_hold(reference, role):
    """Full size: keys and shapes, and the Drive's ids."""
    table = json.loads((reference / "parity" / "degflow" / f"keys_degflow_{role}.json").read_text())
    parts = {k: v for k, v in table.items() if k in ("encoder", "decoder", "t_params")} or {"": table["model"]}
    keys = {f"{part}.{k}" if part else k: tuple(v[0]) for part, entries in parts.items() for k, v in entries.items()}
    with torch.device("meta"):
        state = {key: torch.empty(shape) for key, shape in keys.items()}
    (family,) = (family for family in families() if family.detect(state.keys()))
    found = family.convert(Checkpoint(tensors=state, source=SourceFile("", "")))
    entry = manifest.load().find(NAME)
    assert (found.role, found.pipeline, found.scales) == (role, entry.pipeline, entry.scales)
    assert found.architecture == entry.parts[role].architecture
    assert entry.parts[role].sources == (entries.Drive(IDS[role]),)
    keys.pop("sigmas", None)  # of no use to a rectified flow
    with torch.device("meta"):
        network = build(found.architecture)
    assert {k: tuple(v.shape) for k, v in network.state_dict().items()} == keys
    assert found.tensors.keys() == keys.keys()


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
        ({}, "instead of a state dict"),
        ({"encoder": {}, "t_params": {"LR2": -0.7}}, "instead of a state dict"),
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


def test_trained_weights_say_the_scales_of_their_pipeline(tmp_path):
    """As `srcli train export` writes them, without pipeline, role or scales."""
    architecture = {"kind": "ncsnpp", "nf": 8, "num_res_blocks": 1, "tileable": True}
    state = build(architecture).state_dict()
    save_file(state, path := tmp_path / "flow.safetensors", {"architecture": json.dumps(architecture)})
    found = convert(path)
    assert (found.pipeline, found.role, found.scales) == ("degflow", FLOW, (1.0, 4.0))
