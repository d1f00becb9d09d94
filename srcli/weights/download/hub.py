"""Files on the Hugging Face Hub; its library handles tokens, mirrors and the shared cache."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from srcli.weights.download import http
from srcli.weights.download.base import DownloadError, Fetched, Offline, OnBytes, Request, check_size
from srcli.weights.entries import Hub

PASSING = frozenset({408, 429, 500, 502, 503, 504})
SHA256 = re.compile("[0-9a-f]{64}")  # large files have their hash as ETag


def fetch(source: Hub, part: Path, request: Request, on_bytes: OnBytes) -> Fetched:
    """Find a file in the hub's cache, or download it, continuing the temporary file `part`.

    The hub's own download function cannot resume in another process. Raises DownloadError.
    """
    import huggingface_hub
    from huggingface_hub import constants
    from huggingface_hub.utils import build_hf_headers

    end = urlsplit(constants.ENDPOINT)
    if end.scheme not in ("https", "http") or not end.hostname:
        raise DownloadError(f"HF_ENDPOINT is {constants.ENDPOINT!r}, which does not start with https://")
    try:
        found = huggingface_hub.try_to_load_from_cache(source.repo, source.path, revision=source.revision)
        if isinstance(found, str) and not request.fresh:
            return Fetched(Path(found))
        if request.offline or constants.HF_HUB_OFFLINE:
            state = "only in a different version" if isinstance(found, str) else "not"
            raise Offline(f"{source.repo}/{source.path} is {state} in the hub's cache, and downloads are off")
        url = huggingface_hub.hf_hub_url(source.repo, source.path, revision=source.revision)
        facts = huggingface_hub.get_hf_file_metadata(url, timeout=request.patience.timeout)
        headers = build_hf_headers()
    except (DownloadError, AttributeError, TypeError, NameError, AssertionError):
        raise
    except Exception as error:
        raise translated(error, source, end.netloc) from error
    check_size(end.netloc, facts.size, request)
    known = SHA256.fullmatch(facts.etag or "")
    promised = known[0] if known else None
    if promised is not None and request.sha256 not in (None, promised):
        raise DownloadError(
            f"{source} is a different file: its sha256 is {promised[:12]}..., not {str(request.sha256)[:12]}..."
        )
    # The storage server that the hub redirects to must not get the token.
    there = urlsplit(facts.location)
    token = headers if (there.scheme, there.netloc) == (end.scheme, end.netloc) else None
    http.fetch(facts.location, part, replace(request, size=facts.size, sha256=promised), on_bytes, more=token)
    return Fetched(part, promised)


def translated(error: Exception, source: Hub, host: str) -> DownloadError:
    """What the hub's library has raised, in a sentence."""
    from huggingface_hub import errors as e

    name, ask = f"{source.repo}/{source.path}", f"https://{host}/{source.repo}"
    known: tuple[tuple[type[Exception], str, bool], ...] = (
        (e.GatedRepoError, f"requires you to request access to {source.repo}: do so at {ask} and set HF_TOKEN", False),
        (e.RepositoryNotFoundError, f"has no repository {source.repo}, or HF_TOKEN gives no access to it", False),
        (e.RevisionNotFoundError, f"has no revision {source.revision} of {source.repo}", False),
        (e.LocalEntryNotFoundError, f"cannot be reached for {name}, or is not a Hugging Face Hub", True),
        (e.EntryNotFoundError, f"has no file {name}", False),
    )
    for kind, text, temporary in known:
        if isinstance(error, kind):
            return DownloadError(f"{host} {text}", temporary=temporary)
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status is not None:
        return DownloadError(f"{host} answered {status} for {name}", temporary=status in PASSING)
    temporary = not isinstance(error, ValueError)  # an invalid name or token
    return DownloadError(f"{host} failed for {name} ({type(error).__name__}: {str(error)[:200]})", temporary=temporary)
