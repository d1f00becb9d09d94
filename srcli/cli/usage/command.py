"""A command whose wrong usage is one sentence that says what to type."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import typer
from typer.core import TyperCommand

from srcli.cli.shared.console import Output, errors
from srcli.cli.usage import habits

USAGE: type[Exception] = typer.BadParameter.__mro__[1]  # UsageError, which Typer does not export


class Taught(TyperCommand):
    """A command that knows what people type out of habit. Mistakes end with exit code 2."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        if ctx.resilient_parsing:  # completion in the shell
            return super().parse_args(ctx, args)
        given, typed = list(args), dict[str, Any]()
        as_json = "--json" in given
        if sentence := habits.of_dashes(given, [name for param in self.params for name in param.opts]):
            refuse(sentence, as_json)
        try:
            typed, _, _ = self.make_parser(ctx).parse_args(args=list(args))
            if not typed.get("help"):
                self._teach(typed, as_json)
            return super().parse_args(ctx, args)
        except USAGE as error:
            refuse(_sentence(error, given, typed, ctx.command_path), as_json)

    def _teach(self, typed: Mapping[str, Any], as_json: bool) -> None:
        """Refuse values and a single input that cannot be meant; say so of one of several inputs.

        typed: the texts of the command line by parameter.
        """
        if sentence := habits.of_values(typed):
            refuse(sentence, as_json)
        inputs = list(typed.get("inputs") or ())
        for sentence in habits.of_inputs(inputs):
            if len(inputs) == 1 and not typed.get("listed"):
                refuse(sentence, as_json)
            Output(as_json).problem(sentence)


def refuse(sentence: str, as_json: bool) -> NoReturn:
    """End the program with a sentence about wrong usage."""
    from srcli.batch.names import UsageError

    with errors(as_json=as_json):
        raise UsageError(sentence)
    raise AssertionError("errors() exits")


def _sentence(error: Exception, given: Sequence[str], typed: Mapping[str, Any], command: str) -> str:
    """What is wrong with the command line, and what to type instead."""
    name, param = getattr(error, "option_name", None), getattr(error, "param", None)
    if type(error).__name__ == "NoSuchOption" and name is not None:
        near = getattr(error, "possibilities", None)
        more = f"did you mean {' or '.join(sorted(near))}?" if near else f"{command} --help lists all"
        return habits.of_option(name, given) or f"no such option: {name}; {more}"
    text = re.sub(r", unable to parse .*", "", getattr(error, "message", str(error))).rstrip(".")
    if param is None:
        return f"{text[:1].lower()}{text[1:]}; {command} --help lists all options"
    value = typed.get(param.name)
    wanted = text.removeprefix("Input ") if text.startswith("Input should") else f"is wrong: {text}"
    return f"{param.opts[-1]} {wanted}" + (f", not {value!r}" if isinstance(value, str) else "")
