"""Which models there are and where their weights lie."""

from __future__ import annotations

from pathlib import Path


def resolve(name: str | None = None, *, offline: bool = False) -> dict[str, Path]:
    """The local files of a model by role, e.g. {"flow": ..., "prior": ...}; what is missing is downloaded.

    name: of the manifest, or an alias; None for the default model. Raises SrcliError: UnknownModel; LicenceError, where
    a licence was not accepted (`srcli models pull NAME --accept-license`); PullError, where no source gave a file;
    WeightsMissing for a file that has changed.
    """
    from srcli.weights import manifest, pull, store

    entry = manifest.load().find(name)
    if store.missing(entry):
        pull.pull([entry], pull.How(offline=offline))
    return {role: store.locate(part) for role, part in entry.parts.items()}
