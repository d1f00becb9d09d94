"""Whether the values of a sampling make sense, by what the methods declare of their dials."""

from __future__ import annotations

from srcli.geometry import TargetError
from srcli.methods.method import Control
from srcli.methods.registry import methods
from srcli.tiling.model import Sampling


def check(sampling: Sampling) -> Sampling:
    """The same sampling, or a `TargetError` for values that no method takes."""
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
    return sampling


def _declared(dial: str) -> list[Control]:
    return [control for method in methods().values() if (control := method.control(dial)) is not None]


def _range(dial: str) -> tuple[float, float, float]:
    """The smallest value of a dial, and the largest with most methods and with any."""
    controls = _declared(dial)
    return min(c.low for c in controls), min(c.high for c in controls), max(c.high for c in controls)
