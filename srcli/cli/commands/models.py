"""`srcli models`: list, show, fetch, check, import and convert models."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from srcli.cli.shared.console import Output, errors
from srcli.cli.shared.fetching import MANIFEST, announce, how, progress
from srcli.cli.shared.models_choice import parts_in, to_remove
from srcli.cli.shared.models_view import description, facts, tell_file, tell_list

if TYPE_CHECKING:
    from srcli.weights.entries import Entry
    from srcli.weights.manifest import Manifest

JSON = Annotated[bool, typer.Option("--json", help="One JSON object per line.")]
DEBUG = Annotated[bool, typer.Option("--debug", help="Show tracebacks.")]
NAMES = Annotated[list[str], typer.Argument(metavar="NAME...", help="Models of the manifest.", show_default=False)]

app = typer.Typer(
    help="List, fetch, check and convert models.",
    no_args_is_help=True,
    epilog="""Examples:\n
  srcli models list\n
  srcli models pull edsr-linf --accept-license\n
  srcli models import SRFlow_DF2K_4X.pth --as srflow-df2k-x4\n
  srcli models convert epoch-last.pth -o mine.safetensors""",
)


@app.command("list")
def list_models(
    everything: Annotated[bool, typer.Option("--all", help="Also metrics and models without a download.")] = False,
    manifest: MANIFEST = None,
    json: JSON = False,
    debug: DEBUG = False,
) -> None:
    """Available models: what each is for, scales, size, and whether it is installed."""
    output = Output(json)
    with errors(debug, json):
        entries = [e for e in _known().entries.values() if everything or _ready_to_use(e)]
        for entry in entries:
            output.record(facts(entry))
        if not json:
            tell_list(entries, output)


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="A model of the manifest.")],
    manifest: MANIFEST = None,
    json: JSON = False,
    debug: DEBUG = False,
) -> None:
    """Everything that the manifest says of a model: source, hashes, paper, licence."""
    output = Output(json)
    with errors(debug, json):
        entry = _known().find(name)
        output.record(facts(entry))
        if not json:
            description(entry, output)


@app.command()
def pull(
    names: NAMES,
    accept: Annotated[
        bool, typer.Option("--accept-license", "--accept-licence", help="Agree to their terms; remembered.")
    ] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Only from the hub's cache on this machine.")] = False,
    retries: Annotated[int, typer.Option("--retries", min=1, help="Attempts without progress, per source.")] = 5,
    timeout: Annotated[float, typer.Option("--timeout", min=0.1, help="Seconds without a byte.")] = 30.0,
    manifest: MANIFEST = None,
    json: JSON = False,
    debug: DEBUG = False,
) -> None:
    """Fetch models: resumed, from the first source that answers, checked before a file gets its name."""
    output = Output(json)
    with errors(debug, json):
        from srcli.weights import cache, store
        from srcli.weights import pull as pulling

        entries = [_known().find(name) for name in names]
        for entry in entries:
            if store.missing(entry):
                announce(entry, output)
            if not cache.accepted(entry) and (accept or _agreed(entry, output)):
                cache.accept(entry)
        with progress(output) as report:
            found = pulling.pull(entries, how(output, report, offline=offline, retries=retries, timeout=timeout))
        for entry in entries:
            for part in entry.parts.values():
                tell_file(entry, part, found[part.file], output)


@app.command()
def verify(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME...]", help="Models.", show_default="all that are here")
    ] = None,
    manifest: MANIFEST = None,
    json: JSON = False,
    debug: DEBUG = False,
) -> None:
    """Read every file again and compare its hash with what it was when it came. Exit code 4 where one differs."""
    output, wrong = Output(json), False
    with errors(debug, json):
        from srcli.errors import SrcliError
        from srcli.weights import store

        known = _known()
        chosen = [known.find(name) for name in names] if names else list(known.entries.values())
        for entry in chosen:
            for part in entry.parts.values():
                if not names and not store.path_of(part).is_file():
                    continue
                problem = None
                try:
                    store.verify(part)
                except SrcliError as error:
                    problem, wrong = str(error), True
                output.record({"name": entry.name, "file": part.file, "good": problem is None, "error": problem})
                if problem is None:
                    output.say(f"{entry.name}: {store.path_of(part)} is as it was")
                elif not json:
                    output.problem(f"{entry.name}: {problem}")
    sys.exit(4 if wrong else 0)


@app.command()
def rm(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME...]", help="Models.", show_default=False)] = None,
    file: Annotated[list[str] | None, typer.Option("--file", help="One file of a model, by its name.")] = None,
    forget: Annotated[
        bool, typer.Option("--forget", help="Also forget its hash, so that another version may come.")
    ] = False,
    manifest: MANIFEST = None,
    json: JSON = False,
    debug: DEBUG = False,
) -> None:
    """Remove downloaded files. What another model uses too stays; what is in the package stays."""
    output = Output(json)
    with errors(debug, json):
        from srcli.weights import cache, pull, store

        for entry, part in to_remove(names or [], file or [], output):
            path, there = store.path_of(part), pull.remove(part)
            if forget:
                cache.pin(part.file, None)
            output.record({"name": entry.name, "file": part.file, "path": str(path), "removed": there})
            output.say(f"{'removed' if there else 'was not there:'} {path}")


@app.command()
def path(
    name: Annotated[str | None, typer.Argument(help="A model.", show_default="the folder of all")] = None,
    manifest: MANIFEST = None,
    json: JSON = False,
    debug: DEBUG = False,
) -> None:
    """Where the files of a model lie, or the folder of all that was downloaded."""
    output = Output(json)
    with errors(debug, json):
        from srcli.weights import cache, store

        if name is None:
            output.record({"path": str(cache.weights_folder())})
            output.say(str(cache.weights_folder()))
            return
        for role, part in _known().find(name).parts.items():
            there = store.path_of(part).is_file()
            output.record({"role": role, "path": str(store.path_of(part)), "installed": there})
            output.say(str(store.path_of(part)) + ("" if there else "  (not here)"))


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="A published checkpoint: .safetensors, .pth, .pt or .ckpt.")],
    name: Annotated[str, typer.Option("--as", help="The model it belongs to, or a new name.", show_default=False)],
    role: Annotated[str | None, typer.Option("--part", help="Which of its parts.", show_default="found out")] = None,
    accept: Annotated[
        bool, typer.Option("--accept-license", "--accept-licence", help="Agree to its terms; remembered.")
    ] = False,
    manifest: MANIFEST = None,
    json: JSON = False,
    debug: DEBUG = False,
) -> None:
    """Take over a checkpoint that you have: checked, converted, kept where `pull` would keep it. A new name makes a
    model of your own."""
    output = Output(json)
    with errors(debug, json):
        from srcli.weights import cache, manifest_file, pull, user_models
        from srcli.weights.convert import convert as converted

        known = _known()
        if role is None and manifest_file.NAME.fullmatch(name) and not known.has(name):
            entry = user_models.add(name, file, converted(file))
        else:
            entry = known.find(name)
        parts = parts_in(file, entry, role)
        if not cache.accepted(entry) and (accept or _agreed(entry, output)):
            cache.accept(entry)
        for part in parts:
            tell_file(entry, part, pull.import_file(file, entry, part), output)


@app.command()
def convert(
    checkpoint: Annotated[Path, typer.Argument(help="An official .pth, .pt or .ckpt file.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The .safetensors file to write.", show_default=False)],
    role: Annotated[
        str | None, typer.Option("--part", help="Which network, of a file with several.", show_default="the main one")
    ] = None,
    overwrite: Annotated[bool, typer.Option("-y", "--overwrite", help="Replace a file that exists.")] = False,
    json: JSON = False,
    debug: DEBUG = False,
) -> None:
    """Turn an official checkpoint into safetensors that `srcli upscale -m` or `srcli degrade -m` runs. Nothing in it is
    executed."""
    output = Output(json)
    with errors(debug, json):
        from srcli.batch import UsageError
        from srcli.weights.convert import convert as converted
        from srcli.weights.convert import roles_in, write

        if out.suffix != ".safetensors":
            raise UsageError(f"the result is a .safetensors file, not {out.name}")
        if out.exists() and not overwrite:
            raise UsageError(f"{out} exists; --overwrite replaces it")
        made = converted(checkpoint, role)
        if role not in (None, made.role):
            raise UsageError(f"{checkpoint} has no {role}; it holds {' and '.join(roles_in(checkpoint))}")
        if out.exists() and out.samefile(checkpoint):
            raise UsageError(f"{out} is the checkpoint itself; give another name")
        write(made, out, overwrite=overwrite)
        output.record({"path": str(out), "family": made.family, "architecture": dict(made.architecture)})
        output.say(f"{out} ({made.family}, {out.stat().st_size / 1e6:,.1f} MB)")


@app.command()
def licenses(manifest: MANIFEST = None, json: JSON = False, debug: DEBUG = False) -> None:
    """The licence of every model, whether it permits commercial use, and whether you have accepted it."""
    output = Output(json)
    with errors(debug, json):
        from rich.table import Table

        from srcli.weights import cache

        table = Table("model", "licence", "commercial use", "accepted", "source", box=None, pad_edge=False)
        for entry in _known().entries.values():
            use = {True: "yes", False: "no", None: "not stated"}[entry.commercial]
            agreed = "not needed" if entry.commercial else "yes" if cache.accepted(entry) else "no"
            output.record(
                {
                    "name": entry.name,
                    "licence": entry.licence,
                    "commercial": entry.commercial,
                    "accepted": agreed,
                    "paper": entry.paper,
                }
            )
            table.add_row(entry.name, entry.licence, use, agreed, entry.paper)
        if not json:
            output.table(table)


# --- what the commands share ---


def _known() -> Manifest:
    from srcli.weights import manifest

    return manifest.load()


def _ready_to_use(entry: Entry) -> bool:
    """Whether it makes pictures and can be had."""
    from srcli.weights import store

    return entry.pipeline is not None and all(p.sources or store.path_of(p).is_file() for p in entry.parts.values())


def _agreed(entry: Entry, output: Output) -> bool:
    """Ask where somebody can answer."""
    from srcli.weights import pull

    if output.json or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    try:
        return typer.confirm(f"{entry.name}: {pull.terms(entry)}. Accept?", err=True)
    except typer.Abort:
        raise KeyboardInterrupt from None
