"""Second runs of `srcli degrade`: what the ledger knows, what is made again, what belongs together."""

from __future__ import annotations

from PIL import Image

from tests.batch.degrade.steps import PRESET, degrade, pictures, statuses
from tests.support.degrading import names, records, saved


def test_a_second_run_skips_what_is_done_whatever_the_engine(engine, folder, tmp_path):
    mark, options = engine
    command = [folder, "-o", tmp_path / "out", "-s", 2, "--json"]
    assert statuses(degrade(*command, *options)) == {"done": 3}
    before = {n: (tmp_path / "out" / n).stat().st_mtime_ns for n in names(tmp_path / "out")}
    for more in ([], ["-y"]):
        again = degrade(*command, *more, *options)
        assert statuses(again) == {"skipped": 3}
        assert "already made from this file" in records(again)[0]["error"]
    assert {n: (tmp_path / "out" / n).stat().st_mtime_ns for n in names(tmp_path / "out")} == before
    saved(folder / "a.png", 80, 90)  # another photo of that name
    changed = degrade(*command, *options)
    assert "from another version of the file or with other settings" in next(
        r["error"] for r in records(changed) if r["input"].endswith("a.png")
    )
    assert statuses(degrade(*command, "-y", *options)) == {"done": 1, "skipped": 2}
    assert statuses(degrade(*command, "-y", "--no-ledger", *options)) == {"done": 3}
    assert Image.open(tmp_path / "out" / f"a_{mark}_x2.png").size == ((45, 40) if mark == "light" else (90, 80))


def test_other_settings_are_another_piece_of_work(folder, tmp_path):
    command = [folder, "-o", tmp_path / "out", *PRESET, "--json"]
    assert statuses(degrade(*command)) == {"done": 3}
    assert statuses(degrade(*command, "--seed", 1)) == {"skipped": 3}
    first = (tmp_path / "out" / "a_light_x4.json").read_text()
    assert statuses(degrade(*command, "--seed", 1, "-y")) == {"done": 3}
    assert (tmp_path / "out" / "a_light_x4.json").read_text() != first


def test_results_in_the_same_folder_are_not_degraded_again(engine, folder):
    mark, options = engine
    degrade(folder, "-s", 2, *options)
    made = names(folder)
    result = degrade(folder, "-s", 2, "--json", *options)
    assert "skipped as results of earlier runs" in result.stderr
    assert statuses(result) == {"skipped": 3}
    degrade(folder, "-s", 2, "-o", folder / "{stem}-low{ext}", *options)
    more = names(folder)
    assert len(more) == len(made) + 6
    result = degrade(folder, "-s", 2, "-o", folder / "{stem}-low{ext}", "--json", *options)
    assert "a-low.png is a result of an earlier run" in result.stderr
    assert statuses(result) == {"skipped": 6}
    assert names(folder) == more
    assert f"a_{mark}_x2.png" in more


def test_parameters_without_their_picture_are_taken_over_if_they_are_the_same(engine, tmp_path):
    mark, options = engine
    source = saved(tmp_path / "a.png")
    degrade(source, "-s", 2, *options)
    picture, told = tmp_path / f"a_{mark}_x2.png", tmp_path / f"a_{mark}_x2.json"
    wanted = picture.read_bytes()
    picture.unlink()  # as a run leaves it that is killed between the two
    degrade(source, "-s", 2, *options)
    assert picture.read_bytes() == wanted
    picture.unlink()
    told.write_text("of somebody else")
    assert "exists; use --overwrite" in degrade(source, "-s", 2, *options).stderr
    assert told.read_text() == "of somebody else"
    assert not picture.exists()


def test_a_picture_without_its_parameters_is_not_done(folder, tmp_path):
    command = [folder, "-o", tmp_path / "out", *PRESET, "--json"]
    degrade(*command)
    (tmp_path / "out" / "a_light_x4.json").unlink()
    assert "a_light_x4.png was made from another version" in degrade(*command).stderr
    assert statuses(degrade(*command, "-y")) == {"done": 1, "skipped": 2}
    assert len(pictures(tmp_path / "out")) == 3
