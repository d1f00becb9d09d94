"""Which dials of a sampling are turned, and whether their values make sense, by what the methods declare of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from srcli import arguments
from srcli.geometry import TargetError
from srcli.methods.method import Control
from srcli.methods.registry import methods
from srcli.tiling.model import Sampling
from srcli.weights import manifest
from srcli.weights.entries import Entry


def check(sampling: Sampling) -> Sampling:
    """The same sampling, or an `ArgumentError` for values that no method takes."""
    sampling = _plain(sampling)
    least, usual, most = _range("detail")
    if not least <= sampling.detail <= most:
        more = f", with some models to {most:g}" if most > usual else ""
        raise TargetError(f"detail goes from {least:g} to {usual:g}{more}, not {sampling.detail:g}")
    least, _, most = _range("temperature")
    if sampling.temperature is not None and not least <= sampling.temperature <= most:
        raise TargetError(f"temperature goes from {least:g} to {most:g}, not {sampling.temperature:g}")
    if sampling.on_explode not in ("repair", "error"):
        raise TargetError(f"on-explode is repair or error, not {sampling.on_explode!r}")
    if sampling.seed < 0:
        raise TargetError(f"a seed cannot be negative, as {sampling.seed} is")
    least, _, most = _range("steps")
    if not least <= sampling.steps <= most:
        raise TargetError(f"steps go from {least:g} to {most:g}, not {sampling.steps}")
    known = [value for control in _declared("colour") for value in control.values]
    if sampling.colour is not None and sampling.colour not in known:
        raise TargetError(f"unknown colour fix {sampling.colour!r}; use {', '.join(dict.fromkeys(known))}")
    least, _, most = _range("denoise")
    if sampling.denoise is not None and not least <= sampling.denoise <= most:
        raise TargetError(f"denoise goes from {least:g} to {most:g}, not {sampling.denoise:g}")
    return sampling


def _plain(sampling: Sampling) -> Sampling:
    """The sampling with Python's numbers in the place of numpy's. Raises ArgumentError for what is no number."""
    temperature, denoise = sampling.temperature, sampling.denoise
    return replace(
        sampling,
        detail=arguments.number("detail", sampling.detail),
        seed=arguments.whole("seed", sampling.seed),
        steps=arguments.whole("steps", sampling.steps),
        strict=arguments.truth("strict", sampling.strict),
        temperature=None if temperature is None else arguments.number("temperature", temperature),
        denoise=None if denoise is None else arguments.number("denoise", denoise),
    )


def turned(sampling: Sampling, *, samples: bool) -> list[str]:
    """Dials that are not as they are by default.

    samples: whether the model samples. A prior is sampled at detail 0 alone, where a temperature is no surprise.
    """
    dials = {
        "detail": sampling.detail != 1.0,
        "temperature": bool(sampling.temperature) and (sampling.detail > 0 or not samples),
        "steps": sampling.steps != 1,
        "colour": sampling.colour is not None,
        "denoise": sampling.denoise is not None,
    }
    return [dial for dial, was in dials.items() if was]


def check_counts(sampling: Sampling, entry: Entry) -> None:
    """Raise `TargetError` for a number that a dial of the model of `entry` does not take."""
    method = methods().get(str(entry.pipeline))
    for control in () if method is None else method.controls:
        value, counts = getattr(sampling, control.name), control.counts
        if counts and control.works(entry.parts) and value not in counts:
            some = ", ".join(map(str, counts[:-1]))
            raise TargetError(f"{entry.name} takes {some} or {counts[-1]} {control.name}, not {value}")


def refuse(dials: Sequence[str], entry: Entry) -> None:
    """Raise `TargetError` if one of these dials, which the model of `entry` lacks, is required of a model."""
    for dial in dials:
        if not any(control.required for control in _declared(dial)):
            continue
        method = methods().get(str(entry.pipeline))
        lack = method.lacks.get(dial) if method is not None else None
        able = [f"-n {e.name}" for e in manifest.load().entries.values() if _has(e, dial)]
        raise TargetError(
            f"{dial} does not work with {entry.name}"
            + (f", which {lack}" if lack else "")
            + (f"; models that have it: {', '.join(able)}" if able else "")
        )


def _has(entry: Entry, dial: str) -> bool:
    method = methods().get(str(entry.pipeline))
    return method is not None and method.has(dial, entry.parts)


def _declared(dial: str) -> list[Control]:
    return [control for method in methods().values() if (control := method.control(dial)) is not None]


def _range(dial: str) -> tuple[float, float, float]:
    """The smallest value of a dial, and the largest with most methods and with any."""
    controls = _declared(dial)
    return min(c.low for c in controls), min(c.high for c in controls), max(c.high for c in controls)
