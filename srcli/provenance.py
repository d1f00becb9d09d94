"""What decided the pixels of a result: one set of facts for the file's metadata, `--json` and `srcli show`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

TOOL = "srcli"
# A provenance ends with counts that are known only when the pixels are written: they have a fixed width, and
# `images.amend` fills them in.
COUNTS = ("tiles", "bounded_tiles", "guarded_tiles", "redone_tiles", "exploded")
NUMBERS = ("scale", "detail", "temperature", "denoise", "network_scale")
GUARDED, DIGITS = ", guarded tiles", 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """How a picture was made. None: without effect on this result, or, in the file of an older version, unknown.

    version: of srcli.
    torch: its version.
    model: its name, or that of a file of weights.
    method: how its networks are run.
    why: why `auto` chose the model; None without `auto`.
    weights: SHA-256 of each file of weights as published, by the network's role; empty if it is unknown.
    input_sha256: SHA-256 of the input file.
    input_size, output_size: width and height in pixels, upright.
    fit: how the picture was fitted into a width and a height: contain, cover or stretch.
    frame: the frame or page that was asked for, from 1.
    scale: how many times larger; with two sides given, the larger of both factors.
    detail, temperature, seed, steps, colour, denoise: the dials, as run.
    device: cpu, mps, or the name of the GPU.
    precision: of the networks: fp32, bf16 or fp16.
    tiling: exact, or bounded: tiles are close to the untiled result.
    tile: side of a tile in output pixels, if it was asked for.
    network_scale: the scale of a network that makes no other.
    resampling: the filter that took the network's picture to the result's size.
    quality: of a lossy file, 1 to 100.
    background: what transparency was flattened on, as #rrggbb.
    tiles: in how many tiles the picture was computed.
    bounded_tiles: tiles that are only close to the untiled result.
    guarded_tiles: tiles that did not match the input and were recomputed with less detail.
    redone_tiles: tiles that were not finite and were recomputed in float32.
    exploded: patches where a flow's inverse exploded and was bounded or recomputed.
    """

    version: str
    torch: str | None = None
    model: str
    method: str | None = None
    why: str | None = None
    weights: Mapping[str, str] = field(default_factory=dict)
    input_sha256: str | None = None
    input_size: tuple[int, int] | None = None
    output_size: tuple[int, int] | None = None
    fit: str | None = None
    frame: int | None = None
    scale: float
    detail: float
    temperature: float | None = None
    seed: int | None = None
    steps: int | None = None
    colour: str | None = None
    denoise: float | None = None
    device: str | None = None
    precision: str | None = None
    tiling: str | None = None
    tile: int | None = None
    network_scale: float | None = None
    resampling: str | None = None
    quality: int | None = None
    background: str | None = None
    tiles: int | None = None
    bounded_tiles: int | None = None
    guarded_tiles: int | None = None
    redone_tiles: int | None = None
    exploded: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON, without what is None; the scale to six decimals."""
        told = {name: value for name, value in asdict(self).items() if value is not None}
        return {"tool": TOOL, **told, "scale": round(self.scale, 6)}

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Facts:
        """The inverse of `to_dict`; other keys are ignored. Raises ValueError for what is no provenance."""
        known = {f.name for f in fields(cls)}
        found = {name: value for name, value in told.items() if name in known and value is not None}
        try:
            for name in ("input_size", "output_size"):
                if name in found:
                    width, height = found[name]
                    found[name] = (int(width), int(height))
            found |= {name: float(found[name]) for name in NUMBERS if name in found}
            found["weights"] = {str(role): str(digest) for role, digest in dict(found.get("weights", {})).items()}
            return cls(**found)
        except TypeError as error:
            raise ValueError(str(error)) from None

    def counted(self, counts: Mapping[str, int]) -> Facts:
        """With the counts of `COUNTS`, which are known at the end."""
        return replace(self, **{name: counts[name] for name in COUNTS})  # type: ignore[arg-type]

    def line(self) -> str:
        """One line for people, with room for the number of guarded tiles."""
        said = [f"{self.model}{f' ({self.why})' if self.why else ''}", f"x{self.scale:.4g}", f"detail {self.detail:g}"]
        if self.steps is not None and self.steps > 1:
            said.append(f"{self.steps} steps")
        if self.colour not in (None, "none"):
            said.append(f"colour {self.colour}")
        if self.denoise not in (None, 1):
            said.append(f"denoise {self.denoise:g}")
        if self.temperature:
            said.append(f"temperature {self.temperature:g}, seed {self.seed}")
        if self.resampling:
            said.append(f"resampled from x{self.network_scale:g}")
        return f"srcli {self.version}: {', '.join(said)}{GUARDED}{0:>{DIGITS}}"

    def json(self) -> str:
        """A JSON object in ASCII, with room for the counts."""
        told = {name: value for name, value in self.to_dict().items() if name not in COUNTS}
        return f"{json.dumps(told)[:-1]}, {places(dict.fromkeys(COUNTS, 0))}}}"


def places(counts: Mapping[str, int]) -> str:
    """The counts as the end of a provenance holds them, in a fixed width."""
    return ", ".join(f'"{name}": {min(counts[name], 10**DIGITS - 1):>{DIGITS}}' for name in COUNTS)
