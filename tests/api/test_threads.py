"""Several threads share an Upscaler, and nobody's number of threads changes."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from srcli import Target, Upscaler, images, runtime
from tests.support.places import EXAMPLES

CAT = Image.open(EXAMPLES / "cat.png").convert("RGB")
PARTS = [CAT.crop((20 * n, 30, 20 * n + 44, 66 + 2 * n)) for n in range(6)]


@pytest.fixture
def _four():
    """Four threads, as other code of the program has set them."""
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


def elsewhere() -> int:
    """The number of a thread that has not computed yet."""
    with ThreadPoolExecutor(1) as other:
        return other.submit(torch.get_num_threads).result()


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("name", ["linf-lp-s", "flowmap-s", "auto"])
def test_threads_that_share_an_upscaler_get_the_results_of_one(name, precision):
    upscaler = Upscaler(name, precision=precision)
    details = [0.0, 0.5, 1.0] if name != "flowmap-s" else [0.0, 0.5, 1.5]
    jobs = [(part, details[n % 3], 1.5 + n % 2) for n, part in enumerate(PARTS)] * 2

    def make(job) -> np.ndarray:
        part, detail, scale = job
        return np.asarray(upscaler.upscale(part, scale, detail=detail))

    serial = [make(job) for job in jobs]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(make, jobs))
    wrong = [n for n in range(len(jobs)) if not np.array_equal(serial[n], together[n])]
    assert wrong == []


def test_the_network_of_a_factor_is_never_another_threads():
    """A flow map keeps the network of the last factor, which another thread may replace at any moment."""
    model = Upscaler("flowmap-s", precision="fp32").model
    half = model._at(0.5)

    class Replaced(tuple):
        def __getitem__(self, key):
            model._changed = (1.5, "another thread's")
            return super().__getitem__(key)

    model._changed = Replaced((0.5, half))
    assert model._at(0.5) is half


@pytest.mark.usefixtures("_four")
def test_a_number_of_threads_is_for_the_work_alone(monkeypatch):
    upscaler = Upscaler("linf-lp-s", precision="fp32", threads=2)
    assert (upscaler.threads, torch.get_num_threads(), elsewhere()) == (2, 4, 4)
    seen, decode = [], upscaler.model.decode

    def decoding(*arguments):
        seen.append((torch.get_num_threads(), elsewhere()))
        return decode(*arguments)

    monkeypatch.setattr(upscaler.model, "decode", decoding)
    made = np.asarray(upscaler.upscale(PARTS[0], 2))
    assert set(seen) == {(2, 4)}
    assert (torch.get_num_threads(), elsewhere()) == (4, 4)
    torch.set_num_threads(2)
    assert np.array_equal(np.asarray(Upscaler("linf-lp-s", precision="fp32").upscale(PARTS[0], 2)), made)


@pytest.mark.usefixtures("_four")
def test_between_two_bands_the_caller_has_its_own_number():
    upscaler = Upscaler("linf-lp-s", precision="fp32", threads=2, tile=32)
    stream = upscaler.stream(images.read(EXAMPLES / "cat.png"), Target(scale=1))
    numbers = [torch.get_num_threads() for _ in zip(stream.bands(), range(3), strict=False)]
    assert numbers == [4, 4, 4]


@pytest.mark.usefixtures("_four")
def test_numbers_of_several_threads_do_not_mix():
    meet, seen = threading.Barrier(3), {}

    def count(number: int) -> None:
        with runtime.threads(number):
            meet.wait(20)
            seen[number] = torch.get_num_threads()
            meet.wait(20)
        seen[-number] = torch.get_num_threads()

    counters = [threading.Thread(target=count, args=(number,)) for number in (1, 2, 3)]
    for counter in counters:
        counter.start()
    for counter in counters:
        counter.join()
    assert seen == {1: 1, 2: 2, 3: 3, -1: 4, -2: 4, -3: 4}
    assert (torch.get_num_threads(), elsewhere()) == (4, 4)


@pytest.mark.usefixtures("_four")
def test_an_error_puts_the_number_back():
    with pytest.raises(ZeroDivisionError), runtime.threads(2):
        raise ZeroDivisionError
    assert (torch.get_num_threads(), elsewhere()) == (4, 4)


@pytest.mark.usefixtures("_four")
def test_a_degrader_changes_no_number_either(tiny_degflow, tmp_path: Path):
    from srcli.degrader import Degrader

    degrader = Degrader(tiny_degflow, threads=2)
    assert degrader.threads == 2
    PARTS[0].resize((64, 64)).save(tmp_path / "a.png")
    low = [torch.get_num_threads() for _ in degrader.degrade(images.read(tmp_path / "a.png"), (2.0,))]
    assert low == [4]
    assert (torch.get_num_threads(), elsewhere()) == (4, 4)
