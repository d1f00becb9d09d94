"""Which model suits a picture: a table of thresholds on what `look` measures, read from the top."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import inf

from srcli.look import Look

AUTO = "auto"  # the name that asks for a choice


@dataclass(frozen=True, slots=True)
class Rule:
    """A kind of picture. least, most: bounds of measurements, all of which hold, inclusive; a measurement that a
    picture lacks (`jpeg` of a PNG) is in no bounds. why: with the measurements as fields."""

    kind: str
    model: str
    detail: float
    why: str
    least: Mapping[str, float]
    most: Mapping[str, float]

    def fits(self, measured: Mapping[str, float | None]) -> bool:
        bounds = [(name, bound, inf) for name, bound in self.least.items()]
        bounds += [(name, -inf, bound) for name, bound in self.most.items()]
        return all((value := measured[name]) is not None and low <= value <= high for name, low, high in bounds)


@dataclass(frozen=True, slots=True)
class Choice:
    """A model and its detail for a picture, and why in a few words."""

    kind: str
    model: str
    detail: float
    why: str


CLEAN, RESTORER, PLAIN = "linf-lp-s", "flowsr-s", "bicubic"
# Detail 0 of the restorer is hardly ever below bicubic; on blur detail 1 gains more. What is clean gets all detail;
# what is nearly clean gets less, because detail amplifies what little there is. Graphics that were made smaller have
# smooth edges, which the clean model restores best; graphics as they were drawn have sharper ones than any photograph,
# which it breaks.
# `benchmarks/quality/choice.py` prints what these thresholds choose, and what that gains and loses.
TABLE = (
    Rule("two-valued", RESTORER, 0.0, "one or two colours", {}, {"colours": 2}),
    Rule("gradient", PLAIN, 0.0, "smooth, without edges", {"sharp": 0.95}, {"edges": 0.0, "noise": 1.0}),
    Rule("hard-edged", RESTORER, 0.0, "a graphic with hard edges", {"hard": 0.03, "flat": 0.15}, {}),
    Rule("drawn", RESTORER, 0.0, "a graphic with sharp edges", {"sharp": 0.84, "flat": 0.25}, {}),
    Rule("halftone", CLEAN, 0.0, "a halftone or a grating", {"edges": 0.25}, {"sharp": 0.62}),
    Rule("JPEG graphic", CLEAN, 0.0, "a graphic, JPEG quality {jpeg:.0f}", {"flat": 0.25, "jpeg": 66}, {"jpeg": 89}),
    Rule("low-quality JPEG", RESTORER, 0.0, "JPEG quality {jpeg:.0f}", {}, {"jpeg": 79}),
    Rule("blocks of JPEG", RESTORER, 0.0, "blocks of a JPEG", {"blocks": 0.9}, {"flat": 0.25, "hard": 0.02}),
    Rule("graphic", CLEAN, 0.5, "a graphic with smooth edges", {"flat": 0.25}, {}),
    Rule("noisy", RESTORER, 0.0, "noise of {noise:.0f} levels", {"noise": 3.2}, {}),
    Rule("blurred", RESTORER, 1.0, "blurred", {}, {"sharp": 0.6, "edges": 0.05}),
    Rule("JPEG", CLEAN, 0.0, "JPEG quality {jpeg:.0f}", {}, {"jpeg": 89.0}),
    Rule("faint blocks", CLEAN, 0.0, "faint blocks of a JPEG", {"blocks": 0.55}, {"flat": 0.25, "hard": 0.02}),
    Rule("some noise", CLEAN, 0.0, "noise of {noise:.1f} levels", {"noise": 2.3}, {}),
    Rule("good JPEG", CLEAN, 0.5, "JPEG quality {jpeg:.0f}", {}, {"jpeg": 96.0}),
    Rule("little noise", CLEAN, 0.5, "noise of {noise:.1f} levels", {"noise": 1.4}, {}),
    Rule("clean", CLEAN, 1.0, "clean", {}, {}),
)
MODELS = tuple(dict.fromkeys(rule.model for rule in TABLE))


def choose(seen: Look) -> Choice:
    """The first line of the table that fits a picture; the last fits all."""
    measured = asdict(seen)
    rule = next(rule for rule in TABLE if rule.fits(measured))
    return Choice(rule.kind, rule.model, rule.detail, rule.why.format(**measured))
