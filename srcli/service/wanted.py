"""What is asked of one picture: the options of `srcli upscale`, by their long names."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from srcli import arguments
from srcli.geometry import Target, TargetError
from srcli.images.encode import Style, colour_of, suffix_of

if TYPE_CHECKING:
    from srcli.tiling.model import Sampling

DEFAULT_SCALE = 4.0
WORDS = {"true": True, "1": True, "yes": True, "": True, "false": False, "0": False, "no": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The options of a request; the defaults are those of the command.

    model: a name or alias; None: the server's first.
    size: WIDTHxHEIGHT, WIDTHx or xHEIGHT.
    frame: from 1; None: all.
    """

    model: str | None = None
    scale: float | None = None
    size: str | None = None
    fit: str | None = None
    long_side: int | None = None
    short_side: int | None = None
    megapixels: float | None = None
    detail: float = 1.0
    temperature: float | None = None
    seed: int = 0
    on_explode: str = "repair"
    strict: bool = False
    steps: int = 1
    colour: str | None = None
    denoise: float | None = None
    format: str | None = None
    quality: int = 95
    compression: int = 6
    background: str = "white"
    strip: bool = False
    provenance: bool = True
    frame: int | None = None

    @property
    def target(self) -> Target:
        """Raises TargetError."""
        sides = {name: getattr(self, name) for name in ("scale", "long_side", "short_side", "megapixels")}
        given = {name: value for name, value in sides.items() if value is not None}
        if len(given) + (self.size is not None) > 1:
            raise TargetError("give exactly one of scale, size, long_side, short_side and megapixels")
        target = None if self.size is None else Target.parse_size(self.size, self.fit or "contain")
        if self.fit is not None and not (target and target.width and target.height):
            raise TargetError("fit only works with a size of two sides, such as 3840x2160")
        return target or Target(**given or {"scale": DEFAULT_SCALE})

    @property
    def sampling(self) -> Sampling:
        """Raises ArgumentError."""
        from srcli.methods.dials import check
        from srcli.tiling.model import Sampling

        return check(Sampling(**{f.name: getattr(self, f.name) for f in fields(Sampling)}))

    @property
    def style(self) -> Style:
        """Raises ArgumentError."""
        for name, least, most in (("quality", 1, 100), ("compression", 0, 9)):
            if not least <= getattr(self, name) <= most:
                raise arguments.ArgumentError(f"{name} goes from {least} to {most}, not {getattr(self, name)}")
        return Style(quality=self.quality, level=self.compression, background=colour_of(self.background))

    @property
    def suffix(self) -> str | None:
        """Raises ArgumentError."""
        return None if self.format is None else suffix_of(self.format)


KINDS = {f.name: str(f.type).split()[0] for f in fields(Wanted)}


def parse(values: Mapping[str, Any]) -> Wanted:
    """The options in a query or a JSON object. Raises ArgumentError, also for names that are unknown.

    values: by name, with - or _ between words; numbers and truths may be text.
    """
    found: dict[str, Any] = {}
    for written, value in values.items():
        name = written.replace("-", "_")
        if name not in KINDS:
            near = get_close_matches(name, KINDS, 1)
            raise arguments.ArgumentError(
                f"unknown option {written!r}" + (f"; did you mean {near[0]!r}?" if near else "")
            )
        if value is not None:
            found[name] = _converted(name, value)
    return Wanted(**found)


def _converted(name: str, value: Any) -> Any:
    kind = KINDS[name]
    if kind == "str":
        return arguments.text(name, value)
    if kind == "bool":
        return arguments.truth(name, WORDS.get(value.lower(), value) if isinstance(value, str) else value)
    if isinstance(value, str):
        with contextlib.suppress(ValueError):  # the line below says what it must be
            value = int(value) if kind == "int" else float(value)
    return arguments.whole(name, value) if kind == "int" else arguments.number(name, value)
