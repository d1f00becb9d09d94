"""Files of FlowSR at the size of Stable Diffusion: adapters, checkpoints, layouts, and what is said where they lack."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F
from typer.testing import CliRunner

from srcli.cli.app import app
from srcli.methods.flowsr_sd import published as weights
from srcli.methods.flowsr_sd.adapter import Adapter, merge, read_flowsr
from srcli.weights import manifest
from srcli.weights.extras import ExtraMissing
from srcli.weights.store import WeightsMissing
from tests.methods.flowsr_sd.steps import error, layout, picture, tiny
from tests.support.places import EXAMPLES

RUNNER = CliRunner()


@pytest.fixture(autouse=True)
def _no_grad():
    with torch.inference_mode():
        yield


# --- adapters ---


def adapted() -> tuple[nn.Module, Adapter]:
    """A small network, and an adapter of all but its norm."""
    generator = torch.Generator().manual_seed(0)

    def numbers(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.GroupNorm(2, 6), nn.Conv2d(6, 4, 1, bias=False), nn.Flatten(), nn.Linear(36, 5)
    )
    tensors = {}
    for name, a, b in (("0", (2, 3, 3, 3), (6, 2, 1, 1)), ("2", (2, 6, 1, 1), (4, 2, 1, 1)), ("4", (2, 36), (5, 2))):
        tensors[f"{name}.lora_A.default.weight"], tensors[f"{name}.lora_B.default.weight"] = numbers(*a), numbers(*b)
    tensors["0.base_layer.bias"] = numbers(6)
    tensors["1.weight"] = numbers(6)
    return net, Adapter(tensors, 2, ["0", "2", "4"])


def test_merged_weights_are_the_adapter_run_beside():
    net, adapter = adapted()
    x, t = picture(5, 5), adapter.tensors
    merged = merge(net.state_dict(), adapter)

    def beside(name: str, y: Tensor) -> Tensor:
        a, b = t[f"{name}.lora_A.default.weight"], t[f"{name}.lora_B.default.weight"]
        if name == "4":
            return F.linear(F.linear(y, a), b)
        return F.conv2d(F.conv2d(y, a), b)

    expected = x
    for name, module in net.named_children():
        if name == "0":
            expected = F.conv2d(expected, module.weight, t["0.base_layer.bias"]) + 8 / 2 * beside("0", expected)
        elif name == "1":
            expected = F.group_norm(expected, 2, t["1.weight"], module.bias)
        else:
            expected = module(expected) + (8 / 2 * beside(name, expected) if name in "24" else 0)
    before = net(x)
    net.load_state_dict(merged)
    assert error(net(x), expected) < 1e-4 * expected.abs().max()
    assert error(before, expected) > 0.1


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t.pop("2.lora_A.default.weight"), "2 have only one half"),
        (lambda t: [t.pop(f"2.lora_{s}.default.weight") for s in "AB"], "2 have no adapter"),
        (lambda t: t.update({"7.lora_A.default.weight": t["4.lora_A.default.weight"]}), "7 are adapters of modules"),
        (lambda t: t.update({"1.lora_A.default.weight": torch.ones(2, 6)}), "1 are adapters of modules"),
        (lambda t: t.update({"0.lora_magnitude_vector": torch.ones(6)}), "0.lora_magnitude_vector are unknown"),
        (lambda t: t.update({"1.bias": torch.ones(7)}), r"1.bias should be of shape \(6,\)"),
        (lambda t: t.update({"4.lora_B.default.weight": torch.ones(5, 3)}), r"\(5, 3\), which do not fit \(5, 36\)"),
        (lambda t: t.update({"0.lora_A.default.weight": torch.ones(2, 3, 1, 1)}), r"which do not fit \(6, 3, 3, 3\)"),
    ],
)
def test_every_key_of_an_adapter_is_accounted_for(change, says):
    net, adapter = adapted()
    change(adapter.tensors)
    with pytest.raises(ValueError, match=says):
        merge(net.state_dict(), adapter)


def test_targets_are_endings_or_an_expression():
    endings = Adapter({}, 4, ["conv", "to_out.0"])
    assert [endings.adapts(m) for m in ("conv", "up.0.conv", "up.0.conv1", "a.to_out.0", "deconv")] == [
        True, True, False, True, False,
    ]  # fmt: skip
    expression = Adapter({}, 4, r"encoder\..*conv1")
    assert [expression.adapts(m) for m in ("encoder.a.conv1", "decoder.a.conv1", "encoder.a.conv12")] == [
        True, False, False,
    ]  # fmt: skip


# --- files ---


def test_checkpoints_that_are_pickles_are_read_without_running_them(data, tmp_path):
    found = read_flowsr(data / "weights" / "flowsr_tiny_vae.safetensors")
    content = {
        key: value
        for name, adapter in found.items()
        for key, value in (
            (f"{name}_state_dict", adapter.tensors),
            (f"{name}_rank", adapter.rank),
            (f"{name}_lora_target_modules", adapter.targets),
        )
    }
    torch.save(content, tmp_path / "flowsr.pkl")
    again = read_flowsr(tmp_path / "flowsr.pkl")
    assert again.keys() == found.keys() == {"unet", "vae"}
    for name, adapter in found.items():
        assert (adapter.rank, adapter.targets) == (again[name].rank, again[name].targets)
        assert adapter.tensors.keys() == again[name].tensors.keys()
        assert all(torch.equal(v, again[name].tensors[k]) for k, v in adapter.tensors.items())
    torch.save({"unet_state_dict": Path()}, tmp_path / "bad.pkl")
    with pytest.raises(WeightsMissing, match=r"bad.pkl cannot be read"):
        read_flowsr(tmp_path / "bad.pkl")


def _rename(old: str, new: str):
    return lambda state: {k.replace(old, new): v for k, v in state.items()}


@pytest.mark.parametrize(
    ("role", "change", "says"),
    [
        ("unet", _rename("conv_norm_out.bias", "odd"), "conv_norm_out.bias; has no place for odd"),
        (
            "vae",
            lambda s: {k: v[:1] if k == "decoder.conv_out.bias" else v for k, v in s.items()},
            "the wrong shape for",
        ),
        ("text_encoder", _rename("layers.1.", "layers.2."), "misses encoder.layers.1.layer_norm1.bias, "),
        ("lora", dict, "is not a checkpoint of FlowSR"),  # without its metadata
    ],
)
def test_files_that_do_not_fit_are_one_sentence(data, tmp_path, role, change, says):
    files = layout(data, tmp_path)
    save_file(change(load_file(files[role])), files[role])
    with pytest.raises(WeightsMissing, match=says) as raised:
        weights.load(**files)
    assert str(files[role]) in str(raised.value)
    assert (raised.value.exit_code, "\n" in str(raised.value)) == (4, False)


def test_old_names_of_the_autoencoder_are_known(data, tmp_path):
    expected = tiny(data, tmp_path / "new").vae.state_dict()
    files = layout(data, tmp_path / "old")
    state = load_file(files["vae"])
    for old, new in (("query", "to_q"), ("key", "to_k"), ("value", "to_v"), ("proj_attn", "to_out.0")):
        assert any(f".{new}." in k for k in state)
        state = _rename(f".{new}.", f".{old}.")(state)
    save_file(state, files["vae"])
    made = weights.load(**files, prompts=([1], [2]))["vae"].state_dict()
    assert made.keys() == expected.keys()
    assert all(torch.equal(v, made[k]) for k, v in expected.items())


def test_architecture_is_stable_diffusion_where_no_config_lies_beside(data, tmp_path):
    files = layout(data, tmp_path)
    (tmp_path / "vae" / "config.json").unlink()
    with pytest.raises(WeightsMissing, match="does not fit its architecture"):
        weights.load(**files)
    from diffusers import AutoencoderKL, UNet2DConditionModel

    with torch.device("meta"):
        unet, vae = UNet2DConditionModel.from_config(weights.UNET), AutoencoderKL.from_config(weights.VAE)
    counts = [sum(p.numel() for p in net.parameters()) for net in (unet, vae)]
    assert counts == [865_910_724, 83_653_863]  # 865.91 M and 83.65 M
    # The public adapter has 514 tensors of rank 32 in 32.43 M parameters.
    adapter = read_flowsr(data / "weights" / "flowsr_tiny.safetensors")["unet"]
    shapes = {k.removesuffix(".weight"): t.shape for k, t in unet.state_dict().items() if t.ndim > 1}
    pairs = [shape for module, shape in shapes.items() if adapter.adapts(module)]
    assert len(pairs) == 257
    assert sum(32 * (shape[0] + shape[1:].numel()) for shape in pairs) == pytest.approx(32.43e6, rel=1e-3)


def test_without_the_extra_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(ExtraMissing, match=r"pip install 'srcli\[sd\]'") as raised:
        weights.load(*[tmp_path / "none"] * 4)
    assert raised.value.exit_code == 4
    arguments = ["upscale", EXAMPLES / "cat.png", "-n", "flowsr-sd21", "-o", tmp_path / "a.png"]
    result = RUNNER.invoke(app, [str(a) for a in arguments])
    assert result.exit_code == 4
    assert "flowsr-sd21 needs diffusers; run: pip install 'srcli[sd]'" in " ".join(result.stderr.split())


@pytest.mark.usefixtures("_diffusers")
def test_without_weights_it_says_how_to_get_them(tmp_path, monkeypatch):
    monkeypatch.setenv("SRCLI_HOME", str(tmp_path))
    arguments = ["upscale", EXAMPLES / "cat.png", "-n", "flowsr", "-o", tmp_path / "a.png"]
    result = RUNNER.invoke(app, [str(a) for a in arguments])
    assert result.exit_code == 4
    assert "srcli models pull flowsr-sd21 --accept-license" in " ".join(result.stderr.split())


def test_the_manifest_has_a_file_for_each_role():
    entry = manifest.load().find("flowsr")
    assert set(entry.parts) == {"unet", "vae", "text_encoder", "lora"}
    assert (entry.name, entry.needs, entry.pipeline, entry.commercial) == ("flowsr-sd21", "sd", "flowsr-sd", False)
