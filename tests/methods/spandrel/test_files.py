"""Community models in files: through the whole program, and safely."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from srcli import Upscaler
from srcli.checkpoints.family import ConvertError
from srcli.methods.spandrel import library
from srcli.weights import extras
from srcli.weights.convert import convert
from tests.methods.spandrel import steps
from tests.support.command import photo, srcli
from tests.support.places import EXAMPLES

pytest.importorskip("einops", reason="needs the extra spandrel")
if not library.installed():
    pytest.skip("needs the extra spandrel", allow_module_level=True)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return steps.saved(tmp_path_factory.mktemp("plksr") / "4x-Toy PLKSR.pth", steps.plksr())


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Folders of its own for weights and settings."""
    for name, value in {"SRCLI_HOME": "home", "XDG_CONFIG_HOME": "config"}.items():
        monkeypatch.setenv(name, str(tmp_path / value))
    monkeypatch.delenv("SRCLI_MANIFEST", raising=False)
    return tmp_path


def record(*arguments: object) -> dict:
    result = srcli("upscale", *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout.splitlines()[0])


def test_a_picture_through_a_random_network(file, tmp_path):
    """Its result is the network's own, and the record says how close tiles are."""
    out = tmp_path / "out.png"
    told = record(EXAMPLES / "cat.png", "-m", file, "-s", 2, "-o", out, "--precision", "fp32")
    assert (told["guarded_tiles"], told["bounded_tiles"]) == (0, told["tiles"])
    facts = told["facts"]
    assert (facts["method"], facts["tiling"], facts["network_scale"]) == ("spandrel", "bounded", 2)
    assert facts["model"] == "4x-Toy PLKSR"
    with Image.open(EXAMPLES / "cat.png") as cat, Image.open(out) as made:
        pixels, shown = np.asarray(cat.convert("RGB"), np.float32) / 255, np.asarray(made, np.float32)
    with torch.inference_mode():
        wanted = steps.plksr()(torch.from_numpy(pixels).permute(2, 0, 1)[None]).clamp(0, 1)
    wanted = wanted[0].permute(1, 2, 0).numpy() * 255
    assert np.abs(shown - wanted).max() <= 0.51
    repeated = pixels.repeat(2, 0).repeat(2, 1) * 255
    assert np.abs(wanted - repeated).max() > 1  # the network does something


def test_names_scales_and_the_guard(file, tmp_path):
    told = record(photo(tmp_path / "a.png"), "-n", f"spandrel:{file}", "-s", 1.5, "-o", tmp_path / "b.png")
    assert told["facts"]["resampling"]
    assert srcli("upscale", tmp_path / "a.png", "-m", file, "-s", 3).exit_code == 2
    wild = steps.saved(tmp_path / "wild.pth", steps.network("SPAN", "SPAN", num_in_ch=3, num_out_ch=3, upscale=2,
                       feature_channels=16, img_range=1.0))  # fmt: skip
    told = record(photo(tmp_path / "c.png"), "-m", wild, "-s", 2, "-o", tmp_path / "d.png")
    assert told["guarded_tiles"] == told["tiles"]


def test_a_transformer_of_windows(tmp_path):
    made = steps.network("SwinIR", "SwinIR", img_size=16, embed_dim=12, depths=[2], num_heads=[2], window_size=8,
                         upscale=2, upsampler="pixelshuffledirect")  # fmt: skip
    path = steps.saved(tmp_path / "swin.pth", made, wrapping="params")
    assert Upscaler.from_file(path).upscale(photo(tmp_path / "a.png", 21, 30), 2).size == (60, 42)


def test_native_families_come_first(tmp_path):
    """ESRGAN is ours, exact in tiles where it can be; by spandrel: it is spandrel's."""
    made = steps.network("ESRGAN", "ESRGAN", num_filters=16, num_blocks=1, scale=4)
    path = steps.saved(tmp_path / "esrgan.pth", made, wrapping="")
    assert convert(path).pipeline == "realesrgan"
    named = Upscaler(f"spandrel:{path}", device="cpu", precision="fp32")
    assert named.entry.pipeline == "spandrel"
    picture = np.asarray(Image.open(photo(tmp_path / "a.png")))
    ours = Upscaler.from_file(path, device="cpu", precision="fp32").upscale(picture, 4)
    assert np.abs(named.upscale(picture, 4).astype(int) - ours).max() <= 1


def test_converted_files_and_batches(file, tmp_path):
    out = tmp_path / "plksr.safetensors"
    assert srcli("models", "convert", file, "-o", out).exit_code == 0
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a", "b"):
        photo(folder / f"{name}.png")
    for number, model in enumerate((file, out)):
        result = srcli("upscale", folder, "-m", model, "-s", 2, "-o", tmp_path / str(number), "--strip")
        assert result.exit_code == 0, result.output
    for name in ("a_x2.png", "b_x2.png"):
        assert (tmp_path / "0" / name).read_bytes() == (tmp_path / "1" / name).read_bytes()


def test_bench_takes_them(file, tmp_path):
    (tmp_path / "photos").mkdir()
    photo(tmp_path / "photos" / "a.png", 48, 48)
    plain = file.rename(file.with_name("toy.pth"))
    try:
        models = f"bicubic,spandrel:{plain}"
        result = srcli("bench", "--models", models, "--data", tmp_path / "photos", "--scales", 2, "--json")
    finally:
        plain.rename(file)
    assert result.exit_code == 0, result.output
    assert "toy" in result.output


def test_code_in_a_file_is_not_run(tmp_path):
    class Harm:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "harm"),)

    torch.save({"params": steps.plksr().state_dict(), "x": Harm()}, tmp_path / "a.pth")
    for name in (str(tmp_path / "a.pth"), f"spandrel:{tmp_path / 'a.pth'}"):
        how = ("-n", name) if name.startswith("spandrel:") else ("-m", name)
        result = srcli("upscale", photo(tmp_path / "a.png"), *how, "-s", 2)
        assert result.exit_code == 4, result.output
        assert "may be code, so it is not opened" in " ".join(result.output.split())
    assert not (tmp_path / "harm").exists()


def test_what_makes_no_pictures_is_refused(tmp_path):
    grey = steps.saved(tmp_path / "grey.pth", steps.network("DnCNN", "DnCNN", nb=4), wrapping="")
    with pytest.raises(ConvertError, match="takes 1 channels and makes 1, not 3 and 3"):
        convert(grey)
    state = steps.plksr().state_dict()
    torch.save(state | {"feats.1.refine.weight": torch.zeros(1)}, tmp_path / "broken.pth")
    with pytest.raises(ConvertError, match=r"broken\.pth looks like architectures of spandrel, but"):
        convert(tmp_path / "broken.pth")
    state["feats.0.weight"] = torch.full_like(state["feats.0.weight"], torch.nan)
    torch.save(state, tmp_path / "nan.pth")
    with pytest.raises(ConvertError, match="not finite"):
        convert(tmp_path / "nan.pth")
    torch.save({"unheard.of": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(ConvertError, match="holds an unknown network"):
        convert(tmp_path / "other.pth")


def test_without_the_extra(file, tmp_path, monkeypatch):
    converted = tmp_path / "made.safetensors"
    assert srcli("models", "convert", file, "-o", converted).exit_code == 0
    library.architectures.cache_clear()
    monkeypatch.setattr(library, "installed", lambda: False)
    monkeypatch.setattr(extras, "installed", lambda extra: False)
    try:
        for path in (file, converted):
            result = srcli("upscale", photo(tmp_path / "a.png"), "-m", path, "-s", 2)
            assert result.exit_code == 4, result.output
            assert "pip install 'srcli[spandrel]'" in " ".join(result.output.split())
    finally:
        monkeypatch.undo()
        library.architectures.cache_clear()


ALONE = """
import sys
sys.modules["torchvision"] = None
from srcli.methods.spandrel import library
found = list(library.architectures())
assert sys.modules["torchvision"] is None
print(*found)
"""


def test_two_architectures_alone_need_torchvision():
    """The others come from spandrel's own modules, in the order of its registry; torchvision is not imitated."""
    done = subprocess.run([sys.executable, "-c", ALONE], capture_output=True, text=True, check=True)
    found = done.stdout.split()
    named = [kind.removesuffix("Arch") for _, kind in library._named(library._folder() / "__helpers/main_registry.py")]
    assert len(found) >= 38
    assert set(named) - set(found) == {"LaMa", "RestoreFormer"}
    assert found == [name for name in named if name in found]


def test_a_folder_of_models(here, file):
    folder = here / "models"
    folder.mkdir()
    (folder / "bad.pth").write_text("nothing")
    (folder / "notes.txt").write_text("nothing")
    (folder / file.name).write_bytes(file.read_bytes())
    steps.saved(folder / "second.pth", steps.plksr(4))
    result = srcli("models", "add", folder, "--json")
    assert result.exit_code == 3, result.output
    told = {line.get("name") or "bad": line for line in map(json.loads, result.stdout.splitlines())}
    assert {name: line["status"] for name, line in told.items()} == {
        "bad": "failed", "4x-Toy-PLKSR": "added", "second": "added",
    }  # fmt: skip
    assert told["second"]["scales"] == [1.0, 4.0]
    made = record(photo(here / "a.png"), "-n", "4x-Toy-PLKSR", "-s", 2, "-o", here / "b.png")
    assert made["facts"]["weights"] == {"generator": told["4x-Toy-PLKSR"]["sha256"]}
    again = srcli("models", "add", folder / "second.pth", folder / file.name, "--json")
    assert again.exit_code == 0
    assert all(json.loads(line)["status"] == "skipped" for line in again.stdout.splitlines())
    assert srcli("models", "add", file, "--as", "toy").exit_code == 0
    assert srcli("models", "verify", "toy").exit_code == 0
    assert "toy" in srcli("models", "list").stdout
    for arguments, said in [
        ((here / "nowhere",), "does not exist"),
        ((folder, "--as", "x"), "--as names one model, and there are 3"),
        ((file, "--as", "second"), "there is a model second already"),
        ((here / "config",), "holds no weights"),
    ]:
        refused = srcli("models", "add", *arguments)
        assert refused.exit_code in (2, 4)
        assert said in " ".join(refused.output.split())
