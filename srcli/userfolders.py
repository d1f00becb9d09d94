"""The user's own folders. A user without a home, such as an unknown uid in a container, has none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import platformdirs

from srcli.errors import SrcliError


class NoHome(SrcliError):
    """A folder that would be in the home of a user who has none."""

    exit_code = 4


def data() -> Path:
    """Where downloaded models go unless SRCLI_HOME or HF_HOME is set. Raises NoHome."""
    return _below_home(platformdirs.user_data_path, "SRCLI_HOME")


def config() -> Path:
    """Where the user's own settings are. Raises NoHome."""
    return _below_home(platformdirs.user_config_path, "HOME or XDG_CONFIG_HOME")


def cache() -> Path:
    """Where other tools of the user keep what can be fetched again. Raises NoHome."""
    return _below_home(platformdirs.user_cache_path, "HOME or XDG_CACHE_HOME")


def _below_home(find: Callable[[str], Path], variable: str) -> Path:
    try:
        found = find("srcli")
    except RuntimeError:  # platformdirs from 4.5; older ones return ~ unexpanded
        found = Path("~")
    if found.parts[:1] == ("~",):
        raise NoHome(f"this user has no home folder; set {variable} to a folder")
    return found
