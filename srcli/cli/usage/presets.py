"""Options of `srcli upscale` under a name: one TOML file each, in the user's configuration."""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from srcli import files, userfolders
from srcli.errors import SrcliError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
# Parameters that belong to one run: which pictures, where the results go, and what is reported.
PER_RUN = frozenset(
    [
        *(
            "inputs",
            "out",
            "listed",
            "shard",
            "overwrite",
            "retry_failed",
            "remake_stale",
            "drain",
            "preset",
            "save_as",
        ),
        *("explain", "dry_run", "json", "quiet", "verbose", "debug", "help"),
    ]
)
# One of the first options on the command line replaces all of both that the preset has.
RIVALS = (
    (("scale", "size", "long_side", "short_side", "megapixels"), ("fit",)),
    (("model", "model_file"), ("prior", "lora", "twin")),
)


class PresetError(SrcliError):
    """A preset that does not exist, cannot be read or has invalid options."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Option:
    """An option that a preset can have.

    key: its long name without dashes.
    parameter: its name in the command's code.
    kind: `flag`, `list` or `value`.
    """

    key: str
    parameter: str
    kind: str

    def accepts(self, value: Any) -> bool:
        if self.kind == "flag":
            return isinstance(value, bool)
        if self.kind == "list":
            return isinstance(value, list) and all(isinstance(each, str) for each in value)
        return isinstance(value, str | int | float) and not isinstance(value, bool)


@dataclass(frozen=True, slots=True)
class Preset:
    """A preset. options: values by key."""

    name: str
    path: Path
    options: dict[str, Any]

    def __str__(self) -> str:
        return " ".join(_shown(key, value) for key, value in self.options.items()) or "no options"


def options_of(parameters: Iterable[Any]) -> dict[str, Option]:
    """The options of a command that a preset can have, by key."""
    found = {}
    for each in parameters:
        if each.name not in PER_RUN and each.opts[-1].startswith("--"):
            kind = "flag" if each.is_flag else "list" if each.multiple else "value"
            found[each.opts[-1].removeprefix("--")] = Option(each.opts[-1].removeprefix("--"), each.name, kind)
    return found


def folder() -> Path:
    """Where presets are kept. Raises PresetError."""
    try:
        return userfolders.config() / "presets"
    except userfolders.NoHome as error:
        raise PresetError(f"{error} for presets, or give a file: --preset ./NAME.toml") from None


def names() -> list[str]:
    """The names of all presets, sorted."""
    try:
        return sorted(path.stem for path in folder().glob("*.toml") if NAME.fullmatch(path.stem))
    except (PresetError, OSError):
        return []


def path_of(name: str) -> Path:
    """The file of a preset. name: that of a saved preset, or a path if it ends in .toml. Raises PresetError."""
    return Path(name) if name.endswith(".toml") else saved_path(name)


def saved_path(name: str) -> Path:
    """The file of a saved preset. Raises PresetError."""
    if not NAME.fullmatch(name):
        raise PresetError(f"a preset's name may only have letters, digits, '.', '_' and '-', unlike {name!r}")
    return folder() / f"{name}.toml"


def read(name: str, known: Mapping[str, Option]) -> Preset:
    """A preset by its name or path. known: the options that it can have, by key. Raises PresetError."""
    path = path_of(name)
    try:
        options = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise PresetError(_unknown(name)) from None
    except OSError as error:
        raise PresetError(f"the preset {path} cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise PresetError(f"the preset {path} is not TOML: {str(error)[:200]}; correct it or remove it") from None
    for key, value in options.items():
        if key not in known:
            raise PresetError(f"the preset {path} has an unknown option {key!r}{_nearest(key, known)}")
        if not known[key].accepts(value):
            wanted = {"flag": "true or false", "list": "a list of texts", "value": "a text or a number"}[
                known[key].kind
            ]
            raise PresetError(f"the preset {path}: {key} must be {wanted}, not {value!r}"[:300])
    return Preset(path.stem, path, options)


def save(name: str, options: Mapping[str, Any], *, overwrite: bool) -> Preset:
    """Write a preset. options: values by key. Raises PresetError, or WriteError."""
    path = path_of(name)
    if path.exists() and not overwrite:
        raise PresetError(f"the preset {path.stem} exists, in {path}; use -y to replace it")
    lines = ["# Options of srcli upscale. Use them with: srcli upscale --preset " + path.stem]
    text = "\n".join(lines + [f"{key} = {_toml(value)}" for key, value in options.items()]) + "\n"
    try:
        tomllib.loads(text)
    except ValueError:
        raise PresetError("a preset cannot hold names that are not Unicode; rename the file") from None
    files.make_folder(path.parent)
    files.write_text(path, text)
    return Preset(path.stem, path, dict(options))


def remove(name: str) -> Path:
    """Remove a saved preset. Raises PresetError."""
    path = saved_path(name.removesuffix(".toml"))
    try:
        path.unlink()
    except FileNotFoundError:
        raise PresetError(_unknown(name)) from None
    except OSError as error:
        raise PresetError(f"the preset {path} cannot be removed: {error.strerror or error}") from None
    return path


def _unknown(name: str) -> str:
    if name.endswith(".toml"):
        return f"the preset {name} does not exist"
    saved = names()
    among = f" among {', '.join(saved)}" if saved else ""
    return f"no preset {name!r}{among}{_nearest(name, saved) or f'; save it with: srcli upscale --save-preset {name}'}"


def _nearest(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), 1)
    return f"; did you mean {close[0]}?" if close else ""


def _shown(key: str, value: Any) -> str:
    """An option as it is typed."""
    import shlex

    if isinstance(value, bool):
        return f"--{key}" if value else f"--no-{key}"
    values: Sequence[Any] = value if isinstance(value, list) else [value]
    return " ".join(f"--{key} {shlex.quote(f'{each:g}' if isinstance(each, float) else str(each))}" for each in values)


def _toml(value: Any) -> str:
    """A value in TOML; JSON's strings and lists of strings are a subset of it."""
    return repr(value) if isinstance(value, float) else json.dumps(value)
