"""A ballot: pairs of unnamed versions, which version is whose, and the votes so far."""

from __future__ import annotations

import base64
import datetime
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from srcli.bench.votes import Vote, Votes, of_dict
from srcli.report import blind as page

GAP = 16  # pixels between the sides of a pair
SIDES = ("left", "right", "same")


@dataclass(slots=True, kw_only=True)
class Ballot:
    """What a page of a blind comparison holds.

    scenes: {name, width, height, shots, input} each, as in the page; shots are data URLs.
    pairs: scene, shot on the left, shot on the right.
    candidates: their names.
    order: for each scene the candidates of its shots.
    votes: the file of votes to begin with.
    """

    scenes: list[dict[str, Any]]
    pairs: list[tuple[int, int, int]]
    candidates: list[str]
    order: list[list[int]]
    votes: Votes

    def names(self, pair: Sequence[int]) -> tuple[str, str]:
        """The candidates on the left and on the right."""
        scene, left, right = pair
        return self.candidates[self.order[scene][left]], self.candidates[self.order[scene][right]]

    def vote(self, pair: Sequence[int], side: str) -> Vote:
        """A vote for one side of a pair: left, right or same."""
        left, right = self.names(pair)
        winner = {"left": left, "right": right, "same": None}[side]
        return Vote(picture=self.scenes[pair[0]]["name"], left=left, right=right, winner=winner)

    def open(self, votes: Votes) -> list[tuple[int, int, int]]:
        """The pairs that have no vote yet."""
        done = {vote.pair for vote in votes.votes}
        return [p for p in self.pairs if (self.scenes[p[0]]["name"], frozenset(self.names(p))) not in done]

    def picture(self, pair: Sequence[int]) -> Image.Image:
        """Both sides beside each other, pixel for pixel."""
        shots = [_decoded(self.scenes[pair[0]]["shots"][number]) for number in pair[1:]]
        made = Image.new("RGB", (sum(s.width for s in shots) + GAP, shots[0].height), "grey")
        made.paste(shots[0], (0, 0))
        made.paste(shots[1], (shots[0].width + GAP, 0))
        return made


def write(out: Path, ballot: Ballot) -> None:
    """Write a ballot as a page."""
    secret = {"names": ballot.candidates, "order": ballot.order, "file": ballot.votes.to_dict()}
    page.write(out, ballot.scenes, ballot.pairs, secret)


def read(path: Path) -> Ballot:
    """The ballot of a page. Raises PageError or VotesError."""
    scenes, pairs, secret = page.read(path)
    votes = of_dict(secret["file"], str(path))
    found = [(scene, left, right) for scene, left, right in pairs]
    return Ballot(scenes=scenes, pairs=found, candidates=secret["names"], order=secret["order"], votes=votes)


def today() -> str:
    return datetime.date.today().isoformat()


def _decoded(url: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGB")
