"""The flow map by the commands: its steps and its detail, what does nothing, its scores."""

from __future__ import annotations

import json

import pytest
from PIL import Image
from safetensors.torch import save_file

from srcli import Upscaler
from srcli.cli.app import app
from srcli.geometry import TargetError
from srcli.tiling.model import Sampling
from srcli.weights import manifest, store
from tests.methods.flowmap.models import CHANGE, change, small
from tests.methods.flowmap.steps import SMALL
from tests.support.command import RUNNER
from tests.support.places import EXAMPLES


@pytest.fixture
def installed(tmp_path, monkeypatch) -> dict[str, manifest.Entry]:
    """Tiny flow maps among the embedded models: with a change and without."""
    parts = {}
    for role, network, architecture in (("velocity", small(), SMALL), ("lora", change(), CHANGE)):
        file = tmp_path / f"{role}.safetensors"
        state = {k: v.contiguous() for k, v in network.state_dict().items()}
        save_file(state, file, {"architecture": json.dumps(architecture)})
        parts[role] = manifest.Part(role, file.name, bytes=file.stat().st_size, sha256=store.sha256(file))
    entries = {}
    for name, roles in (("tiny", ("velocity", "lora")), ("plain", ("velocity",))):
        chosen = {role: parts[role] for role in roles}
        entries[name] = manifest.Entry(
            name=name,
            aliases=(),
            purpose="tests",
            pipeline="flowmap",
            scales=(1.0, 8.0),
            paper="none",
            licence="none",
            commercial=True,
            parts=chosen,
        )
    found = manifest.Manifest("tiny", entries)
    monkeypatch.setattr(manifest, "load", lambda: found)
    monkeypatch.setattr(store, "EMBEDDED", tmp_path)
    return entries


def test_upscale_takes_steps_and_detail_and_tiles_change_nothing(installed, tmp_path, monkeypatch):
    monkeypatch.setattr("srcli.tiling.strips.LIMIT", 100.0)  # random weights do not show what went in

    def made(name: str, *options: object) -> bytes:
        arguments = [EXAMPLES / "cat.png", "-s", 2.5, "-n", "tiny", "--precision", "fp32", "-o", tmp_path / name]
        result = RUNNER.invoke(app, ["upscale", *[str(a) for a in (*arguments, *options)]])
        assert (result.exit_code, result.stderr) == (0, ""), result.output
        return Image.open(tmp_path / name).tobytes()

    sharp = made("sharp.png", "--steps", 2, "--detail", 2)
    assert made("tiled.png", "--steps", 2, "--detail", 2, "--tile", 160) == sharp
    assert len({sharp, made("one.png"), made("four.png", "--steps", 4), made("faithful.png", "--detail", 0)}) == 4


def test_transparent_pictures_take_their_mask_without_the_change(installed):
    image = Image.open(EXAMPLES / "cat.png").convert("RGB").resize((40, 30))
    mask = Image.linear_gradient("L").resize((40, 30))
    image.putalpha(mask)
    upscaler = Upscaler("tiny", precision="fp32")
    masks = [upscaler.upscale(image, 2.0, detail=d).getchannel("A").tobytes() for d in (0.0, 2.0)]
    assert masks[0] == masks[1]


def test_a_model_says_how_far_its_detail_goes(installed):
    for name, most in (("tiny", 2.0), ("plain", 1.0)):
        upscaler = Upscaler(name)
        assert upscaler.settled(Sampling(detail=most)).detail == most
        with pytest.raises(TargetError, match="detail goes from 0"):
            upscaler.settled(Sampling(detail=most + 0.1))
    result = RUNNER.invoke(app, ["upscale", str(EXAMPLES / "cat.png"), "-n", "plain", "--detail", "1.5"])
    assert (result.exit_code, "detail goes from 0 to 1 with plain" in result.stderr) == (2, True)


@pytest.mark.parametrize("option", ["--detail", "--temperature"])
def test_a_map_says_which_options_do_nothing(installed, tmp_path, option):
    """Without a change there is no dial, without noise at the start nothing to sample."""
    arguments = ["upscale", EXAMPLES / "cat.png", "-n", "plain", "-s", 1, option, 0.5, "-o", tmp_path / "a.png"]
    result = RUNNER.invoke(app, [str(a) for a in arguments])
    assert (result.exit_code, f"{option} has no effect on plain" in result.stderr) == (0, True), result.output


def test_bench_scores_steps_and_details(installed):
    options = ["--data", EXAMPLES, "--scale", 4, "--steps", "1,2", "--detail", "0,2", "--metrics", "psnr_y", "--json"]
    result = RUNNER.invoke(app, ["bench", *[str(a) for a in options], "--models", "tiny,plain"])
    assert result.exit_code == 0, result.output
    rows = {row["variant"]: row["psnr_y"] for row in map(json.loads, result.stdout.splitlines())}
    changed = ["tiny steps 1 detail 0", "tiny steps 1 detail 2", "tiny steps 2 detail 0", "tiny steps 2 detail 2"]
    assert list(rows) == [*changed, "plain steps 1", "plain steps 2"]
    assert rows["plain steps 1"] == rows["tiny steps 1 detail 0"]
    assert len(set(rows.values())) == 4
