"""Files of the Hugging Face hub: its library says where they are, and knows tokens, mirrors and the shared cache."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from srcli.weights.download import http
from srcli.weights.download.base import DownloadError, Offline, Told, Wanted, check_size
from srcli.weights.manifest import Hub

PASSING = frozenset({408, 429, 500, 502, 503, 504})
SHA256 = re.compile("[0-9a-f]{64}")  # large files are tagged with their hash, small ones otherwise


def fetch(source: Hub, part: Path, wanted: Wanted, told: Told) -> Path:
    """A whole file: that in the hub's cache, where another tool has put it there, or the temporary one, brought to its
    end. (The hub's own download begins anew in every process.) Raises DownloadError."""
    import huggingface_hub
    from huggingface_hub import constants
    from huggingface_hub.utils import build_hf_headers

    found = huggingface_hub.try_to_load_from_cache(source.repo, source.path, revision=source.revision)
    if isinstance(found, str):
        return Path(found)
    if wanted.offline or constants.HF_HUB_OFFLINE:
        raise Offline(f"{source.repo}/{source.path} is not in the hub's cache, and downloads are off")
    host = urlsplit(constants.ENDPOINT).netloc
    try:
        url = huggingface_hub.hf_hub_url(source.repo, source.path, revision=source.revision)
        facts = huggingface_hub.get_hf_file_metadata(url, timeout=wanted.patience.timeout)
    except (AttributeError, TypeError, NameError, AssertionError):
        raise
    except Exception as error:
        raise _translated(error, source, host) from error
    check_size(host, facts.size, wanted)
    if digest := SHA256.fullmatch(facts.etag or ""):
        if wanted.sha256 not in (None, digest[0]):
            raise DownloadError(f"{source} is another file: sha256 {digest[0][:12]}..., not {wanted.sha256[:12]}...")
        wanted = replace(wanted, sha256=digest[0])
    # The storage that the hub sends to has no use for the token.
    token = build_hf_headers() if urlsplit(facts.location).netloc == host else None
    http.fetch(facts.location, part, replace(wanted, size=facts.size), told, more=token)
    return part


def discard(path: Path) -> None:
    """Take a file that is not what it should be out of the hub's cache."""
    for name in {path, Path(os.path.realpath(path))}:
        name.unlink(missing_ok=True)


def _translated(error: Exception, source: Hub, host: str) -> DownloadError:
    from huggingface_hub import errors as e

    name, ask = f"{source.repo}/{source.path}", f"https://{host}/{source.repo}"
    known: tuple[tuple[type[Exception], str, bool], ...] = (
        (e.GatedRepoError, f"gives {source.repo} only to those who ask: do so at {ask} and set HF_TOKEN", False),
        (e.RepositoryNotFoundError, f"has no repository {source.repo}, or HF_TOKEN does not open it", False),
        (e.RevisionNotFoundError, f"has no revision {source.revision} of {source.repo}", False),
        (e.LocalEntryNotFoundError, f"cannot be reached for {name}, or is no hub", True),
        (e.EntryNotFoundError, f"has no file {name}", False),
    )
    for kind, text, passing in known:
        if isinstance(error, kind):
            return DownloadError(f"{host} {text}", passing=passing)
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status is not None:
        return DownloadError(f"{host} answered {status} for {name}", passing=status in PASSING)
    return DownloadError(f"{host} failed for {name} ({type(error).__name__})", passing=True)
