"""Exported graphs give the model's pictures, at any size and scale, without PyTorch."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from srcli import Upscaler
from srcli.geometry import Size, Window
from srcli.methods.flowsr.path import PathModel
from srcli.methods.registry import build
from srcli.tiling.model import Sampling
from tests.support.command import photo, srcli
from tests.support.places import EXAMPLES

pytest.importorskip("onnx", reason="needs the extra onnx")
pytest.importorskip("onnxscript", reason="needs the extra onnx")
onnxruntime = pytest.importorskip("onnxruntime", reason="needs the extra onnx")

SIZES = [(21, 34, 2.0), (40, 25, 3.0), (33, 47, 3.7), (30, 31, 1.0), (17, 9, 7.9), (52, 60, 4.0), (1, 2, 2.0)]


def export(name: object, out, *options: object) -> dict:
    result = srcli("export", "onnx", name, "-o", out, "--json", *options)
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def save(path, kind: str, role: str, architecture: dict) -> None:
    torch.manual_seed(1)
    network = build(architecture)
    for parameter in network.parameters():
        if not parameter.any():  # outputs begin at zero
            torch.nn.init.normal_(parameter, std=0.03)
    metadata = {"architecture": json.dumps(architecture), "pipeline": kind, "role": role}
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, path, metadata)


def cut(height: int, width: int) -> torch.Tensor:
    with Image.open(EXAMPLES / "coffee.jpg") as coffee:
        pixels = np.asarray(coffee.convert("RGB").crop((50, 30, 50 + width, 30 + height)), np.float32)
    return torch.from_numpy(pixels).permute(2, 0, 1)[None] / 255


def by_torch(model, lr: torch.Tensor, size: Size, sampling: Sampling) -> np.ndarray:
    with torch.inference_mode():
        return model.decode(model.encode(lr, size), Window.whole(size), size, sampling).picture.numpy()


def linf_feed(lr: torch.Tensor, size: Size, patch: int) -> dict[str, np.ndarray]:
    low, high = lr.shape[-2:], (size.height, size.width)
    centres = [patch * (np.arange(-(-n // patch)) + 0.5) * m / n - 0.5 for n, m in zip(high, low, strict=True)]
    scale = np.array([n / m for n, m in zip(high, low, strict=True)])
    return {"picture": lr.numpy(), "down": centres[0], "across": centres[1], "scale": scale}


def path_feed(lr: torch.Tensor, size: Size) -> dict[str, np.ndarray]:
    wide = Window(16, 16, size.height, size.width)  # behind the rim
    return {"picture": PathModel._enlarged(lr, wide, size).numpy() * 0.5 + 0.5}


def worst(path, model, details=(1.0, 0.4, 0.0), steps: int = 1) -> float:
    """The largest difference over sizes, scales and details."""
    session, found = onnxruntime.InferenceSession(path), 0.0
    asked = {given.name: given for given in session.get_inputs()}
    for height, width, scale in SIZES:
        lr, size = cut(height, width), Size(round(height * scale), round(width * scale))
        feed = linf_feed(lr, size, 3) if "down" in asked else path_feed(lr, size)
        if "latent" in asked:
            feed["latent"] = np.zeros((1, 27, len(feed["down"]), len(feed["across"])), np.float32)
        for detail in details:
            extra = {"detail": np.array([detail], np.float32)} if "detail" in asked else {}
            (made,) = session.run(["result"], feed | extra)
            wanted = by_torch(model, lr, size, Sampling(detail=detail, temperature=0.0, steps=steps))
            assert made.shape[-2] >= size.height
            found = max(found, float(np.abs(made[..., : size.height, : size.width] - wanted).max()))
    return found


@pytest.fixture(scope="module")
def tiny_linf(tmp_path_factory):
    """A small LINF with a prior, its files and its graph."""
    folder = tmp_path_factory.mktemp("linf")
    encoder = {"kind": "edsr", "blocks": 1, "features": 48}
    flow = {"kind": "linf", "encoder": encoder, "hidden": 96, "flow_layers": 2, "anchors": [2, 4], "centred": True}
    prior = {"kind": "grid-prior", "hidden": 96, "coarse": 1, "gains": [[2, 0.5], [4, 1.0]]}
    save(folder / "flow.safetensors", "linf", "flow", flow)
    save(folder / "prior.safetensors", "linf", "prior", prior)
    export(folder / "flow.safetensors", folder / "tiny.onnx", "--prior", folder / "prior.safetensors")
    return folder


@pytest.fixture(scope="module")
def flowsr(tmp_path_factory):
    folder = tmp_path_factory.mktemp("flowsr")
    return folder / "flowsr.onnx", export("flowsr-s", folder / "flowsr.onnx")


def test_linf_with_its_prior(tiny_linf):
    model = Upscaler.from_file(
        tiny_linf / "flow.safetensors", prior=tiny_linf / "prior.safetensors", device="cpu", precision="fp32"
    ).model
    assert worst(tiny_linf / "tiny.onnx", model) < 1e-4
    # The details make different pictures, or the comparison would say little.
    lr, size = cut(20, 20), Size(60, 60)
    sharp, faithful = (by_torch(model, lr, size, Sampling(detail=d, temperature=0.0)) for d in (1.0, 0.0))
    assert np.abs(sharp - faithful).max() > 0.01


def test_a_part_of_linf_is_that_part_of_the_whole(tiny_linf):
    session = onnxruntime.InferenceSession(tiny_linf / "tiny.onnx")
    facts = json.loads(session.get_modelmeta().custom_metadata_map["contract"])["facts"]
    lr, size = cut(110, 30), Size(330, 90)
    feed = linf_feed(lr, size, 3) | {"detail": np.ones(1, np.float32)}
    (whole,) = session.run(None, feed)
    first = 60  # row of patches: even
    assert first % facts["patch_align"] == 0
    top = int(feed["down"][first]) - facts["radius"] - 1
    part = feed | {"picture": feed["picture"][:, :, top:], "down": feed["down"][first:] - top}
    (made,) = session.run(None, part)
    margin = 3 * facts["patch_radius"]
    assert made.shape[2] > margin + 30
    assert np.abs(made[:, :, margin:] - whole[:, :, first * 3 + margin :]).max() < 1e-5


def test_flowsr(flowsr):
    model = Upscaler("flowsr-s", device="cpu", precision="fp32").model
    assert worst(flowsr[0], model) < 1e-4


def test_the_file_says_what_it_is(flowsr):
    path, told = flowsr
    held = onnxruntime.InferenceSession(path).get_modelmeta()
    assert held.producer_name == "srcli"
    said = held.custom_metadata_map
    assert said == told["metadata"]
    entry = Upscaler("flowsr-s").entry
    assert json.loads(said["weights"]) == {"velocity": entry.parts["velocity"].sha256}
    assert (said["model"], said["method"], said["licence"]) == ("flowsr-s", "flowsr", "Apache-2.0")
    contract = json.loads(said["contract"])
    session = onnxruntime.InferenceSession(path)
    assert list(contract["inputs"]) == [given.name for given in session.get_inputs()] == ["picture", "detail"]
    assert session.get_inputs()[0].shape == [1, 3, "H", "W"]
    assert session.get_outputs()[0].shape == [1, 3, "H", "W"]


@pytest.mark.parametrize("graph", ["tiny_linf", "flowsr"])
def test_the_example_needs_no_torch(graph, request, tmp_path):
    made = request.getfixturevalue(graph)
    path = made / "tiny.onnx" if graph == "tiny_linf" else made[0]
    source = photo(tmp_path / "in.png", 40, 33)
    hidden = "import sys, runpy; sys.modules['torch'] = None; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0])"
    example = [EXAMPLES / "enlarge_onnx.py", path, source, tmp_path / "out.png", "2.5"]
    subprocess.run([sys.executable, "-c", hidden, *map(str, example)], check=True)
    if graph == "tiny_linf":
        files = {"prior": made / "prior.safetensors"}
        upscaler = Upscaler.from_file(made / "flow.safetensors", **files, device="cpu", precision="fp32")
    else:
        upscaler = Upscaler("flowsr-s", device="cpu", precision="fp32")
    with Image.open(source) as small, Image.open(tmp_path / "out.png") as large:
        wanted = np.asarray(upscaler.upscale(small.convert("RGB"), scale=2.5), np.int16)
        gap = np.abs(np.asarray(large, np.int16) - wanted)
    # Pillow enlarges in 8 bits and treats the outermost pixels in its own way.
    assert gap[8:-8, 8:-8].max() <= (1 if graph == "tiny_linf" else 8)
    assert gap.mean() < 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "details", "steps"),
    [("linf-lp-s", (1.0, 0.5, 0.0), 1), ("linf-s", (1.0,), 1), ("flowmap-s", (2.0, 1.0, 0.0), 2)],
)
def test_every_packaged_model_that_can_be_exported(name, details, steps, tmp_path):
    export(name, tmp_path / "model.onnx", *(("--steps", steps) if steps > 1 else ()))
    model = Upscaler(name, device="cpu", precision="fp32").model
    assert worst(tmp_path / "model.onnx", model, details, steps) < 1e-4


def test_the_exporter_says_nothing_of_packages_that_are_not_needed(tmp_path, caplog):
    result = srcli("export", "onnx", "flowmap-s", "-o", tmp_path / "model.onnx")
    assert result.exit_code == 0, result.output
    assert not [record for record in caplog.records if record.levelname != "DEBUG"]


def test_what_cannot_be_exported_is_one_sentence(tmp_path, monkeypatch):
    out = tmp_path / "model.onnx"
    for arguments, said in [
        (("srflow-s", "-o", out), "srflow-s (srflow) cannot be exported"),
        (("auto", "-o", out), "auto picks a model for each picture; name one"),
        (("flowsr-s", "-o", tmp_path / "model.pt"), "--out must end in .onnx"),
        (("linf-s", "-o", out, "--steps", 2), "--steps has no effect on linf-s"),
        (("flowmap-s", "-o", out, "--steps", 3), "flowmap-s takes 1, 2 or 4 steps"),
        (("linf-s", "-o", out, "--prior", "x"), "--prior goes with a file"),
        (("nothing", "-o", out), "unknown model 'nothing'"),
    ]:
        result = srcli("export", "onnx", *arguments)
        assert (result.exit_code, said in result.output) == (2, True), result.output
        assert not out.exists()
    out.write_bytes(b"mine")
    result = srcli("export", "onnx", "flowsr-s", "-o", out)
    assert (result.exit_code, out.read_bytes()) == (2, b"mine")
    monkeypatch.setattr("srcli.weights.extras.find_spec", lambda name: None if name == "onnxscript" else object())
    result = srcli("export", "onnx", "flowsr-s", "-o", tmp_path / "new.onnx")
    assert result.exit_code == 4
    assert "srcli export onnx needs onnxscript; run: pip install 'srcli[onnx]'" in result.output
