"""Files of the Hugging Face hub: its library says where they are, and knows tokens, mirrors and the shared cache."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from srcli.weights.download import http
from srcli.weights.download.base import DownloadError, Fetched, Offline, Told, Wanted, check_size
from srcli.weights.manifest import Hub

PASSING = frozenset({408, 429, 500, 502, 503, 504})
SHA256 = re.compile("[0-9a-f]{64}")  # large files are tagged with their hash, small ones otherwise


def fetch(source: Hub, part: Path, wanted: Wanted, told: Told) -> Fetched:
    """A whole file: that in the hub's cache, where another tool has put it there, or the temporary one, brought to its
    end. (The hub's own download begins anew in every process.) Raises DownloadError."""
    import huggingface_hub
    from huggingface_hub import constants
    from huggingface_hub.utils import build_hf_headers

    end = urlsplit(constants.ENDPOINT)
    if end.scheme not in ("https", "http") or not end.hostname:
        raise DownloadError(f"HF_ENDPOINT is {constants.ENDPOINT!r}, not an address that starts with https://")
    try:
        found = huggingface_hub.try_to_load_from_cache(source.repo, source.path, revision=source.revision)
        if isinstance(found, str) and not wanted.fresh:
            return Fetched(Path(found))
        if wanted.offline or constants.HF_HUB_OFFLINE:
            lack = "in another version" if isinstance(found, str) else "not"
            raise Offline(f"{source.repo}/{source.path} is {lack} in the hub's cache, and downloads are off")
        url = huggingface_hub.hf_hub_url(source.repo, source.path, revision=source.revision)
        facts = huggingface_hub.get_hf_file_metadata(url, timeout=wanted.patience.timeout)
        headers = build_hf_headers()
    except (DownloadError, AttributeError, TypeError, NameError, AssertionError):
        raise
    except Exception as error:
        raise _translated(error, source, end.netloc) from error
    check_size(end.netloc, facts.size, wanted)
    known = SHA256.fullmatch(facts.etag or "")
    promised = known[0] if known else None
    if promised is not None and wanted.sha256 not in (None, promised):
        raise DownloadError(f"{source} is another file: sha256 {promised[:12]}..., not {str(wanted.sha256)[:12]}...")
    # The storage that the hub sends to has no use for the token.
    there = urlsplit(facts.location)
    token = headers if (there.scheme, there.netloc) == (end.scheme, end.netloc) else None
    http.fetch(facts.location, part, replace(wanted, size=facts.size, sha256=promised), told, more=token)
    return Fetched(part, promised)


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
    passing = not isinstance(error, ValueError)  # an odd name, an odd token
    return DownloadError(f"{host} failed for {name} ({type(error).__name__}: {str(error)[:200]})", passing=passing)
