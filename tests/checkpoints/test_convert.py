"""Published checkpoints: told by their keys, every key accounted for, and pictures made with them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from torch import Tensor

from srcli import Upscaler
from srcli.files import WriteError
from srcli.geometry import Size, Target, Window
from srcli.images.read import from_pil
from srcli.methods.srflow.model import SRFlowModel
from srcli.tiling.model import Sampling
from srcli.weights.convert import ConvertError, convert, families, write
from tests.support.command import photo, shape, srcli
from tests.support.layouts import ENCODERS, PRIORS, SRFLOW, UNET, filled, layout_of, linf, saved, wrapped
from tests.support.parity import fixture, weights

RRDB = {"kind": "srflow-rrdb", "blocks": 2, "features": 8, "growth": 4, "upsampling": 3}
GREY = (128 + np.random.default_rng(0).normal(0, 8, (20, 24, 3))).clip(0, 255).astype(np.uint8)

# Small checkpoints of every family: architecture, family, role and what the authors' scripts save.
SMALL = {
    **{f"{name} patch {p}": (linf(name, p), "linf", "flow") for name in ENCODERS for p in (1, 3)},
    **{name: (prior | {"channels": 27}, "linf-lp", "prior") for name, prior in PRIORS.items()},
    "srflow x4": (SRFLOW, "srflow", "flow"),
    "srflow x8": (SRFLOW | {"scale": 8}, "srflow", "flow"),
    "srflow-lp": (UNET, "srflow-lp", "prior"),
    "rrdb x4": (RRDB | {"upsampling": 2}, "rrdb", "encoder"),
    "rrdb x8": (RRDB, "rrdb", "encoder"),
}


def content(architecture: dict, family: str, seed: int = 0):
    """What a file of that family holds."""
    state = filled(layout_of(architecture), seed)
    if family == "linf":
        args = {"flow_layers": 3, "num_layer": 2, "hidden_dim": 16, "imnet_spec": {"name": "flow"}}
        return wrapped("linf", state, **args)
    if family == "linf-lp":
        names = {"unet-latent": "unet", "edsr-latent": "edsr-baseline-latent", "swin-latent": "swin_latent"}
        return wrapped(names[architecture["kind"]], state, "prior_model", in_chans=architecture["channels"])
    return {"prior_model": {"name": "unet", "args": {"dim": 8}, "sd": state}} if family == "srflow-lp" else state


def without_encoder(architecture: dict) -> dict:
    return {name: value for name, value in architecture.items() if name != "encoder"}


def checkpoint(folder: Path, name: str, legacy: bool = False) -> Path:
    architecture, family, _ = SMALL[name]
    return saved(folder / f"{name.replace(' ', '-')}.pth", content(architecture, family), legacy)


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("name", SMALL)
def test_family_and_sizes_are_told_from_keys_and_shapes(tmp_path, name, legacy):
    architecture, family, role = SMALL[name]
    path = checkpoint(tmp_path, name, legacy)
    made = convert(path)
    assert (made.family, made.role, made.source.file) == (family, role, path.name)
    assert without_encoder(made.architecture).items() >= without_encoder(architecture).items()
    assert made.architecture.get("encoder", {}).items() >= architecture.get("encoder", {}).items()
    state = filled(layout_of(architecture))
    assert made.tensors.keys() == state.keys()
    assert all(torch.equal(made.tensors[key], value) for key, value in state.items())


def test_one_family_says_yes_to_each_layout():
    for architecture, family, _ in SMALL.values():
        assert [f.name for f in families() if f.detect(layout_of(architecture).keys())] == [family]


@pytest.mark.parametrize(
    "wrap",
    [
        lambda s: {f"module.{k}": v for k, v in s.items()},
        lambda s: {"state_dict": {f"model.{k}": v for k, v in s.items()}, "epoch": 3},
        lambda s: {"params": {k: v + 1 for k, v in s.items()}, "params_ema": s},
        lambda s: {"ema_state_dict": {f"module.{k}": v for k, v in s.items()}, "state_dict": {}},
    ],
    ids=["DataParallel", "Lightning", "average", "average of DataParallel"],
)
def test_other_wrappings_are_taken_off(tmp_path, wrap):
    state = filled(layout_of(SRFLOW))
    made = convert(saved(tmp_path / "a.ckpt", wrap(state)))
    assert made.tensors.keys() == state.keys()
    assert all(torch.equal(made.tensors[key], value) for key, value in state.items())


def test_what_is_written_says_what_it_is_and_runs_the_same(tmp_path):
    path, out = checkpoint(tmp_path, "edsr patch 3"), tmp_path / "new" / "edsr.safetensors"
    converted = convert(path)
    metadata = write(converted, out)
    with safe_open(out, framework="pt") as file:
        assert file.metadata() == metadata
    assert json.loads(metadata["source"]) == {"file": path.name, "sha256": converted.source.sha256}
    assert (metadata["family"], metadata["pipeline"], metadata["role"]) == ("linf", "linf-official", "flow")
    again = convert(out)
    assert (again.architecture, again.scales, again.role) == (converted.architecture, converted.scales, "flow")
    first, second = (Upscaler.from_file(p, precision="fp32").upscale(GREY, 2.5) for p in (path, out))
    assert np.array_equal(first, second)
    assert list(out.parent.iterdir()) == [out]
    with pytest.raises(ConvertError, match="already exists"):
        write(converted, out)
    write(converted, out, overwrite=True)
    with pytest.raises(WriteError, match="cannot write"):
        write(converted, out / "below a file" / "a.safetensors")


def test_weights_of_ours_are_taken_as_they_are(tmp_path):
    from srcli.weights import manifest, store

    parts = manifest.load().find("linf-lp").parts
    flow, prior = (store.locate(parts[role]) for role in ("flow", "prior"))
    ours = Upscaler("linf-lp", precision="fp32").upscale(GREY, 2.5)
    assert np.array_equal(Upscaler.from_file(flow, prior, precision="fp32").upscale(GREY, 2.5), ours)
    with pytest.raises(ConvertError, match="--prior"):
        Upscaler.from_file(prior)


# --- pictures ---


PAIRS = {
    **{name: (name, None) for name, (_, _, role) in SMALL.items() if role != "prior"},
    **{name: ("rrdb patch 3", name) for name in PRIORS},
    "srflow-lp": ("srflow x4", "srflow-lp"),
}


def look(made: np.ndarray, size: tuple[int, int]) -> None:
    """A picture that is not just the enlarged one."""
    assert made.shape[:2] == size
    plain = np.asarray(Image.fromarray(GREY).resize(size[::-1], Image.Resampling.BILINEAR)).astype(float)
    assert np.abs(made - plain).mean() > 0.5
    assert np.mean((made == 0) | (made == 255)) < 0.5


@pytest.mark.parametrize("name", PAIRS)
def test_every_family_upscales(tmp_path, name):
    flow, prior = (checkpoint(tmp_path, part) if part else None for part in PAIRS[name])
    upscaler = Upscaler.from_file(flow, prior)
    made = upscaler.run(
        from_pil(Image.fromarray(GREY)), Target(scale=3.5), Sampling(temperature=None if prior else 0.5)
    )
    look(made.picture.rgb(), (70, 84))
    assert made.exploded == 0


def test_the_command_runs_a_checkpoint(tmp_path):
    flow, prior = checkpoint(tmp_path, "rrdb patch 3"), checkpoint(tmp_path, "unet")
    picture = photo(tmp_path / "a.png")
    done = srcli("upscale", picture, "-m", flow, "--prior", prior, "-s", 2, "-o", tmp_path / "out", "--json")
    assert done.exit_code == 0, done.output
    assert shape(tmp_path / "out" / "a_x2.png") == (48, 40)
    assert json.loads(done.stdout.splitlines()[-1])["model"] == "rrdb-patch-3"
    alone = srcli("upscale", picture, "-m", prior)
    assert alone.exit_code == 4
    assert "needs" in alone.output or f"-m FLOW --prior {prior}" in alone.output.replace("\n", "")


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["-m", "edsr patch 3", "-n", "linf"], 2),
        (["--prior", "unet"], 2),
        (["-m", "edsr patch 1", "--prior", "unet"], 4),  # of patches of 3
        (["-m", "edsr patch 3", "--prior", "srflow-lp"], 4),
        (["-m", "edsr patch 3", "--prior", "srflow x4"], 4),
        (["-m", "rrdb x4", "--prior", "unet"], 4),
        (["-m", "srflow x8", "--prior", "srflow-lp"], 4),
        (["-m", "srflow x4", "-s", "6"], 2),
    ],
)
def test_what_does_not_belong_together_is_refused(tmp_path, options, code):
    words = [checkpoint(tmp_path, word) if word in SMALL else word for word in options]
    refused = srcli("upscale", photo(tmp_path / "a.png"), *words)
    assert refused.exit_code == code
    assert not list(tmp_path.glob("a_*"))
    assert refused.stderr.startswith("srcli: ")


@pytest.mark.parametrize(("name", "prior"), [("edsr patch 3", "unet"), ("srflow x4", "srflow-lp")])
def test_a_picture_too_small_for_a_prior_is_said(tmp_path, name, prior):
    upscaler = Upscaler.from_file(checkpoint(tmp_path, name), checkpoint(tmp_path, prior))
    with pytest.raises(Exception, match="pixels") as refused:
        upscaler.upscale(GREY[:5], 2.0)
    assert type(refused.value).__name__ == "TooSmall"


# --- the numbers of the reference implementations, through files ---


def published(folder: Path, state: dict[str, Tensor], prior: dict[str, Tensor] | None, kind: str):
    """The model of a reference network that was saved as its authors do."""
    flow = saved(folder / "flow.pth", wrapped(kind, state) if kind.startswith("linf") else state)
    second = saved(folder / "prior.pth", wrapped("unet", prior, "prior_model")) if prior else None
    return Upscaler.from_file(flow, second, precision="fp32").model


def whole(model, lr: Tensor, size: Size, **sampling) -> Tensor:
    with torch.inference_mode():
        return model.decode(model.encode(lr, size), Window.whole(size), size, Sampling(**sampling)).picture


@pytest.mark.parametrize("patch", [1, 3])
def test_linf_through_a_file(reference, tmp_path, patch):
    data = fixture(reference, f"linf_p{patch}")
    model = published(tmp_path, weights(data), None, "linf")
    made = whole(model, data["in/lr"], Size(*data["in/hr"].shape[-2:]))
    assert (made - (data["out/rgb_t0"] * 0.5 + 0.5)).abs().max() <= 1e-5


@pytest.mark.parametrize("name", ["linf_lp_p1", "linf_lp_p3", "linf_lp_p3_paired_x3", "linf_lp_p3_paired_x4"])
def test_linf_lp_through_files(reference, tmp_path, name):
    data, stored = fixture(reference, name), fixture(reference, name[:10])
    model = published(tmp_path, weights(stored), weights(stored, "prior_weights/"), "linf-patch")
    made = whole(model, data["in/lr"], Size(*data["in/hr"].shape[-2:])).clamp(0, 1)
    assert (made - data["out/sr"]).abs().max() <= 1e-5


@pytest.mark.parametrize("name", ["srflow_x4", "srflow_x8", "srflow_lp_x4"])
def test_srflow_through_files(reference, tmp_path, name, monkeypatch):
    data, stored = fixture(reference, name), fixture(reference, name.replace("_lp", ""))
    prior = weights(data, "prior_weights/") if "_lp" in name else None
    model = published(tmp_path, weights(stored), prior, "srflow")
    expected = data["out/sr" if prior else "out/sr_heat0_cropped"]
    size = Size(*expected.shape[-2:])
    # Random networks leave their picture's surroundings, which ours would repair.
    monkeypatch.setattr(
        "srcli.methods.srflow.model.exploded", lambda picture, *_: torch.zeros(99, 99, dtype=torch.bool)
    )
    with torch.inference_mode():
        made = SRFlowModel.decode(
            model, model.encode(data["in/lr"], size), Window.whole(size), size, Sampling(temperature=0)
        ).picture
    assert (made.clamp(0, 1) - expected).abs().max() <= 2e-5
    truncated = whole(model, data["in/lr"], size, temperature=0)
    assert torch.equal(truncated, (made.clamp(0, 1) * 255).floor() / 255)


# --- full size ---


LISTS = [
    "EDSR-baseline-LINF_patch1", "EDSR-baseline-LINF_patch3", "RDN-LINF_patch1", "SwinIR-LINF_patch1",
    "RRDB-LINF_patch3", "LINF-LP_UNet_dim64_c27", "LINF-LP_UNet_dim64_c3", "LINF-LP_EDSR-latent_c27",
    "LINF-LP_EDSR-latent_c3", "LINF-LP_Swin-T-latent_c27", "LINF-LP_Swin-T-latent_c3", "SRFlow_DF2K_4X",
    "SRFlow_DF2K_8X", "SRFlow_CelebA_8X", "SRFlow-LP_UNet_dim64", "SRFlow_RRDB_DF2K_4X",
    "SRFlow_RRDB_DF2K_8X", "SRFlow_RRDB_CelebA_8X",
]  # fmt: skip
QUICK = ("EDSR", "UNet_dim64_c")


def official(reference: Path, folder: Path, name: str) -> Path:
    """A checkpoint with the keys and shapes of a full-size network, wrapped as its authors do."""
    listed = json.loads((reference / "parity" / "keys" / f"{name}.json").read_text())
    state, spec = filled({key: tuple(sides) for key, sides, _ in listed["keys"]}), listed.get("spec")
    key = "prior_model" if "-LP" in name else "model"
    return saved(folder / f"{name}.pth", wrapped(spec["name"], state, key, **spec["args"]) if spec else state)


def test_no_list_is_forgotten(reference):
    listed = {path.stem for path in (reference / "parity" / "keys").iterdir()}
    assert listed - set(LISTS) == {"RRDB_encoder_nb23"}  # a part of RRDB-LINF


@pytest.mark.parametrize(
    "name", [n if any(q in n for q in QUICK) else pytest.param(n, marks=pytest.mark.slow) for n in LISTS]
)
def test_full_size_networks_convert_and_upscale(reference, tmp_path, name):
    flow, prior = official(reference, tmp_path, name), None
    if "-LP" in name:
        of = (
            "SRFlow_DF2K_4X"
            if name.startswith("SRFlow")
            else f"EDSR-baseline-LINF_patch{1 if name.endswith('c3') else 3}"
        )
        flow, prior = official(reference, tmp_path, of), flow
    upscaler = Upscaler.from_file(flow, prior)
    made = upscaler.run(
        from_pil(Image.fromarray(GREY)), Target(scale=3.0), Sampling(temperature=None if prior else 0.4)
    )
    look(made.picture.rgb(), (60, 72))
    assert made.exploded == 0
