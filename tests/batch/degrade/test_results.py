"""Results of `srcli degrade`: their formats, metadata, names, and the options that have no effect on them."""

from __future__ import annotations

import json

import numpy as np
from PIL import Image

from tests.batch.degrade.steps import PRESET, degrade
from tests.support.degrading import names, saved


def test_results_have_the_format_that_is_asked_for(engine, tmp_path):
    mark, options = engine
    source = saved(tmp_path / "a.png", mode="RGBA")
    degrade(source, "-s", 2, "-f", "jpg", "--quality", 40, "--background", "black", *options)
    degrade(source, "-s", 2, "-o", tmp_path / "low.webp", *options)
    assert Image.open(tmp_path / f"a_{mark}_x2.jpg").format == "JPEG"
    assert Image.open(tmp_path / "low.webp").format == "WEBP"
    assert (tmp_path / "low.json").exists()
    said = degrade(source, "-f", "png", "-o", tmp_path / "low.webp", *options, code=2).stderr
    assert "--format png contradicts the name low.webp" in said


def test_a_moving_path_is_webp(tmp_path, learned):
    source = saved(tmp_path / "a.png")
    for options in (["-f", "gif"], ["-o", tmp_path / "a.gif"], ["-o", tmp_path / "{stem}_p.png"]):
        said = degrade(source, "--trajectory", "webp", *options, *learned, code=2).stderr
        assert "--trajectory webp writes .webp files" in said
    assert names(tmp_path) == ["a.png"]


def test_metadata_is_kept_with_the_new_size_or_left_out(engine, tmp_path):
    mark, options = engine
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    exif[0x0112] = 6  # to be turned
    exif.get_ifd(0x8769).update({0xA002: 90, 0xA003: 70})
    source = saved(tmp_path / "a.png")
    Image.open(source).save(tmp_path / "a.jpg", exif=exif)
    source.unlink()
    degrade(tmp_path / "a.jpg", "-s", 2, *options)
    made = Image.open(tmp_path / f"a_{mark}_x2.png")
    assert made.size == ((35, 45) if mark == "light" else (70, 90))
    kept = made.getexif()
    assert (kept[0x010F], kept.get(0x0112, 1)) == ("Maker", 1)
    assert (kept.get_ifd(0x8769)[0xA002], kept.get_ifd(0x8769)[0xA003]) == made.size
    degrade(tmp_path / "a.jpg", "-s", 2, "--strip", "-y", *options)
    assert not Image.open(tmp_path / f"a_{mark}_x2.png").getexif()


def test_one_frame_of_several_is_used_and_said_once(tmp_path, learned):
    frames = [Image.fromarray(np.full((64, 64, 3), value, np.uint8)) for value in (20, 120, 220)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    result = degrade(tmp_path / "a.gif", "--scales", "2,3", *learned)
    assert result.stderr.count("the first of 3 frames is used") == 1
    degrade(tmp_path / "a.gif", "--frame", 3, "-o", tmp_path / "third.png", *PRESET)
    assert abs(np.asarray(Image.open(tmp_path / "third.png")).mean() - 220) < 5
    assert "there is no frame 4" in degrade(tmp_path / "a.gif", "--frame", 4, *PRESET, code=1).stderr


def test_scales_of_one_name_are_refused(tmp_path, learned):
    source = saved(tmp_path / "a.png")
    assert (
        "two scales have the same label" in degrade(source, "--scales", "2.1234561,2.1234562", *learned, code=2).stderr
    )
    degrade(source, "--scale", 2.1234561, *learned)
    assert json.loads((tmp_path / "a_degflow_x2.12346.json").read_text())["scale"] == 2.1234561


def test_options_of_the_other_engine_are_told(tmp_path, learned):
    source = saved(tmp_path / "a.png")
    assert "need --model" in degrade(source, "--solver", "rk4", *PRESET, code=2).stderr
    degrade(source, "--scale", 2, "--steps", 3, *learned[:4])
    both = ["--solver", "dopri5", "--steps", 4]
    assert "--steps needs --solver rk4" in degrade(source, *both, *learned[:4], code=2).stderr
    assert json.loads((tmp_path / "a_degflow_x2.json").read_text())["solver"] == {"kind": "rk4", "steps": 3}
    assert "no effect on presets" in degrade(source, "--device", "cpu", *PRESET).stderr
