"""Numbers of tiny networks with fixed weights, so that the suite protects them on any machine.

Weights and inputs are formulas, not random numbers of a library version. `python tests/test_golden.py` writes
the table again after a change that is meant to change numbers.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from srcli.geometry import Size, Window
from srcli.methods.flowmap.model import FlowmapModel
from srcli.methods.flowsr.model import FlowsrModel
from srcli.methods.linf.model import LinfModel
from srcli.methods.linf.network import LINF
from srcli.methods.linf.official import OfficialLinf
from srcli.methods.registry import architectures, build
from srcli.methods.srflow.model import SRFlowModel
from srcli.methods.srflow.official import OfficialSRFlow
from srcli.tiling.model import Sampling

GOLDEN = Path(__file__).parent / "golden.json"
EDSR = {"kind": "edsr", "blocks": 1, "features": 8}
LINF_P3 = {"kind": "linf", "encoder": EDSR, "hidden": 8, "flow_layers": 2, "patch": 3}
LINF_P1 = LINF_P3 | {"patch": 1}
ANCHORED = LINF_P3 | {"anchors": [2, 3]}
CENTRED = ANCHORED | {"centred": True}
RRDB = {"blocks": 1, "features": 8, "growth": 4, "stacked": [0]}
VELOCITY = {
    "kind": "velocity", "width": 8, "before": 1, "after": 1, "coarse_width": 8, "coarse": 1, "times": 8,
}  # fmt: skip
SRFLOW = {"kind": "srflow", "steps": 1, "hidden": 8} | RRDB


def wave(shape: tuple[int, ...], phase: float, size: float) -> Tensor:
    """Deterministic values that look like noise: size * sin of a quadratic phase."""
    n = torch.arange(torch.Size(shape).numel(), dtype=torch.float64)
    return (size * torch.sin(phase + 1.7 * n + 0.013 * n * n)).view(shape).float()


def filled(architecture: dict):
    """A network whose every parameter is a wave; flow matrices stay close to rotations, norms close to one."""
    net = build(architecture)
    state = {}
    for number, (name, value) in enumerate(net.state_dict().items()):
        if not value.is_floating_point():
            state[name] = value
        elif name.endswith(("_weight", "invconv.weight")):
            state[name] = torch.linalg.qr(wave(value.shape, number, 1.0))[0] * 1.3
        elif name.endswith("running_var") or ("norm" in name and name.endswith("weight")):
            state[name] = 1 + wave(value.shape, number, 0.2)
        else:
            fan = max(1, value[0].numel()) if value.ndim > 1 else 16
            # Small in the flow of SRFlow, whose norms are exponents, and in its upsampling.
            size = 0.2 if "Upsampler" in name or "upsampling" in name else 1.2
            state[name] = wave(value.shape, number, size / fan**0.5)
    net.load_state_dict(state)
    return net.eval().requires_grad_(False)


def picture(height: int, width: int) -> Tensor:
    return 0.5 + wave((1, 3, height, width), 0.3, 0.5)


def cases() -> dict[str, Tensor]:
    lr, latent = picture(9, 11), wave((1, 27, 9, 12), 2.0, 1.0)
    made: dict[str, Tensor] = {
        "edsr": filled(EDSR)(lr),
        "rrdb": filled({"kind": "rrdb", "blocks": 1, "features": 8, "growth": 4})(lr),
        "rdn": filled({"kind": "rdn", "blocks": 2, "layers": 2, "features": 8, "growth": 6})(lr),
        "swinir": filled(
            {"kind": "swinir", "dim": 8, "depths": (2,), "heads": (2,), "window": 4, "features": 6, "image": 8}
        )(lr),
        "unet-latent": filled({"kind": "unet-latent", "channels": 27, "width": 8})(latent, lr),
        "edsr-latent": filled({"kind": "edsr-latent", "channels": 27, "width": 8, "blocks": 1})(latent, lr),
        "swin-latent": filled(
            {"kind": "swin-latent", "channels": 27, "width": 6, "depths": (2,), "heads": (2,)}
        )(latent, lr),
    }  # fmt: skip
    prior = filled({"kind": "grid-prior", "hidden": 8, "width": 8, "coarse_width": 8, "coarse": 1})
    size = Size(25, 31)
    for name, architecture in (
        ("linf-p3", LINF_P3),
        ("linf-p1", LINF_P1),
        ("linf-anchored", ANCHORED),
        ("linf-centred", CENTRED),
    ):
        linf = filled(architecture)
        assert isinstance(linf, LINF)
        model = LinfModel(linf, None if name == "linf-p1" else prior)
        features = model.encode(lr, size)
        for label, sampling in (
            ("mean", Sampling(detail=0)),
            ("sampled", Sampling(detail=0, temperature=0.3, seed=2)),
            ("prior", Sampling(detail=0.7)),
        ):
            if label != "prior" or model.prior is not None:
                made[f"{name} {label}"] = model.decode(features, Window.whole(size), size, sampling).picture
    unet = filled({"kind": "unet-latent", "channels": 27, "width": 8})
    made["linf-lp official"] = OfficialLinf(filled(LINF_P3), unet).upscale(lr, 25, 31)
    made |= srflow_cases(picture(10, 12)) | degflow_cases()
    velocity = filled(VELOCITY)
    plain = filled(VELOCITY | {"coarse": 0, "thin": 0, "before": 2})
    t, s = torch.tensor([0.7]), torch.tensor([0.2])
    made["velocity without levels"] = plain(picture(16, 20) * 2 - 1, t)
    made["velocity"] = velocity(picture(16, 24) * 2 - 1, t)
    made["velocity to s"] = velocity(picture(16, 24) * 2 - 1, t, s, torch.tensor([0.5]))
    made["velocity flowsr"] = (
        FlowsrModel(velocity)
        .decode(FlowsrModel(velocity).encode(lr, size), Window.whole(size), size, Sampling(steps=2))
        .picture
    )
    mapped = FlowmapModel(
        filled(VELOCITY | {"quality": True}), filled({"kind": "lora", "rank": 2, "network": VELOCITY})
    )
    negative = mapped.network(picture(16, 24) * 2 - 1, t, s, quality=torch.zeros(1))
    made["velocity negative"] = negative
    made["lora flowmap"] = mapped.decode(
        mapped.encode(lr, size), Window.whole(size), size, Sampling(steps=2, detail=1.5)
    ).picture
    return made


def degflow_cases() -> dict[str, Tensor]:
    paths = {"kind": "ncsnpp", "nf": 8, "ch_mult": [1, 2], "num_res_blocks": 1}
    z, t = wave((1, 4, 8, 8), 1.0, 1.0), torch.tensor([0.4])
    return {
        "degflow-ae": filled({"kind": "degflow-ae", "base_dim": 4})(picture(16, 24), picture(16, 24).flip(3)),
        "ncsnpp": filled(paths)(z, t),
        "ncsnpp tileable": filled(paths | {"tileable": True})(z, t),
    }


def srflow_cases(lr: Tensor) -> dict[str, Tensor]:
    flow, unet = filled(SRFLOW), filled({"kind": "srflow-unet", "width": 8})
    latents = [wave((1, 6, 20, 24), 2.0, 1.0), wave((1, 96, 8, 8), 3.0, 1.0)]
    made = {
        "srflow-rrdb": filled({"kind": "srflow-rrdb"} | RRDB)(lr),
        "srflow": OfficialSRFlow(flow).upscale(lr, temperature=0.0),
        "srflow-unet": torch.cat([z.flatten() for z in unet(latents)]),
        "srflow-lp official": OfficialSRFlow(flow, unet).upscale(picture(16, 16)),
    }
    centred, prior = filled(SRFLOW | {"centred": True}), filled({"kind": "level-prior", "condition": 16, "width": 8})
    made["level-prior"] = torch.cat([z.flatten() for z in prior(centred.features(lr))])
    model = SRFlowModel(centred, prior)
    for label, sampling in (("sampled", Sampling(detail=0, temperature=0.3, seed=2)), ("prior", Sampling(detail=0.15))):
        size = Size(33, 40)
        decoded = model.decode(model.encode(lr, size), Window.whole(size), size, sampling)
        assert not decoded.exploded  # repaired patches would say nothing of the network
        made[f"srflow {label}"] = decoded.picture
    return made


def fingerprint(value: Tensor) -> dict[str, list]:
    """Shape, mean, deviation and eight values spread over the tensor."""
    flat = value.double().flatten()
    places = torch.linspace(0, len(flat) - 1, 8).long()
    return {
        "shape": list(value.shape),
        "numbers": [round(v, 6) for v in (flat.mean().item(), flat.std().item(), *flat[places].tolist())],
    }


@pytest.mark.parametrize("name", json.loads(GOLDEN.read_text()) if GOLDEN.is_file() else [])
def test_golden(name):
    expected, found = json.loads(GOLDEN.read_text())[name], fingerprint(_CASES[name])
    assert found["shape"] == expected["shape"]
    assert found["numbers"] == pytest.approx(expected["numbers"], abs=2e-5, rel=2e-5)


def test_every_network_is_covered():
    assert set(json.loads(GOLDEN.read_text())) == set(_CASES)
    covered = {name.split()[0].split("-p")[0] for name in _CASES}
    # Those of LPIPS are measured against reference numbers.
    assert set(architectures()) - {"grid-prior", "level-prior", "trunk", "lpips-heads"} <= covered
    assert {"linf-p3 prior", "level-prior"} <= set(_CASES)


with torch.no_grad():
    _CASES = cases()

if __name__ == "__main__":
    GOLDEN.write_text(json.dumps({name: fingerprint(v) for name, v in _CASES.items()}, indent=1) + "\n")
