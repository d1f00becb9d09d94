"""Several processes on a folder make every file once, and many files take no more memory than a few."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from srcli import files
from tests.batch.steps import COMMAND, ENVIRONMENT, QUICK, entries, photo, photos, srcli, tree
from tests.support import children


def started(*arguments: object) -> subprocess.Popen:
    command = [*COMMAND, *[str(a) for a in arguments], "--json", *QUICK]
    return children.start(command, text=True, env=ENVIRONMENT)


@pytest.mark.parametrize("more", [[], pytest.param(["-y"], marks=pytest.mark.slow)], ids=["", "overwrite"])
def test_two_processes_on_a_folder_make_every_file_once(tmp_path, more):
    photos(tmp_path / "in", 12, height=24, width=32)
    runs = [started(tmp_path / "in", "-o", tmp_path / "out", *more) for _ in range(2)]
    outputs = [run.communicate(timeout=120) for run in runs]
    assert [run.returncode for run in runs] == [0, 0], outputs
    made = [Path(e["output"]).name for e in entries(tmp_path / "out")]
    assert sorted(made) == [f"{n:03}_x2.png" for n in range(12)]
    assert tree(tmp_path / "out") == set(made)
    lines = [json.loads(line) for out, _ in outputs for line in out.splitlines()]
    assert sum(line.get("status") == "done" for line in lines) == 12


@pytest.mark.slow
def test_shards_at_once_make_every_file_once(tmp_path):
    photos(tmp_path / "in", 6)
    for number in range(6):
        photo(tmp_path / "in" / f"{number:03}.jpg", number)
    runs = [started(tmp_path / "in", "-o", tmp_path / "out", "-f", "png", "--shard", f"{i}/2") for i in (1, 2)]
    counts = [json.loads(run.communicate(timeout=120)[0].splitlines()[-1])["summary"] for run in runs]
    assert [run.returncode for run in runs] == [0, 0]
    assert [set(count) for count in counts] == [{"done"}, {"done"}]
    assert sum(count["done"] for count in counts) == 12
    assert len(entries(tmp_path / "out")) == len(tree(tmp_path / "out")) == 12


def test_one_process_at_a_time_may_make_a_file(tmp_path):
    first, second = files.Claim(tmp_path / "a.png"), files.Claim(tmp_path / "a.png")
    first.take().write(b"first")
    with pytest.raises(files.Taken):
        second.take()
    assert files.sweep(tmp_path) == 0
    first.finish()
    assert tree(tmp_path) == {"a.png"}
    second.take()
    second.drop()
    assert tree(tmp_path) == {"a.png"}


def test_a_result_is_in_the_ledger_before_it_has_its_name(tmp_path, monkeypatch):
    """Else another process that finds the name in between makes the file again."""
    photos(tmp_path / "in", 2)
    known, rename = [], Path.replace

    def renamed(part: Path, to: Path) -> Path:
        if to.suffix == ".png":
            known.append({Path(entry["output"]).name for entry in entries(tmp_path / "out")})
        return rename(part, to)

    monkeypatch.setattr(Path, "replace", renamed)
    assert srcli(tmp_path / "in", "-o", tmp_path / "out").exit_code == 0
    assert known == [{"000_x2.png"}, {"000_x2.png", "001_x2.png"}]


def test_sweeping_does_not_keep_others_from_a_file(tmp_path):
    """A run that clears up holds what it looks at for a moment; that must not look like one that makes the file."""
    code = (
        "import sys; from pathlib import Path; from srcli import files\n"
        "print('sweeping', flush=True)\n"
        "while True: files.sweep(Path(sys.argv[1]))"
    )
    for _ in range(2):
        sweeper = children.start([sys.executable, "-c", code, str(tmp_path)])
        assert sweeper.stdout
        assert sweeper.stdout.readline() == b"sweeping\n"
    for number in range(600):
        claim = files.Claim(tmp_path / f"{number}.png")
        claim.take().write(b"whole")
        claim.finish()
        files.write_text(tmp_path / f"{number}.json", "whole")
    children.end_all()
    assert {p.read_bytes() for p in tmp_path.iterdir()} == {b"whole"}
    assert len(list(tmp_path.iterdir())) == 1200


def test_a_claim_makes_its_folder_again(tmp_path):
    """Another run, whose only file there has failed, removes the folder that it has made."""
    claim = files.Claim(tmp_path / "out" / "a.png")
    claim.take()
    claim.finish()
    assert tree(tmp_path) == {"out/a.png"}


def test_what_is_abandoned_is_never_given_a_name(tmp_path):
    claim = files.Claim(tmp_path / "a.png")
    claim.take().write(b"half")
    files.abandon()
    assert tree(tmp_path) == set()
    other = files.Claim(tmp_path / "a.png")
    other.take()
    with pytest.raises(OSError, match="interrupted"):
        claim.finish()
    claim.drop()
    assert tree(tmp_path) == {other.part.name, other.part.with_suffix(".lock").name}
    with pytest.raises(files.Taken):
        files.Claim(tmp_path / "a.png").take()
    other.drop()
    assert tree(tmp_path) == set()


@pytest.mark.parametrize(("module", "function"), [(os, "open"), (os, "fstat"), (io, "FileIO")])
def test_a_claim_that_is_interrupted_while_it_is_taken_leaves_nothing(tmp_path, monkeypatch, module, function):
    plain = getattr(module, function)

    def interrupted(*arguments):
        plain(*arguments)
        raise KeyboardInterrupt

    claim = files.Claim(tmp_path / "a.png")
    with monkeypatch.context() as patched:
        patched.setattr(module, function, interrupted)
        with pytest.raises(KeyboardInterrupt):
            claim.take()
    assert {Path(name).stem for name in tree(tmp_path)} <= {claim.part.stem}
    files.abandon()
    # filelock before 4.1 may leave its empty file, which the next run sweeps.
    assert [name for name in tree(tmp_path) if not name.endswith(".lock")] == []


def test_what_a_dead_process_leaves_is_taken_over_or_swept(tmp_path):
    code = (
        "import os, sys; from pathlib import Path; from srcli import files\n"
        "for name in ('a', 'b'): files.Claim(Path(sys.argv[1]) / name).take().write(b'half')\n"
        "print('made', flush=True); sys.stdin.read()"
    )
    maker = children.start([sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE)
    assert maker.stdout.readline() == b"made\n"
    assert files.sweep(tmp_path) == 0
    with pytest.raises(files.Taken, match="a is being made by another process"):
        files.Claim(tmp_path / "a").take()
    maker.kill()
    maker.wait()
    assert len(tree(tmp_path)) == 4
    files.write_text(tmp_path / "a", "whole")
    assert files.sweep(tmp_path) == 1
    assert tree(tmp_path) == {"a"}


@pytest.mark.parametrize("number", files.NO_LOCKS)
def test_files_are_written_where_the_file_system_has_no_locks(tmp_path, monkeypatch, number):
    def refused(*_, **__):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("filelock.FileLock.acquire", refused)
    files.write_text(tmp_path / "a", "whole")
    claim = files.Claim(tmp_path / "b")
    claim.take()
    assert files.sweep(tmp_path) == 0
    os.utime(claim.part, (0, 0))  # older than a day
    assert files.sweep(tmp_path) == 1
    assert tree(tmp_path) == {"a"}


@pytest.mark.skipif(os.name == "nt", reason="Windows removes no file that is open")
def test_a_lock_is_taken_from_filelock_and_leaves_no_file(tmp_path):
    import filelock

    claim = files.Claim(tmp_path / "a")
    claim.take()
    other = filelock.FileLock(claim.part.with_suffix(".lock"))
    with pytest.raises(filelock.Timeout):
        other.acquire(timeout=0)
    claim.drop()
    assert tree(tmp_path) == set()


# Long runs


def resident(process: int) -> int:
    """Bytes of memory that a process has now."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")
def test_memory_does_not_grow_with_the_number_of_files(tmp_path):
    photos(tmp_path / "in", 60, height=32, width=40)
    run = started(tmp_path / "in", "-o", tmp_path / "out")
    assert run.stdout is not None
    taken: list[int] = []
    for _ in range(60):
        assert run.stdout.readline()
        taken.append(resident(run.pid))
    run.communicate(timeout=60)
    assert run.returncode == 0
    assert max(taken[50:]) - taken[15] < 20 * 2**20, [t >> 20 for t in taken]
