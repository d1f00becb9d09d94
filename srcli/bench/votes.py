"""Votes of blind comparisons: their file, and what they add up to."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

from srcli import files
from srcli.errors import SrcliError

Z = 1.959963984540054  # 97.5 % quantile of the standard normal distribution


class VotesError(SrcliError):
    """A file of votes that is missing, damaged, or made with other weights."""

    exit_code = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """What one person preferred.

    winner: `left`, `right`, or None for no difference.
    """

    picture: str
    left: str
    right: str
    winner: str | None

    @property
    def pair(self) -> tuple[str, frozenset[str]]:
        """What was compared, whichever side it was on."""
        return self.picture, frozenset((self.left, self.right))


@dataclass(slots=True, kw_only=True)
class Votes:
    """The content of a file of votes.

    made: date of the page.
    saved: date of the last vote.
    models: SHA-256 of the weights of each model; none for bicubic and for finished pictures.
    """

    srcli: str
    seed: int
    scale: float
    made: str
    saved: str
    models: dict[str, list[str]]
    votes: list[Vote] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        facts = {name: getattr(self, name) for name in ("srcli", "seed", "scale", "made", "saved")}
        models = [{"name": name, "weights": weights} for name, weights in self.models.items()]
        votes = [{n: getattr(v, n) for n in ("picture", "left", "right", "winner")} for v in self.votes]
        return facts | {"models": models, "votes": votes}

    def check_fits(self, models: dict[str, list[str]], where: str) -> None:
        """Raise VotesError if a model of the same name had other weights there."""
        for name, weights in models.items():
            if self.models.get(name, weights) != weights:
                raise VotesError(f"{where}: {name} has other weights there; votes for the two cannot be added up")


def of_dict(found: dict[str, Any], where: str) -> Votes:
    """Votes from the content of a file. Raises VotesError."""
    try:
        models = {str(m["name"]): [str(w) for w in m["weights"]] for m in found["models"]}
        votes = [Vote(**{name: v[name] for name in ("picture", "left", "right", "winner")}) for v in found["votes"]]
        facts = {name: found[name] for name in ("srcli", "seed", "scale", "made", "saved")}
    except (KeyError, TypeError, AttributeError) as error:
        raise VotesError(f"{where} is not a file of votes (no {error})") from error
    for vote in votes:
        if not {vote.left, vote.right} <= models.keys() or vote.winner not in (vote.left, vote.right, None):
            raise VotesError(f"{where} is not a file of votes ({vote.picture}: unknown model)")
    return Votes(**facts, models=models, votes=votes)


def read(path: Path) -> Votes:
    """Read a file of votes. Raises VotesError."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise VotesError(f"{path} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise VotesError(f"{path} is not a file of votes ({error})") from error
    return of_dict(found, str(path))


def write(path: Path, votes: Votes) -> None:
    """Write a file of votes, in whole or not at all. Raises WriteError."""
    files.make_folder(path.parent)
    files.write_text(path, json.dumps(votes.to_dict(), indent=1, ensure_ascii=False) + "\n")


def together(paths: Sequence[Path]) -> Votes:
    """The votes of several files, each that of one voter. Raises VotesError."""
    found = [read(path) for path in paths]
    whole = found[0]
    for number, (path, more) in enumerate(zip(paths, found, strict=True)):
        whole.check_fits(more.models, str(path))
        if more.votes and (same := [p for p, v in zip(paths[:number], found, strict=False) if v.votes == more.votes]):
            raise VotesError(f"{path} and {same[0]} hold the same votes; give each voter's file once")
    models = {name: weights for each in found for name, weights in each.models.items()}
    votes = [vote for each in found for vote in each.votes]
    facts = {name: getattr(whole, name) for name in ("srcli", "seed", "scale", "made", "saved")}
    return Votes(**facts, models=models, votes=votes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How often a model was preferred to another one, or to all others.

    against: the other one; None for all others.
    """

    model: str
    against: str | None
    wins: int
    losses: int
    ties: int

    @property
    def share(self) -> float | None:
        """Wins among the pairs in which one was preferred."""
        decided = self.wins + self.losses
        return self.wins / decided if decided else None

    @property
    def interval(self) -> tuple[float, float] | None:
        return wilson(self.wins, self.wins + self.losses)

    def to_dict(self) -> dict[str, Any]:
        low, high = self.interval or (None, None)
        counts = {name: getattr(self, name) for name in ("model", "against", "wins", "losses", "ties")}
        return counts | {"share": self.share, "low": low, "high": high}


def wilson(wins: int, count: int) -> tuple[float, float] | None:
    """95 % confidence interval of a share (Wilson 1927); None without any count."""
    if not count:
        return None
    share, square = wins / count, Z * Z
    middle = (share + square / (2 * count)) / (1 + square / count)
    half = Z / (1 + square / count) * math.sqrt(share * (1 - share) / count + square / (4 * count * count))
    return max(0.0, middle - half), min(1.0, middle + half)


def tally(votes: Votes) -> list[Standing]:
    """The standing of each pair of models that was compared, then, for more than two, of each against all others."""
    pairs = [_standing(a, b, votes.votes) for a, b in combinations(votes.models, 2)]
    pairs = [each for each in pairs if each.wins + each.losses + each.ties]
    if len(pairs) < 2:
        return pairs
    return [*pairs, *_overall(votes)]


def _overall(votes: Votes) -> Iterator[Standing]:
    for name in votes.models:
        mine = [v for v in votes.votes if name in (v.left, v.right)]
        if mine:
            yield _count(name, None, mine)


def _standing(model: str, against: str, votes: Iterable[Vote]) -> Standing:
    return _count(model, against, [v for v in votes if {v.left, v.right} == {model, against}])


def _count(model: str, against: str | None, votes: Sequence[Vote]) -> Standing:
    wins, ties = sum(v.winner == model for v in votes), sum(v.winner is None for v in votes)
    return Standing(model=model, against=against, wins=wins, losses=len(votes) - wins - ties, ties=ties)
