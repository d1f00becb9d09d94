"""Commands whose wrong usage is one sentence that says what to type."""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

from srcli.cli.shared.console import Output, errors
from srcli.cli.usage import habits
from srcli.errors import SrcliError

if TYPE_CHECKING:
    from srcli.cli.usage.presets import Option, Preset

USAGE: type[Exception] = typer.BadParameter.__mro__[1]  # UsageError, which Typer does not export


def preset_names(incomplete: str) -> list[str]:
    """Names of presets, for completion in the shell."""
    from srcli.cli.usage import presets

    return [name for name in presets.names() if name.startswith(incomplete)]


def model_names(incomplete: str) -> list[str]:
    """Names of models that upscale, for completion in the shell."""
    from srcli.weights import manifest

    try:
        entries = manifest.load().entries.values()
    except SrcliError:  # a broken manifest is told when the command runs
        return []
    return [entry.name for entry in entries if entry.enlarges and entry.name.startswith(incomplete)]


PRESET = Annotated[
    str | None,
    typer.Option(
        "--preset",
        help="Use the options of a preset (or of a .toml file); options on the command line win.",
        autocompletion=preset_names,
    ),
]
SAVE_PRESET = Annotated[
    str | None,
    typer.Option("--save-preset", help="Save today's options under this name, for --preset; -y replaces it."),
]


class Plain(TyperCommand):
    """A command whose wrong usage is one sentence. Mistakes end with exit code 2."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        given = list(args)
        try:
            return super().parse_args(ctx, args)
        except USAGE as error:
            if ctx.resilient_parsing:  # completion in the shell
                raise
            typed: dict[str, Any] = {}
            with suppress(USAGE):
                typed, _, _ = self.make_parser(ctx).parse_args(args=list(given))
            refuse(_sentence(error, given, typed, ctx), "--json" in given)


class Taught(TyperCommand):
    """A command that knows what people type out of habit, and presets. Mistakes end with exit code 2."""

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
                self._apply_preset(ctx, typed.get("preset"))
            left = super().parse_args(ctx, args)
        except SrcliError as error:
            refuse(str(error), as_json)
        except USAGE as error:
            name = getattr(error, "option_name", None)
            known = habits.of_option(name, given) if _is_unknown(error) and name is not None else None
            refuse(known or _sentence(error, given, typed, ctx), as_json)
        _drop_rivals(ctx)
        return left

    def _apply_preset(self, ctx: typer.Context, name: str | None) -> None:
        """Make the options of a preset the defaults. Raises PresetError."""
        if name is not None:
            from srcli.cli.usage import presets

            known = presets.options_of(self.params)
            preset = presets.read(name, known)
            ctx.default_map = {known[key].parameter: value for key, value in preset.options.items()}

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


class PlainGroup(TyperGroup):
    """Commands under one name: what it does not have is one sentence."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        given = list(args)
        try:
            return super().parse_args(ctx, args)
        except USAGE as error:
            name = getattr(error, "option_name", None)
            if ctx.resilient_parsing or name is None:  # without arguments, the error is the help
                raise
            refuse(self._no_option(error, name, given, ctx), "--json" in given)

    def resolve_command(self, ctx: typer.Context, args: list[str]) -> Any:  # type: ignore[override]
        if not (ctx.resilient_parsing or args[0] in self.commands):
            refuse(self._no_command(args[0], shlex.join(args), ctx.command_path), "--json" in args)
        return super().resolve_command(ctx, args)

    def _no_option(self, error: Exception, name: str, given: Sequence[str], ctx: typer.Context) -> str:
        return _sentence(error, given, {}, ctx)

    def _no_command(self, name: str, typed: str, program: str) -> str:
        near = difflib.get_close_matches(name, self.commands, 1)
        return f"no such command: {name}; " + (
            f"use {program} {near[0]}" if near else f"{program} --help lists all commands"
        )


class TaughtGroup(PlainGroup):
    """The program itself: commands and options that it does not have, and pictures without a command."""

    def _no_option(self, error: Exception, name: str, given: Sequence[str], ctx: typer.Context) -> str:
        if name in {option for param in self.commands["upscale"].params for option in param.opts}:
            return f"{name} goes after the command: {ctx.command_path} upscale {shlex.join(given)}"
        return habits.of_option(name, given) or super()._no_option(error, name, given, ctx)

    def _no_command(self, name: str, typed: str, program: str) -> str:
        if Path(name).exists() or "." in name or "/" in name:
            return f"the command is missing: {program} upscale {typed}"
        if other := habits.of_command(name):
            return f"no such command: {name}; use {other}"
        return super()._no_command(name, typed, program)


class App(typer.Typer):
    """A Typer whose commands say what is wrong with a command line in one sentence."""

    def __init__(self, *, cls: type[TyperGroup] = PlainGroup, **settings: Any) -> None:
        super().__init__(cls=cls, no_args_is_help=True, **settings)

    def command(
        self, name: str | None = None, *, cls: type[TyperCommand] | None = None, **settings: Any
    ) -> Callable[[Any], Any]:
        return super().command(name, cls=cls or Plain, **settings)


def known_options(command: Callable[..., Any]) -> dict[str, Option]:
    """The options of a command's function that a preset can have, by key."""
    from srcli.cli.usage import presets

    app = typer.Typer()
    app.command()(command)
    return presets.options_of(typer.main.get_command(app).params)


def save_preset(name: str, ctx: typer.Context, *, overwrite: bool) -> Preset:
    """Save the options of a command line, with those of the preset it used. Raises PresetError."""
    from srcli.cli.usage import presets

    options = {}
    for key, option in presets.options_of(ctx.command.params).items():
        value = ctx.params.get(option.parameter)
        if _source(ctx, option.parameter) in ("COMMANDLINE", "DEFAULT_MAP") and value is not None:
            value = list(value) if isinstance(value, tuple) else value
            options[key] = str(value.absolute()) if isinstance(value, Path) else value
    return presets.save(name, options, overwrite=overwrite)


def _drop_rivals(ctx: typer.Context) -> None:
    """Forget options of the preset that one on the command line replaces, such as its --scale where --size is given."""
    from srcli.cli.usage.presets import RIVALS

    for rivals, followers in RIVALS:
        if any(_source(ctx, name) == "COMMANDLINE" for name in rivals):
            dropped = (name for name in rivals + followers if _source(ctx, name) == "DEFAULT_MAP")
            ctx.params |= dict.fromkeys(dropped)


def _source(ctx: typer.Context, parameter: str) -> str:
    """Where the value of a parameter is from: COMMANDLINE, DEFAULT_MAP for a preset, or DEFAULT."""
    return getattr(ctx.get_parameter_source(parameter), "name", "")


def refuse(sentence: str, as_json: bool) -> NoReturn:
    """End the program with a sentence about wrong usage."""
    from srcli.batch.names import UsageError

    with errors(as_json=as_json):
        raise UsageError(sentence)
    raise AssertionError("errors() exits")


def _is_unknown(error: Exception) -> bool:
    return type(error).__name__ == "NoSuchOption"


def _sentence(error: Exception, given: Sequence[str], typed: Mapping[str, Any], ctx: typer.Context) -> str:
    """What is wrong with the command line, and what to type instead."""
    name, param, command = getattr(error, "option_name", None), getattr(error, "param", None), ctx.command_path
    if _is_unknown(error):
        near = getattr(error, "possibilities", None)
        more = f"did you mean {' or '.join(sorted(near))}?" if near else f"{command} --help lists all"
        return f"no such option: {name}; {more}"
    if type(error).__name__ == "MissingParameter" and param is not None:
        wanted = param.opts[-1] if param.opts[-1].startswith("-") else param.metavar or str(param.name).upper()
        return f"{wanted} is missing; {command} --help shows examples"
    text = re.sub(r", unable to parse .*", "", getattr(error, "message", str(error))).rstrip(".")
    if param is None:
        return f"{text[:1].lower()}{text[1:]}; {command} --help lists all options"
    value, where = typed.get(param.name), ""
    if _source(ctx, param.name) == "DEFAULT_MAP":
        value, where = (ctx.default_map or {}).get(param.name), f"the preset {typed['preset']}: "
    wanted = text.removeprefix("Input ") if text.startswith("Input should") else f"is wrong: {text}"
    return f"{where}{param.opts[-1]} {wanted}" + ("" if value is None else f", not {value!r}")
