"""Sentences for what people type out of habit, from the table in `habits.toml`."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import resources
from itertools import takewhile
from pathlib import Path
from typing import Any

Rule = Mapping[str, Any]
# What a rule may ask of a path.
STATES: dict[str, Callable[[Path], bool]] = {
    "anything": lambda path: True,
    "folder": Path.is_dir,
    "no folder": lambda path: not path.is_dir(),
    "missing": lambda path: not path.exists(),
    "no file": lambda path: not path.is_file(),
}


@cache
def table() -> dict[str, list[Rule]]:
    """The rules for options, values and inputs."""
    text = resources.files("srcli.cli.usage").joinpath("habits.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def of_option(name: str, arguments: Sequence[str]) -> str | None:
    """What to type instead of an option that does not exist, or None if the table does not have it.

    name: as the parser names it, which is -d for -dn.
    """
    typed = next((n for n, word in enumerate(arguments) if word.startswith(name)), None)
    word = name if typed is None else arguments[typed]
    option, _, value = word.partition("=")
    if not value and typed is not None and typed + 1 < len(arguments) and not arguments[typed + 1].startswith("-"):
        value = arguments[typed + 1]
    known = {_plain(each): rule for rule in table()["option"] for each in rule["names"]}
    rule = known.get(_plain(option)) or known.get(_plain(name))
    return None if rule is None else _said(rule, option, value or rule.get("value", ""))


def of_command(name: str) -> str | None:
    """What to type instead of a command that does not exist, or None if the table does not have it."""
    return next((rule["says"] for rule in table()["command"] if name.lower() in rule["names"]), None)


def of_dashes(arguments: Sequence[str], known: Sequence[str]) -> str | None:
    """What to type instead of a long option with a single dash, such as -scale, which would be read as -s cale."""
    for word in takewhile(lambda word: word != "--", arguments):
        name = word.partition("=")[0]
        if re.fullmatch(r"-[a-z][a-z_-]+", name):
            if f"-{name}" in known:
                return f"{name} needs two dashes: -{word}"
            if sentence := of_option(f"-{name}", [f"-{each}" if each == word else each for each in arguments]):
                return sentence
    return None


def of_values(values: Mapping[str, Any]) -> str | None:
    """What to type instead of the value of an option, or None if no rule applies. values: texts by parameter."""
    for rule in table()["value"]:
        value = values.get(rule["option"])
        if isinstance(value, str) and (found := _fits(rule, value)):
            return _filled(rule, found, value)
    return None


def of_inputs(inputs: Sequence[str]) -> list[str]:
    """A sentence for each input that cannot be one."""
    return [
        _filled(rule, found, value)
        for number, value in enumerate(inputs)
        for rule in table()["input"]
        if (not rule.get("last") or 0 < number == len(inputs) - 1) and (found := _fits(rule, value))
    ]


def _fits(rule: Rule, value: str) -> re.Match[str] | None:
    if not STATES[rule.get("is", "anything")](Path(value)):
        return None
    return re.fullmatch(rule.get("pattern", ".*"), value.strip())


def _filled(rule: Rule, found: re.Match[str], value: str) -> str:
    return rule["says"].format(value, *found.groups(), value=value)


def _said(rule: Rule, option: str, value: str) -> str:
    return f"{option}: {rule['says'].format(value=value)}"


def _plain(option: str) -> str:
    """An option's name with dashes instead of underscores, in lower case if it is a long one."""
    return option.replace("_", "-").lower() if option.startswith("--") else option
