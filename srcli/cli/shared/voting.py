"""Blind comparisons on the command line: making a page, voting without a browser, and the table of votes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from srcli.cli.shared import bench_view
from srcli.cli.shared.console import Output
from srcli.cli.shared.fetching import fetch_models

if TYPE_CHECKING:
    from srcli.bench.ballots import Ballot
    from srcli.bench.blind import Candidate
    from srcli.bench.votes import Standing, Vote, Votes

ANSWERS = {"l": "left", "r": "right", "s": "same", "left": "left", "right": "right", "same": "same"}
CALLED = "index.html"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a blind comparison is to be made of.

    inputs: pictures to enlarge; without models, files and folders, versions of pictures.
    crop: pixels a side of the part shown, in the result; None: the default.
    """

    inputs: Sequence[Path]
    models: Sequence[str] = ()
    files: Sequence[Path] = ()
    folders: Sequence[Path] = ()
    labels: Sequence[str] | None = None
    scale: float | None = None
    detail: Sequence[float] = field(default=(1.0,))
    seed: int = 0
    crop: int | None = None
    against: str | None = None

    @property
    def enlarges(self) -> bool:
        return bool(self.models or self.files or self.folders)


def ballot_of(wanted: Wanted, votes: Path | None, problems: list[str], output: Output) -> Ballot:
    """Make all versions. Raises SrcliError."""
    from srcli.bench import blind
    from srcli.bench import votes as voted

    earlier = None if votes is None else voted.read(votes)
    crop = blind.SHOWN if wanted.crop is None else wanted.crop
    report = bench_view.progress(output)
    if not wanted.enlarges:
        return _of_versions(wanted, crop, earlier, problems)
    if wanted.labels:
        raise blind.CompareError("--label is for finished versions; models and folders have names")
    scale = 4.0 if wanted.scale is None else wanted.scale
    design = blind.Design(scale=scale, seed=wanted.seed, against=wanted.against)
    candidates = _candidates(wanted, scale, output)
    design.pairs([candidate.name for candidate in candidates])  # mistakes are found before the work
    files = blind.files_of(wanted.inputs)

    def counted():
        for number, source in enumerate(blind.sources(files, scale, crop, problems)):
            report(number, len(files))
            yield source
        report(len(files), len(files))

    return blind.ballot(counted(), candidates, design, earlier, problems)


def _of_versions(wanted: Wanted, crop: int, earlier: Votes | None, problems: list[str]) -> Ballot:
    from srcli.bench import blind, compare

    if wanted.scale is not None:
        raise blind.CompareError("--scale needs models: -n, -m or --score")
    found, missing = compare.scenes(wanted.inputs, None)
    problems += missing
    candidates = blind.versions(found, compare.labels_of(wanted.inputs, None, wanted.labels))
    files = {scene.name: scene.shots[0] for scene in found}
    design = blind.Design(scale=1.0, seed=wanted.seed, against=wanted.against)
    pictures = blind.sources(files, 1.0, crop, problems)
    return blind.ballot(pictures, candidates, design, earlier, problems, show_input=False)


def _candidates(wanted: Wanted, scale: float, output: Output) -> list[Candidate]:
    from srcli.bench import blind
    from srcli.geometry import Target
    from srcli.methods.dials import check
    from srcli.tiling.model import Sampling
    from srcli.upscaler import Upscaler

    fetch_models(list(wanted.models), output)
    made: list[Candidate] = []
    sources: list[str | Path] = [*wanted.models, *wanted.files]
    for source in sources:
        upscaler = Upscaler.from_file(source) if isinstance(source, Path) else Upscaler(source)
        upscaler.check_target(Target(scale=scale))
        name = source.stem if isinstance(source, Path) else upscaler.entry.name
        details = wanted.detail if upscaler.has("detail") else (1.0,)
        for value in details:
            sampling = check(Sampling(detail=value))
            upscaler.settled(sampling)
            named = f"{name} detail {value:g}" if len(details) > 1 or value != 1 else name
            made.append(blind.Model(named, upscaler, sampling))
    labels = [path.resolve().name for path in wanted.folders]
    clear = len(set(labels)) == len(labels)
    return made + [blind.folder(p, None if clear else str(p)) for p in wanted.folders]


def page_of(out: Path | None) -> Path:
    """The page in a folder, or the page itself."""
    chosen = out or Path("votes")
    return chosen if chosen.suffix.lower() in (".html", ".htm") else chosen / CALLED


def vote(inputs: Sequence[Path], file: Path, output: Output) -> None:
    """Ask for the open pairs of a page, one answer a line, and write each vote into the file at once."""
    from srcli import files
    from srcli.bench import ballots
    from srcli.bench import votes as voted

    if len(inputs) != 1:
        raise voted.VotesError("--votes without --blind takes one page of srcli compare --blind")
    page = inputs[0]
    ballot = ballots.read(page / CALLED if page.is_dir() else page)
    votes = voted.read(file) if file.exists() else ballot.votes
    votes.check_fits(ballot.votes.models, str(page))
    votes.models = votes.models | ballot.votes.models
    pending, folder = ballot.open(votes), (page if page.is_dir() else page.parent) / "pairs"
    files.make_folder(folder)
    paths = {pair: folder / f"{number:03}.png" for number, pair in enumerate(ballot.pairs, 1)}
    for pair in pending:
        ballot.picture(pair).save(paths[pair])
    output.say(f"{len(pending)} pairs without a vote, as pictures in {folder}. Answer left, right, same, undo or quit.")
    given: list[Vote] = []
    while len(given) < len(pending):
        pair = pending[len(given)]
        output.out.print(f"{len(given) + 1} of {len(pending)}, {paths[pair].name}: ", end="", markup=False)
        line = sys.stdin.readline()
        answer = line.strip().lower()
        if not line or answer in ("q", "quit"):
            break
        if answer in ANSWERS:
            given.append(ballot.vote(pair, ANSWERS[answer]))
            votes.votes.append(given[-1])
        elif answer in ("u", "undo") and given:
            given.pop()
            votes.votes.pop()
        else:
            output.notice("answer left, right, same, undo or quit")
            continue
        votes.saved = ballots.today()
        voted.write(file, votes)
    output.say("" if given else "no votes")
    if given:
        output.say(f"{file}: {len(votes.votes)} votes")


def tally(paths: Sequence[Path], output: Output) -> None:
    """Print what files of votes add up to."""
    from srcli.bench import votes as voted

    standings = voted.tally(voted.together(paths))
    for each in standings:
        output.record(each.to_dict())
    if output.json:
        return
    if not standings:
        output.say("no votes")
        return
    _table(standings, output)


def _table(standings: Sequence[Standing], output: Output) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(caption="share: wins among pairs without ties, with its 95 % Wilson interval")
    for heading in ("model", "against", "wins", "losses", "ties", "share", "interval"):
        table.add_column(heading, justify="left" if heading in ("model", "against") else "right")
    for number, row in enumerate(standings):
        low, high = row.interval or (0.0, 0.0)
        share = "" if row.share is None else f"{100 * row.share:.1f} %"
        interval = "" if row.share is None else f"{100 * low:.1f} to {100 * high:.1f} %"
        last = number + 1 < len(standings) and row.against is not None and standings[number + 1].against is None
        counts = (str(n) for n in (row.wins, row.losses, row.ties))
        against = Text(row.against or "all others")
        table.add_row(Text(row.model), against, *counts, share, interval, end_section=last)
    output.table(table)
