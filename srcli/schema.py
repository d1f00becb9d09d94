"""The JSON Schema of the records that `--json` prints, and what marks a record as one of its kinds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

VERSION = 1  # raised when a key changes its meaning or goes away; new keys and new words do not raise it
PLACE = Path(__file__).with_name("records.schema.json")


def stamped(kind: str, record: Mapping[str, Any]) -> dict[str, Any]:
    """A record with its kind (file, summary, error or shown) and the version of its schema."""
    return {"schema": VERSION, "kind": kind, **record}


def text() -> str:
    """The schema, as JSON (draft 2020-12)."""
    return PLACE.read_text("utf-8")
