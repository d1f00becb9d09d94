"""Files of the Hugging Face hub, by its own library: tokens, mirrors, proxies and the shared cache are its business."""

from __future__ import annotations

import contextlib
import errno
import inspect
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from srcli.weights.download.base import DownloadError, Offline, Told, Wanted, check_size, check_space
from srcli.weights.manifest import Hub

PASSING = frozenset({408, 429, 500, 502, 503, 504})
LOCAL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EROFS})


def fetch(source: Hub, wanted: Wanted, told: Told) -> Path:
    """The path of a file in the hub's cache, where it is put if need be. Raises DownloadError."""
    import huggingface_hub
    from huggingface_hub import constants
    from huggingface_hub.utils import disable_progress_bars

    host = urlsplit(constants.ENDPOINT).netloc
    found = huggingface_hub.try_to_load_from_cache(source.repo, source.path, revision=source.revision)
    if isinstance(found, str):
        return Path(found)
    if wanted.offline or constants.HF_HUB_OFFLINE:
        raise Offline(f"{source.repo}/{source.path} is not in the hub's cache, and downloads are off")
    disable_progress_bars()
    options: dict[str, Any] = {}
    if "tqdm_class" in inspect.signature(huggingface_hub.hf_hub_download).parameters:
        options["tqdm_class"] = _bar(told)
    try:
        url = huggingface_hub.hf_hub_url(source.repo, source.path, revision=source.revision)
        facts = huggingface_hub.get_hf_file_metadata(url, timeout=wanted.patience.timeout)
        check_size(host, facts.size, wanted)
        cache = Path(constants.HF_HUB_CACHE)
        cache.mkdir(parents=True, exist_ok=True)
        check_space(cache, facts.size)
        told(0, facts.size)
        return Path(huggingface_hub.hf_hub_download(source.repo, source.path, revision=source.revision, **options))
    except DownloadError:
        raise
    except Exception as error:
        raise _translated(error, source, host) from error


def discard(path: Path) -> None:
    """Take a file that is not what it should be out of the hub's cache."""
    for name in {path, Path(os.path.realpath(path))}:
        name.unlink(missing_ok=True)


def _bar(told: Told) -> type:
    from tqdm.std import tqdm

    class Bar(tqdm):
        """The hub's progress, told instead of shown."""

        def __init__(self, *args: Any, **options: Any) -> None:
            options.pop("name", None)
            super().__init__(*args, **options | {"disable": True})
            self.n = self.initial
            self.total = options.get("total")
            told(int(self.n), self.total)

        def update(self, n: float | None = 1) -> None:
            self.n += n or 0
            with contextlib.suppress(AttributeError):
                told(int(self.n), self.total)

    return Bar


def _translated(error: Exception, source: Hub, host: str) -> DownloadError:
    from huggingface_hub import errors as e

    name, ask = f"{source.repo}/{source.path}", f"https://{host}/{source.repo}"
    known: tuple[tuple[type[Exception], str, bool], ...] = (
        (e.GatedRepoError, f"gives {source.repo} only to those who ask: do so at {ask} and set HF_TOKEN", False),
        (e.RepositoryNotFoundError, f"has no repository {source.repo}, or HF_TOKEN does not open it", False),
        (e.RevisionNotFoundError, f"has no revision {source.revision} of {source.repo}", False),
        (e.LocalEntryNotFoundError, f"cannot be reached for {name}", True),
        (e.EntryNotFoundError, f"has no file {name}", False),
    )
    for kind, text, passing in known:
        if isinstance(error, kind):
            return DownloadError(f"{host} {text}", passing=passing)
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status is not None:
        return DownloadError(f"{host} answered {status} for {name}", passing=status in PASSING)
    if isinstance(error, OSError) and error.errno in LOCAL:
        return DownloadError(f"{error.filename or 'the hub cache'}: {error.strerror}; HF_HOME names another folder")
    return DownloadError(f"{host} broke off while sending {name} ({type(error).__name__})", passing=True)
