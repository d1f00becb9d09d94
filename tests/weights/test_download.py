"""Downloads: resumed, from the next mirror, checked, and that nothing wrong ever gets a name."""

from __future__ import annotations

import re
import shutil
import signal
import socket
import subprocess
import time

import pytest

from srcli.weights import pull
from srcli.weights.download import Patience
from tests.weights.server import Pauses, breaks, page, says, slowly, together, trickles
from tests.weights.steps import BODY, OTHER, command, finished, listed, names, nothing_wrong, part, pulled, srcli

pytestmark = pytest.mark.usefixtures("place")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_broken_connection_is_gone_on_with(place, server, share):
    server.files["/far"] = BODY
    server.faults["/far"] = [breaks(share)]
    listed(place, far=part(f"{server.url}/far"))
    assert pulled("far")["far.safetensors"].read_bytes() == BODY
    first, second = server.gets("/far")
    assert first == ""
    assert 0 <= len(BODY) * share - int(second.removeprefix("bytes=").removesuffix("-")) <= 2**15 + 1
    assert names(place / "home" / "weights") == {"far.safetensors"}


def test_a_pull_that_was_given_up_goes_on_the_next_time(place, server):
    server.files["/far"] = BODY
    server.faults["/far"] = [breaks(0.5), *[says(503)] * 3]
    listed(place, far=part(f"{server.url}/far", known=False))
    with pytest.raises(pull.PullError, match=r"127\.0\.0\.1:\d+ answered 503.*continues after 0\.6 MB"):
        pulled("far")
    nothing_wrong(place)
    assert pulled("far")["far.safetensors"].read_bytes() == BODY
    assert re.fullmatch(r"bytes=[1-9]\d{5}-", server.gets("/far")[-1])


def test_a_file_that_changed_in_between_begins_again(place, server):
    """Without a known hash, only the server can tell that the rest belongs to what is there."""
    server.files["/far"] = OTHER
    server.faults["/far"] = [breaks(0.5), *[says(503)] * 3]
    listed(place, far=part(f"{server.url}/far", known=False))
    with pytest.raises(pull.PullError):
        pulled("far")
    server.files["/far"] = BODY
    assert pulled("far")["far.safetensors"].read_bytes() == BODY


def test_a_server_without_ranges_begins_again(place, server):
    server.files["/far"], server.ranges = BODY, False
    server.faults["/far"] = [breaks(0.5)]
    listed(place, far=part(f"{server.url}/far"))
    assert pulled("far")["far.safetensors"].read_bytes() == BODY


def test_pieces_of_two_mirrors_are_checked_as_one(place, server):
    """The second mirror goes on where the first stopped; if that makes a third file, it is fetched from the start."""
    server.files |= {"/one": OTHER + b"x" * (len(BODY) - len(OTHER)), "/two": BODY}
    server.faults["/one"] = [breaks(0.5), *[says(503)] * 3]
    listed(place, far=part(f"{server.url}/one", f"{server.url}/two"))
    assert pulled("far")["far.safetensors"].read_bytes() == BODY
    asked, again = server.gets("/two")
    assert re.fullmatch(r"bytes=[1-9]\d{5}-", asked)
    assert again == ""


def test_mirrors_that_are_down_are_passed_over(place, server):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        dead = f"http://127.0.0.1:{nobody.getsockname()[1]}/far"
        server.files["/far"] = BODY
        listed(place, far=part(dead, f"{server.url}/gone", f"{server.url}/far"))
        assert pulled("far")["far.safetensors"].read_bytes() == BODY
        listed(place, far=part(dead, f"{server.url}/gone", file="b.safetensors"))
        with pytest.raises(pull.PullError) as told:
            pulled("far")
    text = str(told.value)
    assert "b.safetensors" in text
    assert f"{dead.split('/')[2]} cannot be reached" in text
    assert "answered 404" in text
    assert "srcli models pull far" in text


def test_redirects_are_followed(place, server):
    server.files |= {"/old": b"-", "/far": BODY}
    server.faults["/old"] = [says(302, Location=f"{server.url}/far")]
    listed(place, far=part(f"{server.url}/old"))
    assert pulled("far")["far.safetensors"].read_bytes() == BODY


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (OTHER + b"x" * (len(BODY) - len(OTHER)), "is a different file"),
        (BODY[: len(BODY) // 2], "offers a file of"),
        (b"", "offers a file of 0 bytes"),
    ],
    ids=["hash", "truncated", "empty"],
)
def test_a_wrong_file_gets_no_name(place, server, sent, why):
    server.files["/far"] = sent
    listed(place, far=part(f"{server.url}/far"))
    with pytest.raises(pull.PullError, match=why) as told:
        pulled("far")
    assert "far.safetensors" in str(told.value)
    assert "127.0.0.1" in str(told.value)
    assert names(place / "home" / "weights") == set()
    server.files["/far"] = BODY
    assert pulled("far")["far.safetensors"].read_bytes() == BODY


def test_a_truncated_file_of_unknown_hash_is_not_kept(place, server):
    server.files["/far"] = BODY[:-1000]
    listed(place, far=part(f"{server.url}/far", known=False))
    with pytest.raises(pull.PullError, match="not a readable safetensors file"):
        pulled("far")
    assert names(place / "home" / "weights") == set()


def test_a_web_page_is_not_a_file(place, server):
    server.files["/far"] = BODY
    server.faults["/far"] = [page("<h1>Please log in</h1>")]
    listed(place, far=part(f"{server.url}/far", known=False))
    with pytest.raises(pull.PullError, match="sent a web page instead of the file"):
        pulled("far")
    nothing_wrong(place)


def test_a_server_that_stops_sending_is_left_and_resumed(place, server):
    server.files["/far"] = BODY
    server.faults["/far"] = [pauses := Pauses()]
    listed(place, far=part(f"{server.url}/far"))
    assert pulled("far", patience=Patience(attempts=3, wait=0.01, timeout=0.4))["far.safetensors"].read_bytes() == BODY
    assert not pauses.gave_up  # the client did not wait for it
    pauses.go_on.set()
    assert re.fullmatch(r"bytes=[1-9]\d{5}-", server.gets("/far")[1])


@pytest.mark.slow
def test_a_server_that_trickles_is_left_for_the_next(place, server):
    server.files |= {"/slow": BODY, "/far": BODY}
    server.faults["/slow"] = [trickles(400, 0.01)] * 3
    listed(place, far=part(f"{server.url}/slow", f"{server.url}/far"))
    patience = Patience(attempts=1, wait=0.01, timeout=0.5, slowest=1000)
    assert pulled("far", patience=patience)["far.safetensors"].read_bytes() == BODY
    assert server.gets("/far")  # went on there


def test_a_server_that_asks_for_time_is_given_it(place, server):
    server.files["/far"] = BODY
    server.faults["/far"] = [says(429, Retry_After="1")]
    listed(place, far=part(f"{server.url}/far"))
    start = time.monotonic()
    assert pulled("far")["far.safetensors"].read_bytes() == BODY
    assert time.monotonic() - start >= 1


def test_a_server_that_sends_too_much_is_stopped(place, server):
    def endless(handler, body, start):
        handler.send_response(200)
        handler.end_headers()
        for _ in range(2000):
            handler.wfile.write(bytes(2**16))
        handler.close_connection = True

    server.files["/far"] = BODY
    server.faults["/far"] = [endless]
    listed(place, far=part(f"{server.url}/far"))
    with pytest.raises(pull.PullError, match="sent more than the expected 1,121,046 bytes"):
        pulled("far")
    assert not list((place / "home" / "weights").iterdir())


def test_files_come_at_once_and_one_failure_costs_no_other(place, server):
    server.files |= {f"/{n}": BODY for n in range(4)}
    server.faults |= {f"/{n}": [fault] for n, fault in enumerate([together(4)] * 4)}
    models = {f"m{n}": part(f"{server.url}/{n}", file=f"{n}.safetensors") for n in range(4)}
    listed(place, **models, bad=part(f"{server.url}/none", file="bad.safetensors"))
    with pytest.raises(pull.PullError, match="bad"):
        pulled(*models, "bad", patience=Patience(attempts=1, wait=0.01, timeout=60))
    assert names(place / "home" / "weights") == {f"{n}.safetensors" for n in range(4)}


def test_two_pulls_at_once_fetch_a_file_once(place, server):
    server.files["/far"] = BODY
    server.faults["/far"] = [pauses := Pauses()]
    listed(place, far=part(f"{server.url}/far"))
    first = command("models", "pull", "far", "--timeout", "60")
    while not server.gets("/far"):
        assert first.poll() is None, finished(first)
        time.sleep(0.01)
    second = command("models", "pull", "far")
    assert any("another process is fetching" in line for line in second.stderr)  # reads no further than that line
    pauses.go_on.set()
    results = [finished(run) for run in (first, second)]
    assert [code for code, _, _ in results] == [0, 0], results
    assert server.gets("/far") == [""]
    nothing_wrong(place)


def test_an_interrupted_pull_goes_on(place, server):
    server.files["/far"] = BODY
    server.faults["/far"] = [slowly(20)]
    listed(place, far=part(f"{server.url}/far", known=False))
    run, begun = command("models", "pull", "far"), place / "home" / "weights" / ".far.safetensors.part"
    while not begun.is_file() or begun.stat().st_size < 100_000:
        assert run.poll() is None, finished(run)
        time.sleep(0.05)
    run.send_signal(signal.SIGINT)
    code, _, err = finished(run)
    assert code == 130
    assert "interrupted" in err
    assert "Traceback" not in err
    assert pulled("far")["far.safetensors"].read_bytes() == BODY
    assert re.fullmatch(r"bytes=[1-9]\d{5,}-", server.gets("/far")[1])


def test_a_full_disk_is_one_sentence(place, server, mounted):
    """Before anything is fetched; of several files, their sum counts."""
    server.files["/far"] = BODY
    listed(place, far=part(f"{server.url}/far"))
    result = srcli("models", "pull", "far")
    assert result.exit_code == 4
    assert re.search(r"1\.1 MB do not fit into .* has 1\.6 MB free; free some space", " ".join(result.stderr.split()))
    assert server.gets("/far") == []
    assert names(mounted / "weights") == set()


def test_a_disk_that_fills_up_on_the_way_is_one_sentence(place, server, mounted, monkeypatch):
    monkeypatch.setattr("srcli.weights.download.base.SPARE", -(2**30))
    server.files["/far"] = BODY + BODY
    listed(place, far=part(f"{server.url}/far", body=BODY + BODY))
    with pytest.raises(pull.PullError, match=r"cannot write .*: No space left on device"):
        pulled("far")
    assert names(mounted / "weights") == set()


@pytest.fixture
def mounted(place, monkeypatch):
    """SRCLI_HOME on a file system of 1.5 MB."""
    folder = place / "small"
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=1536k", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("file systems cannot be mounted here")
    monkeypatch.setenv("SRCLI_HOME", str(folder))
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_offline_is_one_sentence(place, server):
    server.files["/far"] = BODY
    listed(place, far=part(f"{server.url}/far"))
    result = srcli("models", "pull", "far", "--offline")
    assert result.exit_code == 4
    assert "downloads are off" in result.stderr
    assert "when online, run: srcli models pull far" in result.stderr
    assert not server.asked
