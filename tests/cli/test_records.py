"""What --json prints follows its published schema, whatever happens."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from srcli import schema
from srcli.batch.records import Record
from srcli.cli import app
from srcli.errors import SrcliError
from srcli.provenance import Facts
from tests.support.command import photo, srcli
from tests.support.places import EXAMPLES

SCHEMA = json.loads(schema.text())
KINDS = SCHEMA["$defs"]


def checked(text: str) -> list[dict]:
    """The records of an output; each must follow the schema and have no key that it does not describe."""
    records = [json.loads(line) for line in text.splitlines()]
    for record in records:
        Draft202012Validator(SCHEMA).validate(record)
        assert set(record) <= set(KINDS[record["kind"]]["properties"])
        assert set(record.get("facts", {})) <= set(KINDS["facts"]["properties"])
        if "reason" in record:
            assert record["reason"] in KINDS["reasons"]["enum"]
    assert records
    return records


def test_the_command_prints_a_valid_schema():
    result = srcli("schema")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == SCHEMA
    Draft202012Validator.check_schema(SCHEMA)
    for kind in ("file", "summary", "error", "shown"):
        assert KINDS[kind]["properties"]["schema"]["const"] == schema.VERSION


def test_every_key_of_the_code_is_described():
    assert {f.name for f in fields(Record)} | {"schema", "kind"} == set(KINDS["file"]["properties"])
    assert {f.name for f in fields(Facts)} | {"tool"} == set(KINDS["facts"]["properties"])
    for kind in KINDS.values():
        for name, described in kind.get("properties", {}).items():
            assert "description" in described or "$ref" in described or name in ("kind", "tool")


def subclasses(kind: type) -> Iterator[type]:
    for each in kind.__subclasses__():
        yield each
        yield from subclasses(each)


def test_every_reason_of_an_error_is_listed():
    import srcli.batch.degrade
    import srcli.cli.commands.train
    import srcli.service
    import srcli.upscaler  # noqa: F401  # so that the errors exist

    known = set(KINDS["reasons"]["enum"])
    found = {each.reason for each in subclasses(SrcliError) if each.__module__.startswith("srcli.") and each.reason}
    assert found <= known
    assert len(found) > 10


def test_done_skipped_failed_and_planned_files(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    photo(folder / "a.png")
    photo(folder / "b.tif", mode="L")
    (folder / "c.png").write_text("no picture")
    (folder / "d.jpg").write_bytes(b"")
    planned = checked(srcli("upscale", folder, "-o", tmp_path / "out", "-s", 2, "--json", "--dry-run").stdout)
    assert [r.get("status") for r in planned] == ["planned", "planned", "failed", "failed", None]
    result = srcli("upscale", folder, "-o", tmp_path / "out", "-s", 2, "--json")
    *files, summary = checked(result.stdout)
    assert [(r["status"], r["exit_code"]) for r in files] == [("done", 0), ("done", 0), ("failed", 1), ("failed", 1)]
    assert [r.get("reason") for r in files] == [None, None, "unreadable", "unreadable"]
    assert not any(r["retryable"] for r in files[2:])
    assert (summary["exit_code"], summary["failed"]) == (
        result.exit_code,
        [str(folder / n) for n in ("c.png", "d.jpg")],
    )
    again = checked(srcli("upscale", folder, "-o", tmp_path / "out", "-s", 2, "--json").stdout)
    assert [(r.get("status"), r.get("reason")) for r in again[:2]] == [("skipped", "unchanged")] * 2
    other = checked(srcli("upscale", folder, "-o", tmp_path / "out", "-s", 2, "--json", "--no-ledger").stdout)
    assert [(r.get("status"), r.get("reason")) for r in other[:2]] == [("skipped", "unchanged")] * 2


def test_frames_choices_and_guards_follow_it(tmp_path):
    from PIL import Image

    frames = [Image.new("RGB", (16, 12), (i * 60, 90, 200)) for i in range(3)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:], duration=50)
    record, _ = checked(srcli("upscale", tmp_path / "a.gif", "-s", 2, "--json").stdout)
    assert record["frames"] == 3
    assert "choice" in record


def test_degrade_follows_it(tmp_path):
    result = srcli("degrade", EXAMPLES / "cat.png", "-o", tmp_path / "a.png", "--json")
    record, summary = checked(result.stdout)
    assert (record["status"], summary["preset"]) == ("done", "moderate")


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (["upscale", "nothere.png"], 1, "missing"),
        (["upscale", "a.png", "-s", "0"], 2, "usage"),
        (["upscale", "a.png", "-n", "nothing"], 2, "unknown-model"),
        (["upscale", "a.png", "--device", "warp"], 2, "device"),
        (["upscale", "a.png", "--max-pixels", "0.0001"], 1, "too-large"),
        (["upscale", "a.png", "-o", "/proc/x.png"], 1, "not-writable"),
        (["upscale"], 2, "usage"),
        (["upscale", "a.png", "-m", "nothere.pth"], 4, "weights"),
        (["show", "a.png"], 1, "no-provenance"),
        (["degrade", "a.png", "--preset", "nothing"], 2, "usage"),
        (["models", "show", "nothing"], 2, "unknown-model"),
    ],
)
def test_what_stops_a_command_follows_it(tmp_path, monkeypatch, arguments, code, reason):
    monkeypatch.chdir(tmp_path)
    photo(Path("a.png"))
    result = srcli(*arguments, "--json")
    assert result.exit_code == code, result.output
    first = checked(result.stdout)[0]
    assert (first["reason"], first["exit_code"]) == (reason, code)
    assert first["error"] in result.stderr.replace("\n", "")


@pytest.mark.parametrize(
    "arguments",
    [
        ["upscale", "a.png", "--nothing"],
        ["upscale", "a.png", "--scale", "many"],
        ["upscale", "a.png", "--quality", "200"],
        ["bench", "--nothing"],
        ["nothing"],
        ["show"],
        ["models", "nothing"],
    ],
)
def test_a_wrong_command_line_is_one_record(arguments, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["srcli", *arguments, "--json"])
    with pytest.raises(SystemExit) as end:
        app.main()
    said = capsys.readouterr()
    assert end.value.code == 2
    (record,) = checked(said.out)
    assert (record["kind"], record["reason"], record["exit_code"]) == ("error", "usage", 2)
    assert said.err == f"srcli: {record['error']}\n"


def test_without_json_a_wrong_command_line_prints_nothing_on_stdout(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["srcli", "upscale", "a.png", "--nothing"])
    with pytest.raises(SystemExit) as end:
        app.main()
    assert (end.value.code, capsys.readouterr().out) == (2, "")
