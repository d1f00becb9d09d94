"""Models and their weights: which exist, where they come from and where they are stored."""

from __future__ import annotations

from pathlib import Path


def resolve(name: str | None = None, *, offline: bool = False) -> dict[str, Path]:
    """The local files of a model by role, such as {"flow": ..., "prior": ...}. Missing files are downloaded.

    name: a model's name or alias in the manifest; None for the default model.
    offline: raise PullError instead of downloading.

    Raises a SrcliError: UnknownModel; LicenceError if the licence must be accepted first (`srcli models pull NAME
    --accept-license`); PullError if no source provides a file; WeightsMissing if a file has changed.
    """
    from srcli.weights import manifest, pull, store

    entry = manifest.load().find(name)
    if store.missing(entry):
        pull.pull([entry], pull.PullOptions(offline=offline))
    return {role: store.locate(part) for role, part in entry.parts.items()}
