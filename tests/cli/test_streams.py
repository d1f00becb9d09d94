"""Standard streams that are full or closed: one sentence, the right exit code, no traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from srcli import files
from tests.support.command import photo

pytestmark = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full and a POSIX shell")
UPSCALE = "upscale a.png -s 2 -n bicubic --threads 1"


def run(folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    """Run a shell line in which SRCLI stands for the command."""
    photo(folder / "a.png")
    line = command.replace("SRCLI", f"{sys.executable} -m srcli")
    environment = os.environ | {"OMP_NUM_THREADS": "1", "NO_COLOR": "1"}
    made = subprocess.run(
        ["bash", "-c", line], cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    for said in (made.stdout, made.stderr):
        assert "Traceback" not in said
        assert "Exception ignored" not in said
    return made


@pytest.mark.parametrize("options", ["", "--json"])
def test_a_full_disk_behind_stdout(tmp_path, options):
    made = run(tmp_path, f"SRCLI {UPSCALE} {options} > /dev/full")
    assert (made.returncode, made.stderr) == (1, "srcli: cannot write standard output: No space left on device\n")
    assert (tmp_path / "a_x2.png").exists()


def test_a_closed_stdout_is_silence_for_people(tmp_path):
    made = run(tmp_path, f"SRCLI {UPSCALE} >&-")
    assert (made.returncode, made.stderr) == (0, "")
    assert (tmp_path / "a_x2.png").exists()


@pytest.mark.parametrize("command", [f"SRCLI {UPSCALE} --json >&-", "SRCLI upscale - -s 2 -f png < a.png >&-"])
def test_data_for_a_closed_stdout_is_an_error(tmp_path, command):
    made = run(tmp_path, command)
    assert (made.returncode, made.stderr) == (1, "srcli: standard output is closed\n")


@pytest.mark.parametrize("where", ["2>&-", "2>/dev/full"])
def test_without_stderr_the_exit_code_and_the_records_remain(tmp_path, where):
    made = run(tmp_path, f"SRCLI upscale nothere.png -s 2 --json {where}")
    first = json.loads(made.stdout.splitlines()[0])
    assert (made.returncode, first["reason"]) == (1, "missing")
    assert run(tmp_path, f"SRCLI bench --nothing {where}").returncode == 2
    assert run(tmp_path, f"SRCLI show a.png {where}").returncode == 1


def test_a_closed_stream_gives_its_number_to_no_file(tmp_path):
    """Everything printed would go into it."""
    made = run(tmp_path, "SRCLI upscale a.png -s 2 -n bicubic <&- >&- 2>&-")
    assert (made.returncode, made.stdout, made.stderr) == (0, "", "")
    assert (tmp_path / "a_x2.png").read_bytes()[:4] == b"\x89PNG"


def test_a_picture_for_a_full_stdout_fails(tmp_path):
    made = run(tmp_path, "SRCLI upscale - -s 2 -f png -n bicubic < a.png > /dev/full")
    assert made.returncode == 1
    assert "cannot write standard output: No space left on device" in made.stderr


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path):
    made = run(tmp_path, "SRCLI upscale - -s 2 -f png -n bicubic < a.png | head -c 8 | wc -c; exit ${PIPESTATUS[0]}")
    assert (made.returncode, made.stdout.strip()) == (0, "8")


@pytest.mark.parametrize("command", ["--help", "--version", "schema", "models list"])
def test_every_command_says_that_stdout_is_full(tmp_path, command):
    made = run(tmp_path, f"SRCLI {command} > /dev/full")
    assert (made.returncode, made.stderr) == (1, "srcli: cannot write standard output: No space left on device\n")


def test_a_device_is_no_folder(tmp_path):
    made = run(tmp_path, "SRCLI upscale a.png -o /dev/full")
    assert (made.returncode, made.stderr) == (2, "srcli: /dev/full is a device; use -o - for standard output\n")


READ_ONLY = """
mount -o remount,ro,bind / || exit 77
cat a.png | SRCLI upscale - -s 2 -f png -n bicubic | head -c 4 | tail -c 3 || exit 1
mount -t tmpfs -o ro none /dev/shm
SRCLI upscale - -s 2 -f png -n bicubic < a.png
exit $?
"""


def test_a_read_only_root_with_a_pipe(tmp_path):
    """The result is staged in shared memory; where that is read-only too, one sentence."""
    photo(tmp_path / "a.png")
    inner = READ_ONLY.replace("SRCLI", f"{sys.executable} -m srcli")
    script = tmp_path / "inner.sh"
    script.write_text(inner)
    made = subprocess.run(
        ["unshare", "-rm", "bash", str(script)], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    if made.returncode == 77 or "unshare" in made.stderr:
        pytest.skip("needs user namespaces")
    assert made.stdout == "PNG"
    assert made.returncode == 1
    assert "no temporary folder can be written; set TMPDIR to a folder that can" in made.stderr
    assert "Traceback" not in made.stderr


def test_temporary_folders_fall_back_to_shared_memory(tmp_path, monkeypatch):
    import tempfile

    real = tempfile.TemporaryDirectory

    def without_usual(*arguments: object, dir: str | None = None, **options: object):
        if dir is None:
            raise FileNotFoundError("no usable temporary directory")
        return real(*arguments, dir=dir, **options)

    monkeypatch.setattr(tempfile, "TemporaryDirectory", without_usual)
    monkeypatch.setattr(files, "SHARED_MEMORY", str(tmp_path))
    with files.temporary_folder() as folder:
        assert Path(folder).parent == tmp_path
    monkeypatch.setattr(files, "SHARED_MEMORY", str(tmp_path / "nothere"))
    with pytest.raises(files.WriteError, match="TMPDIR"):
        files.temporary_folder()
