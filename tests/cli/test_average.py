"""`srcli train average`: the weighted mean of two exported files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from srcli.cli.app import app
from srcli.training.loop import read_metadata
from srcli.weights import store

RUNNER = CliRunner()
ARCHITECTURE = {"kind": "velocity", "width": 8}


def exported(path: Path, seed: int, *, change: dict[str, torch.Tensor] | None = None, **metadata: str) -> Path:
    """A file as `srcli train export` writes it: half precision but for one tensor, and a counter."""
    torch.manual_seed(seed)
    tensors = {"a": torch.randn(4, 3).half(), "exact": torch.randn(5), "count": torch.tensor([7])}
    told = {
        "architecture": json.dumps(ARCHITECTURE),
        "pipeline": "flowsr",
        "role": "velocity",
        "recipe": json.dumps({"name": f"run{seed}", "task": "flowsr"}),
        "steps": str(100 * seed),
        "photos": "2 0123456789abcdef",
        "data": f"photos of {seed}",
        "scores": '{"psnr_y_x2": 30.0}',
        "licence": "Apache-2.0",
    }
    save_file(tensors | (change or {}), path, told | metadata)
    return path


def average(*arguments: object, code: int = 0) -> str:
    result = RUNNER.invoke(app, ["train", "average", *[str(a) for a in arguments]])
    assert result.exit_code == code, result.output
    return " ".join(result.output.split())


@pytest.mark.parametrize(("options", "share"), [([], 0.5), (["--weight", 0.35], 0.35), (["--weight", 1], 1.0)])
def test_the_mean_is_weighted_and_keeps_the_precision_of_tensors(tmp_path, options, share):
    a, b, out = exported(tmp_path / "a.safetensors", 1), exported(tmp_path / "b.safetensors", 2), tmp_path / "o/m.st"
    said = average(a, b, *options, "-o", out)
    one, two, mean = load_file(a), load_file(b), load_file(out)
    assert {k: v.dtype for k, v in mean.items()} == {k: v.dtype for k, v in one.items()}
    for name in ("a", "exact"):
        expected = (1 - share) * one[name].double() + share * two[name].double()
        torch.testing.assert_close(mean[name].double(), expected, rtol=0, atol=2e-3 if name == "a" else 1e-6)
    assert mean["count"].item() == 7
    assert store.sha256(out) in said


def test_the_metadata_name_both_files(tmp_path):
    a, b, out = exported(tmp_path / "a.st", 1), exported(tmp_path / "b.st", 2), tmp_path / "m.st"
    average(a, b, "--weight", 0.6, "-o", out)
    told = read_metadata(out)
    assert json.loads(told["averaged"]) == [
        {"sha256": store.sha256(a), "share": 0.4, "recipe": "run1", "steps": "100"},
        {"sha256": store.sha256(b), "share": 0.6, "recipe": "run2", "steps": "200"},
    ]
    assert told["data"] == "photos of 1; photos of 2"
    assert json.loads(told["scores"]) == {}  # neither file's scores are the mean's
    assert (told["steps"], json.loads(told["architecture"])) == ("200", ARCHITECTURE)


def test_the_mean_of_a_file_with_itself_is_the_file(tmp_path):
    a = exported(tmp_path / "a.st", 1)
    average(a, a, "--weight", 0.3, "-o", tmp_path / "m.st")
    one, mean = load_file(a), load_file(tmp_path / "m.st")
    assert all(torch.equal(one[k], mean[k]) for k in one)


def test_means_of_embedded_weights_run(tmp_path):
    path = store.EMBEDDED / "linf-lp-s.safetensors"
    average(path, path, "-o", tmp_path / "m.safetensors")
    assert store.tensors_sha256(store.load_network(tmp_path / "m.safetensors")) == store.tensors_sha256(
        store.load_network(path)
    )


@pytest.mark.parametrize(
    ("first", "second", "says"),
    [
        ({}, {"architecture": json.dumps(ARCHITECTURE | {"width": 9})}, "different architectures"),
        ({}, {"pipeline": "flowmap"}, "different pipelines: flowsr and flowmap"),
        ({}, {"role": "lora"}, "different roles: velocity and lora"),
        ({}, {"licence": "CC BY-NC 4.0"}, "different licences"),
        ({"role": "prior", "flow": "aa"}, {"role": "prior", "flow": "bb"}, "belong to different flows"),
        ({"role": "prior", "flow": "aa"}, {"role": "prior"}, "belong to different flows"),
        ({"role": "flow", "autoencoder": "aa"}, {"role": "flow", "autoencoder": "bb"}, "different autoencoders"),
        ({}, {"change": {"other": torch.zeros(1)}}, "the same tensors"),
        ({}, {"change": {"count": torch.tensor([8])}}, "count differs"),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_files_that_have_no_mean_are_one_sentence(tmp_path, first, second, says):
    a, b = exported(tmp_path / "a.st", 1, **first), exported(tmp_path / "b.st", 2, **second)
    assert says in average(a, b, "-o", tmp_path / "m.st", code=2)
    assert not (tmp_path / "m.st").exists()


def test_a_velocitys_teacher_is_no_part_that_it_belongs_to(tmp_path):
    a, b = exported(tmp_path / "a.st", 1, flow="aa"), exported(tmp_path / "b.st", 2, flow="bb")
    average(a, b, "-o", tmp_path / "m.st")


def test_bad_files_and_weights_are_one_sentence(tmp_path):
    good, plain, out = exported(tmp_path / "a.st", 1), tmp_path / "p.st", ["-o", tmp_path / "m.st"]
    save_file({"a": torch.zeros(1)}, plain)
    (tmp_path / "text.st").write_text("no weights")
    assert "cannot read" in average(good, tmp_path / "none.st", *out, code=2)
    assert "cannot read" in average(tmp_path / "text.st", good, *out, code=2)
    assert "does not say its architecture" in average(good, plain, *out, code=2)
    assert "from 0 to 1, not 1.5" in average(good, good, "--weight", 1.5, *out, code=2)
