"""Golden numbers: what tiny networks with fixed weights make, so that the suite protects them on any machine.

Weights and inputs are formulas, not random numbers of a library version. A `test_golden.py` holds CASES, functions by
name; their numbers are in the golden.json beside it. After a change that is meant to change numbers,
`python -m tests.support.golden` writes all of them again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path

import pytest
import torch
from torch import Tensor

from srcli.methods.registry import build
from tests.support.places import ROOT

Cases = Mapping[str, Callable[[], Tensor]]


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


def fingerprint(value: Tensor) -> dict[str, list]:
    """Shape, mean, deviation and eight values spread over the tensor."""
    flat = value.double().flatten()
    places = torch.linspace(0, len(flat) - 1, 8).long()
    return {
        "shape": list(value.shape),
        "numbers": [round(v, 6) for v in (flat.mean().item(), flat.std().item(), *flat[places].tolist())],
    }


def made(case: Callable[[], Tensor]) -> dict[str, list]:
    with torch.no_grad():
        return fingerprint(case())


def table(test: str) -> dict[str, dict[str, list]]:
    """The numbers beside a test file."""
    return json.loads(Path(test).with_name("golden.json").read_text())


def check(test: str, cases: Cases, name: str) -> None:
    """That a case makes the numbers beside its test file."""
    expected, found = table(test)[name], made(cases[name])
    assert found["shape"] == expected["shape"]
    assert found["numbers"] == pytest.approx(expected["numbers"], abs=2e-5, rel=2e-5)


def tests() -> list[Path]:
    return sorted((ROOT / "tests").rglob("test_golden.py"))


def write() -> None:
    for path in tests():
        cases: Cases = import_module(".".join(path.relative_to(ROOT).with_suffix("").parts)).CASES
        numbers = {name: made(case) for name, case in cases.items()}
        path.with_name("golden.json").write_text(json.dumps(numbers, indent=1) + "\n")


if __name__ == "__main__":
    write()
