"""Models of a server: each loaded once, when it is first asked for."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from srcli.arguments import ArgumentError
from srcli.upscaler import Upscaler
from srcli.weights import manifest
from srcli.weights.model_files import Loaded


class Models:
    """The models that requests may name; threads may share it.

    sources: names or aliases, or what is in a file of weights; the first is used where a request names none.
    options: as for `Upscaler`.
    """

    def __init__(self, sources: Sequence[str | Loaded], **options: Any) -> None:
        self.sources: dict[str, str | Loaded] = {}
        for source in sources:
            entry = source.entry if isinstance(source, Loaded) else manifest.load().model(source)
            self.sources.setdefault(entry.name, source)
        self.names, self.options = tuple(self.sources), options
        self._loaded: dict[str, Upscaler] = {}
        self._lock = threading.Lock()

    def get(self, name: str | None = None) -> Upscaler:
        """A model by name or alias. Raises SrcliError."""
        known = self.names[0] if name is None else name
        if known not in self.sources and manifest.load().has(known):
            known = manifest.load().find(known).name
        if known not in self.sources:
            raise ArgumentError(f"this server does not have the model {name!r}; it has {', '.join(self.names)}")
        with self._lock:
            if known not in self._loaded:
                self._loaded[known] = Upscaler(self.sources[known], **self.options)
            return self._loaded[known]
