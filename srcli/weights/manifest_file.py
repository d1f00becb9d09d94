"""Read manifest files. Their content is not trusted: types are checked, and names that leave their folder refused."""

from __future__ import annotations

import datetime
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from srcli.methods.registry import methods
from srcli.weights.entries import Drive, Embedded, Entry, Hub, ManifestError, Origin, Part, Url

T = TypeVar("T")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
REPO = re.compile(r"(?!.*--)[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}(?<![.-])", re.ASCII)
REVISION = re.compile(r"[\w][\w./-]*")
DRIVE = re.compile(r"[\w-]{10,100}")
SUFFIXES = (".safetensors", ".pth", ".pt", ".ckpt")
LOOPBACK = ("127.0.0.1", "::1", "localhost")
ENTRY_KEYS = frozenset(
    ("aliases", "purpose", "pipeline", "scales", "paper", "licence", "commercial", "measured", "page", "needs", "parts")
)
PART_KEYS = frozenset(("file", "bytes", "sha256", "sources", "architecture", "plain"))
MAX_NUMBER = 2**50
KINDS = {str: "text", int: "a whole number", bool: "true or false", list: "a list", dict: "a table"}
AUTO = "auto"  # the pipeline that picks a model for each picture
DEVICES = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")  # names reserved by Windows


def read(path: Path) -> tuple[str | None, list[Entry]]:
    """The default model's name, if the file sets one, and the entries. Raises ManifestError."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ManifestError(f"cannot read the manifest {path}: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise ManifestError(f"the manifest {path} is not TOML: {error}") from None
    return parse(text, path)


def parse(text: str, path: Path) -> tuple[str | None, list[Entry]]:
    """Like `read`, from the text of the file. `path` is for errors."""
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"the manifest {path} is not TOML: {str(error)[:300]}") from None
    root = _Table(f"{path}", table)
    root.only({"default", "models"})
    default, models = root.get("default", str, ""), root.get("models", dict, {})
    return default or None, [_entry(_Table(f"{path}: {name}", root.inside(models, name)), name) for name in models]


class _Table:
    """A TOML table and its name, for errors."""

    def __init__(self, where: str, values: Mapping[str, Any]) -> None:
        self.where, self.values = where, values

    def error(self, text: str) -> ManifestError:
        return ManifestError(f"{self.where}: {text}")

    def only(self, known: set[str] | frozenset[str]) -> None:
        if unknown := sorted(set(self.values) - known):
            raise self.error(f"unknown key {unknown[0]!r}; use {', '.join(sorted(known))}")

    def get(self, key: str, kind: type[T], default: T | None = None) -> T:
        value = self.values.get(key, default)
        if value is None:
            raise self.error(f"{key} is missing")
        if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
            raise self.error(f"{key} must be {KINDS[kind]}, not {value!r}"[:300])
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        values = self.get(key, list, [])
        if not all(isinstance(value, str) for value in values):
            raise self.error(f"{key} must be a list of names")
        return tuple(values)

    def inside(self, values: Mapping[str, Any], key: str) -> Mapping[str, Any]:
        if not isinstance(values[key], dict):
            raise self.error(f"{key} must be a table")
        return values[key]

    def matched(self, key: str, pattern: re.Pattern[str], default: str | None = None) -> str:
        text = self.get(key, str, default)
        if not pattern.fullmatch(text) or ".." in text:
            raise self.error(f"{key} cannot be {text!r}"[:300])
        return text


def _entry(table: _Table, name: str) -> Entry:
    if not NAME.fullmatch(name):
        raise table.error("a model's name may only have letters, digits, '.', '_' and '-'")
    table.only(ENTRY_KEYS)
    parts, pipeline = table.get("parts", dict, {}), table.get("pipeline", str, "")
    method = methods().get(pipeline)
    if not parts and pipeline != AUTO and (method is None or method.parts):
        raise table.error("a model needs at least one part")
    return Entry(
        name=name,
        aliases=table.texts("aliases"),
        purpose=table.get("purpose", str, method.does if method else ""),
        pipeline=pipeline or None,
        scales=_scales(table),
        paper=table.get("paper", str, method.paper if method else ""),
        licence=table.get("licence", str, "unstated"),
        commercial=_commercial(table),
        parts={role: _part(_Table(f"{table.where}.{role}", table.inside(parts, role)), role) for role in parts},
        measured=_measured(table),
        page=table.get("page", str, ""),
        needs=table.get("needs", str, ""),
    )


def _commercial(table: _Table) -> bool | None:
    return None if table.values.get("commercial", "unstated") == "unstated" else table.get("commercial", bool)


def _measured(table: _Table) -> dict[str, Any]:
    """The measured scores: texts, or tables of numbers by scale."""
    found: dict[str, Any] = {}
    for key, value in table.get("measured", dict, {}).items():
        numbers = isinstance(value, dict) and all(_is_number(v) for v in value.values())
        if not (numbers or isinstance(value, str | datetime.date)):
            raise table.error(f"measured.{key} must be text or a table of numbers")
        found[key] = value if numbers else str(value)
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < MAX_NUMBER


def _is_plain(value: Any) -> bool:
    """Whether a value contains only texts, numbers, lists and tables."""
    if isinstance(value, dict):
        return all(_is_plain(v) for v in value.values())
    if isinstance(value, list):
        return all(_is_plain(v) for v in value)
    return isinstance(value, str | bool) or _is_number(value)


def _scales(table: _Table) -> tuple[float, float]:
    scales = table.get("scales", list, [1.0, 1.0])
    numbers = [float(s) for s in scales if _is_number(s)]
    if len(scales) != 2 or len(numbers) != 2 or not 1 <= numbers[0] <= numbers[1] <= 64:
        raise table.error(f"scales must be two numbers from 1 to 64, the lower first, not {scales!r}"[:300])
    return numbers[0], numbers[1]


def _part(table: _Table, role: str) -> Part:
    table.only(PART_KEYS)
    if not NAME.fullmatch(role):
        raise table.error("a part's name may only have letters, digits, '.', '_' and '-'")
    file = table.matched("file", NAME)
    if DEVICES.fullmatch(file):
        raise table.error(f"file cannot be {file!r}, a name reserved by Windows")
    if not file.endswith(SUFFIXES):
        raise table.error(f"file must end in {', '.join(SUFFIXES)}, not be {file}")
    size = table.get("bytes", int, -1)
    if "bytes" in table.values and not 0 < size < MAX_NUMBER:
        raise table.error(f"bytes cannot be {size}"[:300])
    digits = table.matched("sha256", re.compile("[0-9a-f]{8,64}"), "0" * 64).removesuffix("0" * 64)
    whole = len(digits) == 64
    sources = tuple(_source(table, source) for source in table.get("sources", list, [{"embedded": True}]))
    if Embedded() in sources and (len(sources) > 1 or not whole or size < 0):
        raise table.error("an embedded file needs bytes and sha256 and cannot have other sources")
    if not whole and any(isinstance(s, Url) and _plain(s.url) for s in sources):
        raise table.error("a file fetched over plain http needs its full sha256")
    architecture = table.get("architecture", dict, {}) or None
    if not _is_plain(architecture or {}):
        raise table.error("architecture may only contain texts, numbers, lists and tables")
    plain = table.get("plain", bool, False)
    if plain and not file.endswith(".safetensors"):
        raise table.error("plain is for .safetensors files only")
    return Part(
        role,
        file,
        bytes=size if size > 0 else None,
        sha256=digits if whole else None,
        sources=sources,
        starts="" if whole else digits,
        architecture=architecture,
        plain=plain,
    )


def _source(table: _Table, value: Any) -> Origin:
    if not isinstance(value, dict):
        raise table.error("a source must be { url = ... }, { hub = ..., path = ... } or { drive = ... }")
    source = _Table(f"{table.where}: source", value)
    source.only({"embedded", "hub", "path", "revision", "url", "drive"})
    if "hub" in value:
        path = source.get("path", str)
        if not all(NAME.fullmatch(step) for step in path.split("/")):
            raise source.error(f"path cannot be {path!r}"[:300])
        return Hub(source.matched("hub", REPO), path, source.matched("revision", REVISION, "main"))
    if "drive" in value:
        return Drive(source.matched("drive", DRIVE))
    if "url" in value:
        return Url(_checked(source, source.get("url", str)))
    if value != {"embedded": True}:
        raise source.error("one of url, hub and drive is missing")
    return Embedded()


def _checked(source: _Table, url: str) -> str:
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("https", "http") and parts.hostname and not parts.username and parts.port != 0
        (parts.hostname or "").encode("idna")
    except ValueError:
        good = False
    if not good or any(c.isspace() for c in url):
        raise source.error(f"url cannot be {url!r}; it must start with https://"[:300])
    return url


def _plain(url: str) -> bool:
    """Whether the connection is unencrypted, so that the file could be changed on the way."""
    parts = urlsplit(url)
    return parts.scheme == "http" and parts.hostname not in LOOPBACK
