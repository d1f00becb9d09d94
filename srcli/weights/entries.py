"""The entries of a manifest as values: models, their weights and where those come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

from srcli.errors import SrcliError
from srcli.methods.registry import methods

DEGRADES = "degflow"  # the pipeline that lowers resolution


class ManifestError(SrcliError):
    """A manifest that cannot be read or has invalid entries."""

    reason = "manifest"
    exit_code = 4


@dataclass(frozen=True, slots=True)
class Embedded:
    """A file that ships with the package."""


@dataclass(frozen=True, slots=True)
class Hub:
    """A file in a repository on the Hugging Face Hub, or on the mirror set by HF_ENDPOINT."""

    repo: str
    path: str
    revision: str = "main"

    def __str__(self) -> str:
        return f"hub {self.repo}/{self.path}@{self.revision}"


@dataclass(frozen=True, slots=True)
class Url:
    """A file on a web server."""

    url: str

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True, slots=True)
class Drive:
    """A public file on Google Drive."""

    id: str

    def __str__(self) -> str:
        return f"Google Drive {self.id}"


Origin = Embedded | Hub | Url | Drive


@dataclass(frozen=True, slots=True)
class Part:
    """The weights of one network of a model.

    role: the network's role in the model, such as flow or prior.
    file: name of the published file; it identifies the file across models.
    bytes, sha256: of the published file, None if unknown.
    sources: where to get the file, in the order to try; empty if it must be imported.
    starts: first digits of the sha256, if only those are known.
    architecture: hyper-parameters that the network must have.
    plain: whether the safetensors file is stored as published, not converted.
    """

    role: str
    file: str
    _: KW_ONLY
    bytes: int | None = None
    sha256: str | None = None
    sources: tuple[Origin, ...] = (Embedded(),)
    starts: str = ""
    architecture: Mapping[str, Any] | None = None
    plain: bool = False

    @property
    def embedded(self) -> bool:
        return self.sources == (Embedded(),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A model as the manifest describes it.

    pipeline: how its networks are run; None for networks that only measure.
    scales: the smallest and the largest scale.
    commercial: whether the licence permits commercial use, None if it does not say.
    parts: the weights by role.
    measured: scores, with the data set and the date.
    page: web page where the files can be requested.
    needs: the extra of srcli that the model needs.
    """

    name: str
    aliases: tuple[str, ...]
    purpose: str
    pipeline: str | None
    scales: tuple[float, float]
    paper: str
    licence: str
    commercial: bool | None
    parts: dict[str, Part]
    measured: Mapping[str, Any] = field(default_factory=dict)
    page: str = ""
    needs: str = ""

    @property
    def embedded(self) -> bool:
        return all(part.embedded for part in self.parts.values())

    @property
    def enlarges(self) -> bool:
        """Whether the model upscales pictures."""
        method = methods().get(self.pipeline or "")
        return self.pipeline is not None and (method is None or bool(method.model))

    @property
    def bytes(self) -> int | None:
        """Total size of the files, None if one is unknown."""
        sizes = [part.bytes for part in self.parts.values()]
        return None if None in sizes else sum(size for size in sizes if size)
