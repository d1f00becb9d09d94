"""Results that are already there: how they were made, and whether that is how they would be made now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from srcli import __version__
from srcli.batch.batches import RunOptions, UpscaleBatch
from srcli.batch.ledger import Ledger
from srcli.batch.names import Item, resolved
from srcli.geometry import Size
from srcli.images.encode import FORMATS
from srcli.images.made import recorded
from srcli.weights import store

if TYPE_CHECKING:
    from srcli.upscaler import Chosen

LOSSY = frozenset({"JPEG", "WEBP", "AVIF"})
DEFLATED = frozenset({"PNG", "TIFF"})
UNSEEN = frozenset({"version", "why", "weights"})  # not compared by their values


def made_now(chosen: Chosen, batch: UpscaleBatch, size: Size, scale: float, path: Path) -> dict[str, Any]:
    """Everything that decides a result, by name; None where it has no effect. The ledger keeps it.

    size, scale, path: of the result.
    """
    upscaler, sampling = chosen.upscaler, chosen.upscaler.settled(chosen.sampling)
    has, options = upscaler.has, batch.options
    own_colour = getattr(upscaler.model, "default_colour", None)
    return {
        "version": __version__,
        "model": upscaler.entry.name,
        "why": chosen.choice.why if chosen.choice else None,
        "weights": {role: store.digest(part) for role, part in upscaler.entry.parts.items()},
        "output_size": [size.width, size.height],
        "fit": batch.target.fit if batch.target.width and batch.target.height else None,
        "scale": round(scale, 6),
        "detail": sampling.detail if has("detail") else None,
        "temperature": sampling.temperature or 0.0,
        "seed": sampling.seed if sampling.temperature else None,
        "steps": sampling.steps if has("steps") else None,
        "colour": (sampling.colour or own_colour or "none") if has("colour") else None,
        "denoise": (1.0 if sampling.denoise is None else sampling.denoise) if has("denoise") else None,
        "precision": upscaler.runtime.precision,
    } | written_now(options, path)


def written_now(options: RunOptions, path: Path) -> dict[str, Any]:
    """The part of `made_now` that says how a result is written."""
    kind = FORMATS.get(path.suffix.lower(), "")
    return {
        "frame": "all" if options.frame is None else options.frame + 1,
        "quality": options.style.quality if kind in LOSSY else None,
        "compression": options.style.level if kind in DEFLATED else None,
        "background": "#{:02x}{:02x}{:02x}".format(*options.style.background),
        "strip": options.strip,
        "provenance": options.provenance,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """What is known of a file where a result is to go.

    made: how it was made, like `made_now`; empty if that is unknown.
    logged: whether the ledger knows it as a result of the same path.
    same: whether it was made from the same bytes; None if that is unknown.
    """

    made: Mapping[str, Any]
    logged: bool = False
    same: bool | None = None

    @property
    def model(self) -> str | None:
        return self.made.get("model")


def earlier(path: Path, item: Item, ledger: Ledger | None, sha256: str) -> Earlier:
    """What the ledger and the file itself say of a result.

    sha256: of the item's file.
    """
    entry = None if ledger is None else ledger.entry(path)
    if entry is not None and resolved(Path(str(entry.get("input")))) == resolved(item.source):
        known = entry.get("sha256")
        return Earlier(made=entry.get("made") or {}, logged=True, same=None if known is None else known == sha256)
    made = recorded(path) or {}
    known = made.get("input_sha256")
    return Earlier(made=made, same=None if known is None else known == sha256)


def differences(before: Mapping[str, Any], now: Mapping[str, Any], *, any_precision: bool) -> list[str]:
    """How two results differ in what decides them, in words such as `detail 1, not 0.5`.

    Only what is known of both counts, and not the version of srcli.
    any_precision: whether the precision may differ: it was not asked for.
    """
    names = [n for n in now if not (before.get(n) is None or now[n] is None or _equal(before[n], now[n]))]
    names = [n for n in names if n not in UNSEEN]
    if any_precision and "precision" in names:
        names.remove("precision")
    if "output_size" in before and "scale" in names:
        names.remove("scale")
    if "model" in names:
        return [f"model {before['model']}, not {now['model']}"]
    found = [f"{n.replace('_', ' ')} {_shown(before[n])}, not {_shown(now[n])}" for n in names]
    old, new = before.get("weights") or {}, now.get("weights") or {}
    if any(old[role] and new[role] and old[role] != new[role] for role in old.keys() & new.keys()):
        found.insert(0, f"other weights of {now['model']}")
    return found


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, (int, float)) and isinstance(other, (int, float)):
        return abs(one - other) <= 1e-6 * max(1.0, abs(other))
    return (
        list(one) == list(other)
        if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple))
        else one == other
    )


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, (list, tuple)):
        return "x".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
