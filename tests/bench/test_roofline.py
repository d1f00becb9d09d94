"""What each stage is asked for, and how near it comes to what the device can do."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from srcli.bench.meter import Meter
from tests.bench.steps import bench, records


def test_a_meter_counts_kernels_bytes_and_operations():
    a, b = torch.rand(30, 40), torch.rand(40, 50)
    stage = "first"
    with Meter(lambda: stage) as meter:
        product = a @ b
        stage = "second"
        turned = product.t().reshape(30, 50)  # a copy
        turned.add_(torch.rand(1).expand(30, 50))
        product[:10].view(-1)  # looks, and launches nothing
    first, second = meter.tallies["first"], meter.tallies["second"]
    assert (first.kernels, first.flop, first.bytes) == (1, 2 * 30 * 40 * 50, 4 * (30 * 40 + 40 * 50 + 30 * 50))
    assert (second.kernels, second.flop) == (3, 0)  # copy, random number, sum
    assert second.bytes == 4 * (2 * 30 * 50 + 1 + 2 * 30 * 50 + 1)
    assert meter.total.kernels == 4


def test_a_meter_knows_what_is_overwritten():
    a, b = torch.rand(10), torch.rand(10)
    with Meter() as meter:
        a.copy_(b)
    assert meter.total.bytes == 4 * 20
    with Meter() as meter:
        torch.where(a > 0.5, b, a, out=a)  # a mask of bytes is written and read; a, b read; a written
    assert meter.total.bytes == (4 * 10 + 10) + (10 + 3 * 4 * 10)


def test_a_meter_counts_one_kind_of_device():
    with Meter(device="meta") as meter:
        torch.rand(5) + 1
        torch.empty(5, device="meta") + 1
    assert meter.total.kernels == 1


def test_a_meter_sees_the_operations_that_torch_counts():
    layer, x = nn.Conv2d(3, 8, 3, padding=1), torch.rand(1, 3, 20, 30)
    with torch.inference_mode():
        with FlopCounterMode(display=False) as known:
            F.linear(layer(x).flatten(2), torch.rand(7, 600))
        with Meter() as meter:
            F.linear(layer(x).flatten(2), torch.rand(7, 600))
    assert meter.total.flop == known.get_total_flops() > 0


def test_stages_against_peaks():
    arguments = ["--roofline", "--models", "linf-lp-s", "--detail", "1", "--scale", "3", "--megapixels", "0.02"]
    result = bench(*arguments, "--repeats", "1", "--json")
    assert result.exit_code == 0, result.output
    (row,) = records(result.stdout)
    stages = {stage["stage"]: stage for stage in row["stages"]}
    assert [*stages] == ["encode", "upsampling", "condition", "prior", "inverse", "notch", "rest"]
    assert sum(stage["seconds"] for stage in row["stages"]) == pytest.approx(row["seconds"])
    for stage in row["stages"]:
        assert stage["kernels"] > 0
        expected = stage["flop"] / stage["seconds"] / row["peaks"]["flop"]
        assert stage["product_share"] == pytest.approx(expected, rel=0.01)
    assert stages["encode"]["flop"] > 10 * stages["notch"]["flop"]
    table = bench(*arguments, "--repeats", "1")
    assert "a matrix product:" in table.output
    assert "condition" in table.output


@pytest.mark.parametrize("extra", [["--report", "somewhere"], ["--data", "photos"]])
def test_a_roofline_is_printed_without_photos(extra):
    result = bench("--roofline", *extra)
    assert result.exit_code == 2
    assert "--roofline times stages" in result.output
