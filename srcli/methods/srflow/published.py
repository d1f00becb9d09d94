"""SRFlow (Lugmayr et al. 2020): a plain state dict of `RRDB.*` and `flowUpsamplerNet.*`."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from srcli.checkpoints.encoders import rrdb
from srcli.checkpoints.family import Checkpoint, Converted, Family, Misfit
from srcli.checkpoints.shapes import State, count, size

TRUNK = "RRDB."
# No tensor tells which blocks are stacked: those of the published configurations, by scale.
STACKED = {4: (1, 8, 15, 22), 8: (1, 3, 5, 7)}
FIRST = "flowUpsamplerNet.layers.3.affine.fFeatures.0.weight"  # after a squeeze and two steps without coupling


def detect(keys: Collection[str]) -> bool:
    return any(key.startswith("flowUpsamplerNet.layers.") for key in keys)


def convert(checkpoint: Checkpoint) -> Converted:
    state = checkpoint.tensors
    inner = {key.removeprefix(TRUNK): value for key, value in state.items() if key.startswith(TRUNK)}
    trunk = rrdb(inner)
    scale = 8 if "upconv3.weight" in inner else 4
    features, condition = trunk["features"], size(state, FIRST, 1)
    if not features or condition % features:
        raise Misfit(f"its flow sees {condition} channels, which is no multiple of the {features} of its RRDB")
    architecture = {
        "kind": "srflow",
        "scale": scale,
        **{name: trunk[name] for name in ("blocks", "features", "growth")},
        "stacked": list(_stacked(condition // features - 1, trunk["blocks"], scale)),
        "steps": _steps(state),
        "hidden": size(state, FIRST),
    }
    return Converted(
        family="srflow",
        pipeline="srflow-official",
        role="flow",
        scales=(1.0, float(scale)),
        architecture=architecture,
        tensors=state,
        source=checkpoint.source,
    )


def _steps(state: State) -> int:
    """Steps with a coupling in the first level, which ends with the first split."""
    with_coupling = r"flowUpsamplerNet\.layers\.(\d+)\.affine\.fFeatures\.0\.weight"
    split = next((int(k.split(".")[2]) for k in state if k.endswith(".conv.weight") and k.count(".") == 4), 0)
    before = [k for k in state if k.startswith("flowUpsamplerNet.layers.") and _number(k) < split]
    return count(before, with_coupling)


def _number(key: str) -> int:
    number = key.split(".")[2]
    return int(number) if number.isdecimal() and len(number) < 6 else -1


def _stacked(number: int, blocks: int, scale: int) -> Sequence[int]:
    if number == blocks:
        return range(blocks)
    if number == len(STACKED[scale]) and max(STACKED[scale]) < blocks:
        return STACKED[scale]
    raise Misfit(f"its flow sees {number} of {blocks} RRDB blocks, and no published network tells which")


FAMILY = Family(name="srflow", title="SRFlow", detect=detect, convert=convert)
