"""--denoise: the mixture of two networks, by name, from files and in Python; refused where there is one network."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
import torch
from PIL import Image

from srcli import Upscaler
from srcli.geometry import Size, TargetError, Window
from srcli.images.metadata import PROCESSING
from srcli.methods import registry
from srcli.methods.realesrgan.model import RealESRGANModel
from srcli.tiling.model import Sampling
from srcli.weights import manifest, store
from srcli.weights.convert import ConvertError
from tests.methods.realesrgan.test_realesrgan import VGG, RRDBNet
from tests.support.command import photo, srcli
from tests.weights.server import digest, running

ARCHITECTURES = {
    "compact": {"kind": "compact", "width": 8, "convs": 3, "scale": 4},
    "esrgan": {"kind": "esrgan", "blocks": 1, "features": 8, "growth": 4, "scale": 2},
}


def saved(network: torch.nn.Module) -> bytes:
    torch.save({"params": network.state_dict()}, buffer := io.BytesIO())
    return buffer.getvalue()


def two(make=VGG) -> list[torch.nn.Module]:
    """Networks of one shape, near enough to the input for the guard to leave them alone."""
    found = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        found.append(make(4).eval().requires_grad_(False))
        with torch.no_grad():
            for weights in list(found[-1].parameters())[-2:]:
                weights.mul_(0.1)
    return found


@pytest.fixture
def files(tmp_path):
    """A network, its twin and one of another kind in files."""
    made = {}
    for name, network in zip(("first", "second", "other"), [*two(), RRDBNet(4)], strict=True):
        made[name] = tmp_path / f"{name}.pth"
        made[name].write_bytes(saved(network))
    return made


@pytest.fixture
def listed(tmp_path, monkeypatch):
    """A server with the two files, and a manifest in which a model has both and another the second alone."""
    with running() as server:
        bodies = dict(zip(("first", "second"), map(saved, two()), strict=True))
        server.files |= {f"/{name}": body for name, body in bodies.items()}
        text = ""
        for model, parts in {"pair": {"generator": "first", "twin": "second"}, "lone": {"generator": "second"}}.items():
            text += f'[models.{model}]\npipeline = "realesrgan"\nscales = [1.0, 4.0]\nlicence = "MIT"\n'
            text += "commercial = true\n"
            for role, name in parts.items():
                text += f'[models.{model}.parts.{role}]\nfile = "{name}.pth"\nsha256 = "{digest(bodies[name])}"\n'
                text += f'bytes = {len(bodies[name])}\nsources = [{{ url = "{server.url}/{name}" }}]\n'
        (tmp_path / "models.toml").write_text(text)
        monkeypatch.setenv("SRCLI_HOME", str(tmp_path / "home"))
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
        monkeypatch.setenv("SRCLI_MANIFEST", str(tmp_path / "models.toml"))
        yield server


@pytest.mark.parametrize("kind", ARCHITECTURES)
@pytest.mark.parametrize("strength", [0.0, 0.3, 0.5, 0.8, 1.0])
def test_the_mixture_is_that_of_the_weights(kind, strength):
    networks = []
    for seed in (1, 2, 3):
        torch.manual_seed(seed)
        networks.append(registry.build(ARCHITECTURES[kind]).eval().requires_grad_(False))
    first, second, between = networks
    states = first.state_dict(), second.state_dict()
    between.load_state_dict({k: strength * states[0][k] + (1 - strength) * states[1][k] for k in states[0]})
    lr, size = torch.rand(1, 3, 20, 24), Size(40, 48)
    with torch.inference_mode():
        made = []
        for model, denoise in ((RealESRGANModel(first, second), strength), (RealESRGANModel(between), None)):
            sampling = Sampling(denoise=denoise)
            features = model.encode(lr, size, None, sampling)
            made.append(model.decode(features, Window.whole(size), size, sampling).picture)
    torch.testing.assert_close(*made, atol=1e-5, rtol=0)
    for network, state in zip((first, second), states, strict=True):  # the two themselves are as they were
        assert all(torch.equal(value, network.state_dict()[key]) for key, value in state.items())


def test_full_strength_is_the_network_itself_and_none_its_twin(files, tmp_path):
    """To the byte, also of the file; and the strengths between differ from both."""
    source = photo(tmp_path / "a.png")

    def made(name: str, *options: object) -> bytes:
        out = tmp_path / "out" / name
        result = srcli("upscale", source, "-o", out, "-s", 3, *options)
        assert result.exit_code == 0, result.output
        return out.read_bytes()

    pair = ("-m", files["first"], "--twin", files["second"])
    plain = made("plain.png", "-m", files["first"])
    assert made("full.png", *pair, "--denoise", 1) == plain == made("unsaid.png", *pair)
    pixels = [Image.open(tmp_path / "out" / "plain.png").tobytes()]
    for name, options in {"none": (*pair, "--denoise", 0), "half": (*pair, "--denoise", 0.5)}.items():
        made(f"{name}.png", *options)
        pixels.append(Image.open(tmp_path / "out" / f"{name}.png").tobytes())
    made("second.png", "-m", files["second"])
    assert pixels[1] == Image.open(tmp_path / "out" / "second.png").tobytes()
    assert len(set(pixels)) == 3


def test_tiles_see_the_same_mixture(files):
    upscaler = Upscaler.from_file(files["first"], twin=files["second"], precision="fp32")
    picture = np.random.default_rng(0).integers(0, 256, (50, 60, 3), dtype=np.uint8)
    whole = upscaler.upscale(picture, 4, denoise=0.4)
    upscaler.engine.tile = 64
    assert np.array_equal(upscaler.upscale(picture, 4, denoise=0.4), whole)
    upscaler.engine.budget = 1  # features of tiles, not of the picture
    assert np.abs(upscaler.upscale(picture, 4, denoise=0.4).astype(int) - whole).max() <= 1


def test_the_strength_is_recorded(files, tmp_path):
    source = photo(tmp_path / "a.jpg")
    words = ("upscale", source, "-s", 2, "-m", files["first"], "--twin", files["second"], "--json")
    records = [json.loads(srcli(*words, "-o", tmp_path / "a_x2.jpg", "--denoise", 0.25).stdout.splitlines()[0])]
    records.append(json.loads(srcli(*words, "-o", tmp_path / "b_x2.jpg").stdout.splitlines()[0]))
    assert [record["denoise"] for record in records] == [0.25, 1.0]
    texts = [Image.open(record["output"]).getexif()[PROCESSING] for record in records]
    assert ["denoise 0.25" in text for text in texts] == [True, False]


def test_a_pulled_model_has_both_files_and_the_dial(listed, tmp_path):
    assert srcli("models", "pull", "pair").exit_code == 0
    shown = srcli("models", "show", "pair", "--json")
    facts = json.loads(shown.stdout)
    assert [file["role"] for file in facts["files"]] == ["generator", "twin"]
    assert (facts["installed"], facts["dials"]) == ("yes", ["denoise"])
    asked = len(listed.asked)
    result = srcli("upscale", photo(tmp_path / "a.png"), "-n", "pair", "--denoise", 0.5, "-o", tmp_path / "b.png")
    assert result.exit_code == 0, result.output
    # Also for the model of the second file alone, under its own role.
    result = srcli("upscale", tmp_path / "a.png", "-n", "lone", "-o", tmp_path / "c.png")
    assert result.exit_code == 0, result.output
    assert len(listed.asked) == asked
    checked = json.loads(srcli("doctor", "--json").stdout)["models"]
    assert {m["name"]: len(m["files"]) for m in checked if m["name"] in ("pair", "lone")} == {"pair": 2, "lone": 1}
    assert not [m for m in checked if "error" in m]


def test_bench_sweeps_the_strength(listed, tmp_path):
    photo(tmp_path / "photos.png", 40, 48)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos.png").rename(tmp_path / "photos" / "a.png")
    words = ("bench", "--data", tmp_path / "photos", "--scale", 2, "--metrics", "psnr_y", "--json", "--models")
    result = srcli(*words, "pair,lone", "--denoise", "0,0.5,1")
    assert result.exit_code == 0, result.output
    rows = {row["variant"]: row["psnr_y"] for row in map(json.loads, result.stdout.splitlines())}
    assert list(rows) == ["pair denoise 0", "pair denoise 0.5", "pair denoise 1", "lone tau own"]
    assert rows["pair denoise 0"] == rows["lone tau own"]
    assert len(set(rows.values())) == 3
    result = srcli(*words, "lone", "--denoise", "0,1")
    assert (result.exit_code, "does not work with any of: lone" in result.output) == (2, True)


def test_a_single_network_refuses_it_and_says_what_to_do(listed, files, tmp_path):
    source = photo(tmp_path / "a.png")
    for named in (("-m", files["first"]), ("-n", "lone")):
        result = srcli("upscale", source, *named, "--denoise", 0.5, "-o", tmp_path / "b.png")
        assert result.exit_code == 2
        said = " ".join(result.stderr.split())
        assert "which is a single network" in said
        assert "-m FILE --twin FILE" in said
        assert "-n realesr-general-x4v3, -n pair" in said
    for name in ("auto", "linf-lp-s"):
        result = srcli("upscale", source, "-n", name, "--denoise", 1, "-o", tmp_path / "b.png")
        assert (result.exit_code, f"denoise does not work with {name}; models" in result.stderr) == (2, True)
    assert not (tmp_path / "b.png").exists()
    with pytest.raises(TargetError, match=r"denoise goes from 0 to 1, not 1\.5"):
        Upscaler.from_file(files["first"], twin=files["second"]).upscale(np.zeros((9, 9, 3), np.uint8), 2, denoise=1.5)


def test_a_file_that_is_no_twin_is_refused(files, tmp_path):
    with pytest.raises(ConvertError, match=r"other\.pth cannot be mixed with .*first\.pth, .* another shape \(kind is"):
        Upscaler.from_file(files["first"], twin=files["other"])
    flow = store.EMBEDDED / "linf-s.safetensors"
    with pytest.raises(ConvertError, match=r"linf-s\.safetensors \(flow, linf\) is no twin of"):
        Upscaler.from_file(files["first"], twin=flow)
    with pytest.raises(ConvertError, match=r"cannot be mixed with another network, so it takes no --twin"):
        Upscaler.from_file(flow, twin=files["first"])
    result = srcli("upscale", photo(tmp_path / "a.png"), "--twin", files["second"])
    assert (result.exit_code, "--twin goes with -m, the file of its network" in result.stderr) == (2, True)
    small, large = (registry.build(ARCHITECTURES["compact"] | {"width": width}) for width in (8, 9))
    with pytest.raises(ValueError, match="different shapes"):
        RealESRGANModel(small, large)


def test_two_files_become_a_model_of_ones_own(files, tmp_path, monkeypatch):
    for name, value in {"SRCLI_HOME": "home", "XDG_CONFIG_HOME": "config"}.items():
        monkeypatch.setenv(name, str(tmp_path / value))
    refused = srcli("models", "import", files["first"], "--twin", files["other"], "--as", "mine")
    assert (refused.exit_code, manifest.user_path().exists()) == (4, False)
    result = srcli("models", "import", files["first"], "--twin", files["second"], "--as", "mine")
    assert result.exit_code == 0, result.output
    picture = np.asarray(Image.open(photo(tmp_path / "a.png")))
    expected = Upscaler.from_file(files["first"], twin=files["second"]).upscale(picture, 4, denoise=0.3)
    assert np.array_equal(Upscaler("mine").upscale(picture, 4, denoise=0.3), expected)
    result = srcli("models", "import", files["first"], "--twin", files["second"], "--as", "realesrgan-x4plus")
    assert (result.exit_code, "has no part 'twin'; it has generator" in result.stderr) == (2, True)
