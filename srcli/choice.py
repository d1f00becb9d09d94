"""Choose the model for a picture: a table of thresholds on the measurements of `look`, read from the top."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, asdict, dataclass, field
from math import inf

from srcli.look import Look

AUTO = "auto"  # the model name that asks for a choice


@dataclass(frozen=True, slots=True)
class Rule:
    """A kind of picture and the model for it.

    kind: name of the kind.
    model, detail: what to use for it.
    why: the reason, a template with the measurements as fields.
    minimum, maximum: inclusive bounds of measurements, which must all hold. A missing measurement (`jpeg` of a PNG)
        is never within bounds.
    yields: whether the model yields to the best of `RESTORERS` that is installed.
    """

    kind: str
    model: str
    detail: float
    why: str
    _: KW_ONLY
    minimum: Mapping[str, float] = field(default_factory=dict)
    maximum: Mapping[str, float] = field(default_factory=dict)
    yields: bool = False

    def fits(self, measured: Mapping[str, float | None]) -> bool:
        """Whether all measurements are within the bounds."""
        bounds = [(name, bound, inf) for name, bound in self.minimum.items()]
        bounds += [(name, -inf, bound) for name, bound in self.maximum.items()]
        return all((value := measured[name]) is not None and low <= value <= high for name, low, high in bounds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The kind of a picture, the model and detail chosen for it, and the reason in a few words.

    instead_of: the model of the package that an installed restorer takes the place of, or empty.
    """

    kind: str
    model: str
    detail: float
    why: str
    instead_of: str = ""


CLEAN, RESTORER, PLAIN = "linf-lp-s", "flowsr-s", "bicubic"
MODELS = (CLEAN, RESTORER, PLAIN)  # all embedded
# Restorers of damaged photos, the most preferred first, down to the package's own. Those before it are used once they
# are installed, and never downloaded for it. Models that are not here, as realesr-general-x4v3, are used by name alone.
RESTORERS = ("realesrgan-x4plus", RESTORER)
# The restorer at detail 0 is hardly ever worse than bicubic; on blurred pictures, detail 1 gains more. Clean pictures
# get full detail, nearly clean ones less, since detail amplifies any noise. Downscaled graphics have smooth edges,
# which the clean model restores best; graphics as drawn have edges sharper than any photograph's, on which it fails.
# Only damaged photos yield to another restorer: x4plus bends the lines and letters of graphics.
# `benchmarks/quality/choice.py` prints what these thresholds choose, and what that gains and loses.
TABLE = (
    Rule("two-valued", RESTORER, 0.0, "one or two colours", maximum={"colours": 2}),
    Rule(
        "gradient", PLAIN, 0.0, "smooth, without edges", minimum={"sharp": 0.95}, maximum={"edges": 0.0, "noise": 1.0}
    ),
    Rule("hard-edged", RESTORER, 0.0, "a graphic with hard edges", minimum={"hard": 0.03, "flat": 0.15}),
    Rule("drawn", RESTORER, 0.0, "a graphic with sharp edges", minimum={"sharp": 0.84, "flat": 0.25}),
    Rule("halftone", CLEAN, 0.0, "a halftone or a grating", minimum={"edges": 0.25}, maximum={"sharp": 0.62}),
    Rule(
        "JPEG graphic",
        CLEAN,
        0.0,
        "a graphic, JPEG quality {jpeg:.0f}",
        minimum={"flat": 0.25, "jpeg": 66},
        maximum={"jpeg": 89},
    ),
    Rule("low-quality JPEG", RESTORER, 0.0, "JPEG quality {jpeg:.0f}", minimum={"flat": 0.25}, maximum={"jpeg": 79}),
    Rule("low-quality JPEG", RESTORER, 0.0, "JPEG quality {jpeg:.0f}", maximum={"jpeg": 79}, yields=True),
    Rule(
        "blocks of JPEG",
        RESTORER,
        0.0,
        "blocks of a JPEG",
        minimum={"blocks": 0.9},
        maximum={"flat": 0.25, "hard": 0.02},
        yields=True,
    ),
    Rule("graphic", CLEAN, 0.5, "a graphic with smooth edges", minimum={"flat": 0.25}),
    Rule("noisy", RESTORER, 0.0, "noise of {noise:.0f} levels", minimum={"noise": 3.2}, yields=True),
    Rule("blurred", RESTORER, 1.0, "blurred", maximum={"sharp": 0.6, "edges": 0.05}, yields=True),
    Rule("JPEG", CLEAN, 0.0, "JPEG quality {jpeg:.0f}", maximum={"jpeg": 89.0}),
    Rule(
        "faint blocks",
        CLEAN,
        0.0,
        "faint blocks of a JPEG",
        minimum={"blocks": 0.55},
        maximum={"flat": 0.25, "hard": 0.02},
    ),
    Rule("some noise", CLEAN, 0.0, "noise of {noise:.1f} levels", minimum={"noise": 2.3}),
    Rule("good JPEG", CLEAN, 0.5, "JPEG quality {jpeg:.0f}", maximum={"jpeg": 96.0}),
    Rule("little noise", CLEAN, 0.5, "noise of {noise:.1f} levels", minimum={"noise": 1.4}),
    Rule("clean", CLEAN, 1.0, "clean"),
)


def choose(seen: Look, restorer: str = RESTORER) -> Choice:
    """The choice of the first rule that fits the measurements `seen`; the last rule fits all.

    restorer: the best of `RESTORERS` that can be used. Those that the package lacks have no detail to set.
    """
    measured = asdict(seen)
    rule = next(rule for rule in TABLE if rule.fits(measured))
    why = rule.why.format(**measured)
    if rule.yields and restorer != rule.model:
        why += f", preferred to {rule.model}"
        return Choice(kind=rule.kind, model=restorer, detail=1.0, why=why, instead_of=rule.model)
    return Choice(kind=rule.kind, model=rule.model, detail=rule.detail, why=why)
