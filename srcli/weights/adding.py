"""Give names to models in folders and on the Hugging Face Hub."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from srcli.errors import SrcliError
from srcli.weights import cache, installing, manifest, manifest_file, user_models
from srcli.weights.convert import convert
from srcli.weights.download import DownloadError, Offline, Patience, fetch
from srcli.weights.download.base import OnBytes, Request
from srcli.weights.download.http import discard
from srcli.weights.download.hub import translated
from srcli.weights.entries import Entry, Hub, ManifestError

HUB = "hf://"
SUFFIXES = (".safetensors", ".pth", ".pt", ".ckpt", ".bin")
FREE = frozenset((
    "apache-2.0", "mit", "bsd", "bsd-2-clause", "bsd-3-clause", "bsd-3-clause-clear", "isc", "unlicense", "cc0-1.0",
    "wtfpl", "0bsd", "zlib", "cc-by-4.0", "cc-by-3.0", "cc-by-sa-4.0", "cc-by-sa-3.0", "gpl-3.0", "lgpl-3.0",
    "agpl-3.0", "mpl-2.0",
))  # fmt: skip


class NotAdded(SrcliError):
    """A file or an address that gives no model."""

    exit_code = 2


class NotAccepted(SrcliError):
    """A licence that was not accepted."""

    reason = "licence"
    exit_code = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the hub says of a repository.

    revision: the commit that stands for what is there now.
    """

    licence: str
    commercial: bool | None
    revision: str


def name_of(path: str) -> str:
    """A model's name for a file. Raises NotAdded."""
    stem = path.rpartition("/")[2].rpartition(".")[0]
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-._")[:100]
    if not manifest_file.NAME.fullmatch(name):
        raise NotAdded(f"{path} gives no name for a model; rename it, or use --as NAME")
    return name


def files_in(place: Path) -> Iterator[Path]:
    """The files of weights in a folder, sorted, or the file itself. Raises NotAdded."""
    if place.is_file():
        yield place
        return
    if not place.is_dir():
        raise NotAdded(f"{place} does not exist")
    found = sorted(path for path in place.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())
    if not found:
        raise NotAdded(f"{place} holds no weights ({', '.join(SUFFIXES)})")
    yield from found


def add_file(path: Path, name: str) -> Entry:
    """Check, convert and keep a file as a model of the user. Raises SrcliError."""
    _check_new(name)
    entry = user_models.add(name, path, convert(path))
    (part,) = entry.parts.values()
    with cache.locked(part.file):
        installing.install(path, part, path.name)
    return entry


def parse(address: str) -> Hub:
    """hf://OWNER/REPO/FILE, where FILE may have folders, and @REVISION may follow REPO. Raises NotAdded."""
    match = re.fullmatch(r"hf://([^/@]+/[^/@]+)(?:@([^/]+))?/(.+)", address)
    repo, revision, path = match.groups() if match else ("", None, "")
    steps = all(manifest_file.NAME.fullmatch(step) and ".." not in step for step in path.split("/"))
    if not (manifest_file.REPO.fullmatch(repo) and steps):
        raise NotAdded(f"{address} is not hf://OWNER/REPO/FILE")
    if revision is not None and not manifest_file.REVISION.fullmatch(revision):
        raise NotAdded(f"{address} has the revision {revision!r}, which cannot be one")
    if not path.lower().endswith(manifest_file.SUFFIXES):
        raise NotAdded(f"{address} must end in {', '.join(manifest_file.SUFFIXES)}")
    return Hub(repo, path, revision or "main")


def terms_of(source: Hub, *, offline: bool, timeout: float) -> Terms:
    """The licence of a repository, from the hub. Raises DownloadError."""
    import huggingface_hub
    from huggingface_hub import constants

    if offline or constants.HF_HUB_OFFLINE:
        raise Offline(f"{source.repo} cannot be asked for its licence: downloads are off")
    try:
        found = huggingface_hub.HfApi().model_info(source.repo, revision=source.revision, timeout=timeout)
    except Exception as error:
        raise translated(error, source, constants.ENDPOINT.partition("://")[2]) from error
    tagged = next((tag.partition(":")[2] for tag in found.tags or [] if tag.startswith("license:")), "")
    card = getattr(found.card_data, "license", None) if found.card_data else None
    licence = (card if isinstance(card, str) else tagged) or "unstated"
    if not re.fullmatch(r"[0-9a-f]{40}", found.sha or ""):
        raise DownloadError(f"{source} has no commit to hold on to")
    return Terms(licence=licence[:100], commercial=_commercial(licence.lower()), revision=str(found.sha))


def add_hub(source: Hub, terms: Terms, name: str, *, patience: Patience, on_bytes: OnBytes) -> Entry:
    """Download a file, check, convert and keep it as a model of the user, with its hash. Raises SrcliError."""
    _check_new(name)
    part = cache.make_folder(cache.weights_folder()) / f".{name}.added.part"
    pinned = Hub(source.repo, source.path, terms.revision)
    request = Request(size=None, sha256=None, offline=False, patience=patience)
    try:
        found = fetch(pinned, part, request, on_bytes)
        converted = convert(found.path)
        published = user_models.Published(
            source=pinned,
            licence=terms.licence,
            commercial=terms.commercial,
            bytes=found.path.stat().st_size,
            sha256=converted.source.sha256,
        )
        entry = user_models.add(name, found.path, converted, published=published)
        (kept,) = entry.parts.values()
        with cache.locked(kept.file):
            installing.install(found.path, kept, str(pinned), installing.link_or_copy, found.sha256)
        return entry
    finally:
        discard(part)


def _check_new(name: str) -> None:
    if manifest.load().has(name):
        raise ManifestError(
            f"there is a model {name} already; choose another name with --as, or: srcli models rm {name}"
        )


def _commercial(licence: str) -> bool | None:
    if licence in FREE:
        return True
    return False if re.search(r"(?:^|-)nc(?:-|$)|non-?commercial", licence) else None
