"""`srcli models add`: names for the models of a folder, or for one on the Hugging Face Hub."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from srcli.cli.shared.console import Output, errors
from srcli.cli.shared.fetching import MANIFEST, progress

if TYPE_CHECKING:
    from srcli.weights.entries import Entry

EXAMPLES = """Examples:\n
  srcli models add models/\n
  srcli models add 4x-Nomos.safetensors --as nomos\n
  srcli models add hf://OWNER/REPO/model.safetensors --accept-license"""


def add(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="SOURCE...", help="Folders, files, or hf://OWNER/REPO/FILE.", show_default=False),
    ],
    name: Annotated[
        str | None, typer.Option("--as", help="With a single file: the model's name.", show_default="the file's")
    ] = None,
    accept: Annotated[
        bool, typer.Option("--accept-license", "--accept-licence", help="Accept the licence that the hub states.")
    ] = False,
    retries: Annotated[int, typer.Option("--retries", min=1, help="Attempts without progress.")] = 5,
    timeout: Annotated[
        float, typer.Option("--timeout", min=0.1, help="Seconds without data before an attempt is given up.")
    ] = 30.0,
    manifest: MANIFEST = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object per file.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    """Give a name to each model in a folder, or to one on the Hugging Face Hub: checked, converted and kept with the
    downloaded ones. Its name is that of its file. Other architectures than srcli's need pip install srcli\\[spandrel].
    """
    output, outcomes = Output(json), []
    with errors(debug, json):
        from srcli.batch import UsageError
        from srcli.errors import SrcliError, reason_of
        from srcli.weights import adding
        from srcli.weights import manifest as known_models

        wanted = [each for source in sources for each in _files(source)]
        if name is not None and len(wanted) != 1:
            raise UsageError(f"--as names one model, and there are {len(wanted)}")
        for each in wanted:
            try:
                called = name or adding.name_of(str(each))
                if name is None and isinstance(each, Path) and known_models.load().has(called):
                    output.record({"source": str(each), "name": called, "status": "skipped", "reason": "known"})
                    output.notice(f"{each}: there is a model {called} already")
                    outcomes.append(0)
                    continue
                if isinstance(each, Path):
                    entry = adding.add_file(each, called)
                else:
                    entry = _from_hub(each, called, output, accept=accept, retries=retries, timeout=timeout)
                outcomes.append(0)
                _tell(str(each), entry, output)
            except SrcliError as error:
                if len(wanted) == 1:
                    raise
                outcomes.append(error.exit_code)
                told = {"source": str(each), "status": "failed", "error": str(error), "reason": reason_of(error)}
                output.record(told)
                output.problem(f"failed: {error}")
    failed = [code for code in outcomes if code]
    sys.exit(0 if not failed else failed[0] if len(failed) == len(outcomes) else 3)


def _files(source: str) -> list[Path | str]:
    """The files in a folder, or the one that is named."""
    from srcli.weights import adding

    return [source] if source.startswith(adding.HUB) else list(adding.files_in(Path(source)))


def _from_hub(address: str, name: str, output: Output, *, accept: bool, retries: int, timeout: float) -> Entry:
    from srcli.weights import adding, pull
    from srcli.weights.download import Patience

    source = adding.parse(address)
    terms = adding.terms_of(source, offline=pull.PullOptions().is_offline, timeout=timeout)
    use = {True: "", False: ", not for commercial use", None: "; whether commercial use is allowed is not known"}
    output.notice(f"{address}: licence {terms.licence}{use[terms.commercial]} (commit {terms.revision[:12]})")
    if terms.commercial is not True and not accept:
        raise adding.NotAccepted(f"{address} has the licence {terms.licence}; to accept it, add --accept-license")
    with progress(output) as report:
        return adding.add_hub(
            source,
            terms,
            name,
            patience=Patience(attempts=retries, timeout=timeout),
            on_bytes=lambda done, total: report.bytes(source.path, done, total),
        )


def _tell(source: str, entry: Entry, output: Output) -> None:
    from srcli.weights import store

    (part,) = entry.parts.values()
    facts = {"source": source, "name": entry.name, "status": "added", "pipeline": entry.pipeline}
    facts |= {"licence": entry.licence, "sha256": store.digest(part), "path": str(store.path_of(part))}
    output.record(facts | {"scales": entry.scales})
    output.say(f"{entry.name}: {source} (x{entry.scales[1]:g}, sha256 {store.digest(part)[:12]})")
