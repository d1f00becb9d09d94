"""The page of `srcli compare --blind`: pairs of unnamed versions side by side, votes, and their table.

Which version is whose is in the page as well, encoded with a salt so that nobody sees it by accident. It keeps nothing
from someone who wants to know.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

from srcli import files
from srcli.errors import SrcliError
from srcli.report import page

DATA = re.compile(r'<script id="data" type="application/json">(.*?)</script>', re.DOTALL)


class PageError(SrcliError):
    """A file that is not a page of a blind comparison."""

    exit_code = 2


def write(out: Path, scenes: Sequence[dict], pairs: Sequence[Sequence[int]], secret: dict[str, Any]) -> None:
    """Write a self-contained page.

    scenes: {name, width, height, shots: [source], input: source or null} each; shots are unnamed.
    pairs: scene, shot on the left, shot on the right.
    secret: what the page must not show before the last vote: {names, order, file}. `order` has for each scene the
        candidates of its shots; `file` is the content of a file of votes.
    """
    salt = secrets.token_bytes(16)
    key = _mixed(json.dumps(secret).encode(), salt)
    data = {"scenes": list(scenes), "pairs": [list(pair) for pair in pairs], "salt": _text(salt), "key": _text(key)}
    files.make_folder(out.parent)
    files.write_text(out, page.fill("blind.html", data))


def read(path: Path) -> tuple[list[dict], list[list[int]], dict[str, Any]]:
    """Scenes, pairs and secret of a page. Raises PageError."""
    try:
        found = DATA.search(path.read_text(encoding="utf-8"))
        data = json.loads(found[1]) if found else {}
        secret = json.loads(_mixed(base64.b64decode(data["key"]), base64.b64decode(data["salt"])))
        return data["scenes"], data["pairs"], secret
    except OSError as error:
        raise PageError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, KeyError) as error:
        raise PageError(f"{path} is not a page of srcli compare --blind") from error


def _mixed(data: bytes, salt: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(data, cycle(salt), strict=False))


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
