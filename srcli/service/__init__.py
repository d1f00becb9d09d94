"""One picture at a time for others: what is asked of it, within limits, and what became of it."""

from srcli.service.models import Models
from srcli.service.wanted import Wanted, parse
from srcli.service.work import Cancelled, Limits, Stop, TimedOut, enlarge, without_folder

__all__ = ["Cancelled", "Limits", "Models", "Stop", "TimedOut", "Wanted", "enlarge", "parse", "without_folder"]
