"""The canary and the metrics."""

from __future__ import annotations

import pytest
import requests

from srcli.service import Limits, Models
from tests.serve.test_http import post
from tests.support.command import photo, srcli


def numbers(address: str) -> dict[str, float]:
    from prometheus_client.parser import text_string_to_metric_families

    text = requests.get(f"{address}/metrics", timeout=10).text
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(value for _, value in sorted(sample.labels.items()))
            found[f"{sample.name}({labels})" if labels else sample.name] = sample.value
    return found


def test_metrics_count_what_happened(start, tmp_path):
    address, _ = start("bicubic", pixels=10_000)
    good = photo(tmp_path / "cat.png", 40, 30).read_bytes()
    for data, options in ((good, {"scale": 2}), (good, {"scale": 3}), (b"text", {}), (good, {"sclae": 2})):
        post(address, data, **options)
    post(address, photo(tmp_path / "large.png", 120, 100).read_bytes(), scale=2)
    found = numbers(address)
    assert found["srcli_pictures_total(bicubic,,done)"] == 2
    assert found["srcli_pictures_total(,unreadable,failed)"] == 1
    assert found["srcli_pictures_total(,too-large,failed)"] == 1
    assert found["srcli_pictures_total(,usage,refused)"] == 1
    assert found["srcli_pixels_total(input)"] == 2 * 40 * 30
    assert found["srcli_pixels_total(result)"] == (4 + 9) * 40 * 30
    assert found["srcli_request_seconds_count"] == 4
    assert found["srcli_compute_seconds_count"] == 2
    assert found["srcli_compute_seconds_sum"] <= found["srcli_request_seconds_sum"]
    names = ("srcli_exploded_total", "srcli_guarded_tiles_total", "srcli_redone_tiles_total", "srcli_queue")
    assert [found[name] for name in names] == [0, 0, 0, 0]
    assert found["srcli_workers"] == 1
    assert found["srcli_memory_bytes(resident)"] > 10**7


def test_a_worker_that_makes_something_else_is_unwell(start, tmp_path):
    address, pool = start("flowsr-s")
    data = photo(tmp_path / "cat.png").read_bytes()
    told = requests.get(f"{address}/healthz", timeout=20)
    assert (told.status_code, told.json()["status"]) == (200, "ok")
    (worker,) = told.json()["workers"]
    assert (worker["state"], worker["ok"], len(worker["canary"])) == ("idle", True, 64)
    parameter = next(pool.workers[0].models.get().model.network.parameters())
    before = parameter.detach().clone()
    parameter.data.mul_(1.05)  # as memory that has gone bad
    told = requests.get(f"{address}/healthz", timeout=20)
    assert (told.status_code, told.json()["status"]) == (503, "unhealthy")
    assert "the canary is" in told.json()["workers"][0]["error"]
    answer = post(address, data, scale=2)
    assert (answer.status_code, answer.json()["reason"]) == (503, "unhealthy")
    parameter.data.copy_(before)
    assert requests.get(f"{address}/healthz", timeout=20).status_code == 200
    assert post(address, data, scale=2).status_code == 200


def test_the_canary_can_be_given(tmp_path):
    from srcli.serve import canary
    from srcli.serve.workers import Pool, Unwell

    models = Models(["bicubic"], device="cpu", precision="fp32")
    known = canary.sha256(models.get())
    assert known == canary.sha256(models.get())
    Pool([models], Limits(), queue=1, expected=known).close()
    with pytest.raises(Unwell, match="the canary is"):
        Pool([models], Limits(), queue=1, expected="0" * 64)
    result = srcli("serve", "-n", "bicubic", "--canary", "0" * 64)
    assert result.exit_code == 1
    assert "srcli: cpu: the canary is" in result.output


def test_busy_workers_do_not_fail_the_check(start, tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    from tests.serve.conftest import held
    from tests.serve.test_http import wait_until

    address, pool = start("bicubic")
    data = photo(tmp_path / "cat.png").read_bytes()
    with held(pool) as gate, ThreadPoolExecutor(1) as clients:
        asked = clients.submit(post, address, data, scale=2)
        wait_until(lambda: pool._busy() == 1)
        told = requests.get(f"{address}/healthz", timeout=20)
        gate.set()
        assert (told.status_code, told.json()["workers"][0]["state"]) == (200, "busy")
    assert asked.result().status_code == 200
