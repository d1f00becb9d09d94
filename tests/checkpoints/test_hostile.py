"""Files that are not what they say: refused with exit code 4 and one sentence, and nothing in them runs."""

from __future__ import annotations

import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from srcli.weights.convert import ConvertError, convert
from tests.support.command import photo, srcli
from tests.support.layouts import filled, layout_of, linf, saved, wrapped

STATE = filled(layout_of(linf("edsr")))


def changed(**changes: torch.Tensor | None) -> dict[str, torch.Tensor]:
    """The state dict with other tensors, or without those that are None; dots are written as two underscores."""
    state = dict(STATE)
    for name, tensor in changes.items():
        key = name.replace("__", ".")
        if tensor is None:
            del state[key]
        else:
            state[key] = tensor
    return state


def refused(path: Path) -> str:
    with pytest.raises(ConvertError) as error:
        convert(path)
    assert error.value.exit_code == 4
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
    return str(error.value)


class Code:
    """Unpickled freely, it makes a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return os.system, (f"touch '{self.mark}'",)


@pytest.mark.parametrize("place", ["beside", "within", "alone"])
@pytest.mark.parametrize("legacy", [False, True])
def test_code_in_a_pickle_does_not_run(tmp_path, place, legacy):
    mark = tmp_path / "it ran"
    content = wrapped("linf", STATE)
    if place == "beside":
        content["callback"] = Code(mark)
    elif place == "within":
        content["model"]["sd"]["coef.bias"] = Code(mark)
    path = saved(tmp_path / "evil.pth", Code(mark) if place == "alone" else content, legacy)
    done = srcli("upscale", photo(tmp_path / "a.png"), "-m", path, "-o", tmp_path / "b.png")
    assert done.exit_code == 4
    assert done.stderr.count("\n") == 1
    assert str(path) in done.stderr
    assert "posix.system" in done.stderr or "nt.system" in done.stderr
    assert not mark.exists()
    assert not (tmp_path / "b.png").exists()
    with pytest.raises(pickle.UnpicklingError, match="system"):  # the code is really in it
        torch.load(path, weights_only=True)


def test_a_bare_pickle_is_not_even_looked_into(tmp_path):
    mark, path = tmp_path / "it ran", tmp_path / "evil.pt"
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        path.write_bytes(pickle.dumps(Code(mark), protocol))
        assert "not a checkpoint" in refused(path)
    assert not mark.exists()
    pickle.loads(path.read_bytes())
    assert mark.exists()  # it would have run


def bomb(path: Path) -> None:
    """100 MB that compress to 100 kB."""
    saved(path, wrapped("linf", STATE))
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("more/data/0", bytes(100_000_000))


def overlapping(path: Path) -> None:
    """An archive whose entries share their bytes, so that it seems to hold more than it weighs."""
    saved(path, wrapped("linf", STATE))
    raw = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x01\x02", 20), (b"PK\x03\x04", 18)):
        at = raw.find(signature, 0 if signature[2] == 1 else 10)
        while at >= 0:
            raw[at + offset : at + offset + 8] = struct.pack("<II", 2**20, 2**20)
            at = raw.find(signature, at + 1)
    path.write_bytes(raw)


def expanded(path: Path) -> None:
    """One number that claims to be 2^40 numbers."""
    saved(path, wrapped("linf", changed(coef__bias=torch.zeros(1).expand(2**40))))


@pytest.mark.parametrize("make", [bomb, overlapping, expanded])
def test_more_than_it_weighs_is_not_opened(tmp_path, make, monkeypatch):
    make(path := tmp_path / "big.pth")
    if make is not expanded:
        monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("the file was opened"))
    assert "more than its size" in refused(path)


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.1, 0.5, 0.9, 0.999])
def test_a_file_cut_short_is_said_to_be(tmp_path, share, legacy):
    path = saved(tmp_path / "a.pth", wrapped("linf", STATE), legacy)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    text = refused(path)
    assert "incomplete" in text or (share == 0.0 and "not a checkpoint" in text)


def test_bytes_that_changed_never_escape_as_another_error(tmp_path):
    rng, path = np.random.default_rng(0), tmp_path / "a.pth"
    for legacy in (False, True):
        whole = saved(path, wrapped("linf", STATE), legacy).read_bytes()
        for _ in range(60):
            raw = bytearray(whole)
            for at in rng.integers(0, min(len(raw), 4000), 3):
                raw[at] = rng.integers(256)
            path.write_bytes(raw)
            try:
                assert convert(path).tensors.keys() == STATE.keys()
            except ConvertError as error:
                assert str(path) in str(error)


@pytest.mark.parametrize("content", [b"", b"weights, honestly\n" * 20, b"PK\x03\x04 no", b"\x89PNG\r\n\x1a\n" * 9])
def test_other_files_with_that_name_are_refused(tmp_path, content):
    path = tmp_path / "a.pth"
    path.write_bytes(content)
    refused(path)


def test_folders_and_nothing_are_refused(tmp_path):
    refused(tmp_path)
    refused(tmp_path / "none.pth")


def test_an_archive_of_something_else_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.pth", "w") as archive:
        archive.writestr("word/document.xml", "<xml/>")
    assert "not a checkpoint" in refused(tmp_path / "a.pth")


# --- contents ---


NAMED = {
    "missing": (changed(coef__bias=None), "coef.bias"),
    "many missing": ({k: v for k, v in STATE.items() if not k.startswith("phase")}, "phase.weight"),
    "missing of what sizes are read from": (changed(coef__weight=None), "coef.weight"),
    "extra": (changed(coef__scale=torch.ones(3)), "coef.scale"),
    "shape": (changed(freq__bias=torch.ones(7)), "freq.bias has the shape 7 instead of 16"),
    "dimensions": (changed(coef__weight=torch.tensor(1.0)), "coef.weight"),
    "whole numbers": (changed(freq__bias=torch.ones(16, dtype=torch.int64)), "freq.bias holds int64"),
    "complex": (changed(freq__bias=torch.ones(16, dtype=torch.complex64)), "freq.bias"),
    "not a number": (changed(freq__bias=torch.full((16,), torch.nan)), "freq.bias has numbers that are not finite"),
    "infinite": (changed(freq__bias=torch.full((16,), torch.inf)), "freq.bias has numbers that are not finite"),
    "no inverse": (changed(imnet__last___weight=torch.zeros(27, 27)), "imnet.last._weight"),
    "no patch": (changed(imnet__last___weight=torch.eye(26)), "imnet.last._weight"),
    "empty": (changed(imnet__last___weight=torch.zeros(0, 0)), "imnet.last._weight"),
    "no number in a key": (changed(encoder__body__x__body__0__weight=torch.ones(1)), "encoder.body.x.body.0.weight"),
}


@pytest.mark.parametrize("case", NAMED)
def test_the_key_that_is_wrong_is_named(tmp_path, case):
    state, words = NAMED[case]
    text = refused(saved(tmp_path / "a.pth", wrapped("linf", state)))
    assert words in text
    assert "LINF" in text


def test_positions_outside_the_window_are_refused(tmp_path):
    state = filled(layout_of(linf("swinir")))
    key = next(k for k in state if k.endswith("relative_position_index"))
    state[key] = state[key] + 10**6
    assert key in refused(saved(tmp_path / "a.pth", wrapped("linf", state)))


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"hidden_dim": 256}, "hidden_dim"),
        ({"flow_layers": torch.ones(3)}, "flow_layers"),
        ({"patch_size": 1}, "patch_size"),
        ({"encoder_spec": {"name": "rdn"}}, "rdn"),
        ({"encoder_spec": {"name": "edsr-baseline", "args": {"n_resblocks": 16}}}, "n_resblocks"),
    ],
)
def test_a_file_that_contradicts_itself_is_refused(tmp_path, args, words):
    assert words in refused(saved(tmp_path / "a.pth", wrapped("linf", STATE, **args)))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"conv1.weight": torch.ones(8, 3, 3, 3)}, "unknown network"),
        ({"a": torch.ones(3), "b": "text"}, "'b'"),
        ([1, 2, 3], "a list"),
        (torch.ones(3), "Tensor"),
        ({}, "instead of a state dict"),
        ({"epoch": 1, "iter": 5, "schedulers": [], "optimizers": [{}]}, "training run"),
        ({"model": {"name": "linf", "args": {}, "sd": {}}}, "unknown network"),
        ({"model": {"name": "linf", "args": None, "sd": {"imnet.linears.0._weight": torch.ones(3, 3)}}}, "missing"),
        ({"a": torch.sparse_coo_tensor(torch.tensor([[0]]), torch.ones(1), (9,))}, "a"),
    ],
)
def test_what_is_no_known_network_is_said(tmp_path, content, words):
    assert words in refused(saved(tmp_path / "a.pth", content))


# --- safetensors ---


def header(change: Callable[[dict], None]) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        save_file(STATE, path)
        raw = path.read_bytes()
        length = struct.unpack("<Q", raw[:8])[0]
        table = json.loads(raw[8 : 8 + length])
        change(table)
        text = json.dumps(table).encode()
        path.write_bytes(struct.pack("<Q", len(text)) + text + raw[8 + length :])

    return make


def said(**metadata: str) -> Callable[[Path], None]:
    return lambda path: save_file(STATE, path, metadata)


ARCHITECTURE = json.dumps(linf("edsr"))
LYING = {
    "beyond the end": header(lambda t: t["coef.bias"].update(data_offsets=[0, 10**12])),
    "overlapping": header(lambda t: t["coef.bias"].update(data_offsets=t["freq.bias"]["data_offsets"])),
    "backwards": header(lambda t: t["coef.bias"].update(data_offsets=[64, 0])),
    "other shape": header(lambda t: t["coef.bias"].update(shape=[10**9])),
    "endless header": lambda path: path.write_bytes(struct.pack("<Q", 2**62) + b'{"a"' * 9),
    "no JSON": lambda path: path.write_bytes(struct.pack("<Q", 9) + b'{"a": [}}' + bytes(99)),
    "architecture no JSON": said(architecture="{"),
    "architecture no table": said(architecture="[1]"),
    "unknown kind": said(architecture='{"kind": ["linf"]}', pipeline="linf", role="flow"),
    "endless network": said(architecture=json.dumps({"kind": "edsr", "blocks": 10**9}), pipeline="linf", role="flow"),
    "other network": said(architecture=json.dumps(linf("rdn")), pipeline="linf", role="flow"),
    "huge network": said(architecture=json.dumps(linf("edsr") | {"hidden": 8000}), pipeline="linf", role="flow"),
    "no role": said(architecture=json.dumps({"kind": "edsr"})),
    "odd scales": said(architecture=ARCHITECTURE, pipeline="linf", role="flow", scales='["a"]'),
}


@pytest.mark.parametrize("case", LYING)
def test_safetensors_that_lie_are_refused(tmp_path, case):
    LYING[case](path := tmp_path / "a.safetensors")
    refused(path)


@pytest.mark.parametrize(("pipeline", "role"), [("linf-official", "prior"), ("other", "flow"), ("rrdb", "flow")])
def test_roles_and_pipelines_that_do_not_fit_are_refused(tmp_path, pipeline, role):
    said(architecture=ARCHITECTURE, pipeline=pipeline, role=role)(path := tmp_path / "a.safetensors")
    done = srcli("upscale", photo(tmp_path / "a.png"), "-m", path)
    assert done.exit_code == 4, done.output
    assert done.stderr.count("\n") == 1
