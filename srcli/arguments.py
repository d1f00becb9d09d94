"""Check what callers pass. Errors say the name, what it may be, and the value."""

from __future__ import annotations

import math
import operator
from numbers import Real
from typing import Any

from srcli.errors import SrcliError


class ArgumentError(SrcliError):
    """A value of the wrong kind or out of range."""

    exit_code = 2


def whole(name: str, value: Any, least: int | None = None) -> int:
    """A whole number, also numpy's, of at least `least`. Raises ArgumentError."""
    try:
        if isinstance(value, bool):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        raise ArgumentError(f"{name} must be a whole number, not {value!r}") from None
    if least is not None and number < least:
        raise ArgumentError(f"{name} must be at least {least}, not {number}")
    return number


def is_number(value: Any) -> bool:
    """Whether a value is a finite number, also numpy's."""
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def number(name: str, value: Any) -> float:
    """A finite number. Raises ArgumentError."""
    if not is_number(value):
        raise ArgumentError(f"{name} must be a number, not {value!r}")
    return float(value)


def text(name: str, value: Any) -> str:
    """A text. Raises ArgumentError."""
    if not isinstance(value, str):
        raise ArgumentError(f"{name} must be text, not {value!r}")
    return value


def truth(name: str, value: Any) -> bool:
    """True or False. Raises ArgumentError."""
    if not isinstance(value, bool):
        raise ArgumentError(f"{name} must be True or False, not {value!r}")
    return value


def one_of(name: str, value: Any, choices: tuple[str, ...]) -> str:
    """One of some words. Raises ArgumentError."""
    if value not in choices:
        raise ArgumentError(f"{name} must be {' or '.join(map(repr, choices))}, not {value!r}")
    return str(value)
