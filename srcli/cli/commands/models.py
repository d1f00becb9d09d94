"""`srcli models`: list, show, download, verify, import and convert models."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from srcli.cli.shared.console import Output, errors
from srcli.cli.shared.fetching import MANIFEST, announce, progress, pull_options
from srcli.cli.shared.models_choice import agrees, known_models, parts_in, to_remove, usable
from srcli.cli.shared.models_view import facts, print_file, print_list, print_model, tell_role
from srcli.cli.usage.command import App

JSON = Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")]
DEBUG = Annotated[bool, typer.Option("--debug", help="Show tracebacks.")]
NAMES = Annotated[list[str], typer.Argument(metavar="NAME...", help="Names of models.", show_default=False)]

app = App(
    help="List, download, verify, import and convert models.",
    epilog="""Examples:\n
  srcli models list\n
  srcli models pull edsr-linf --accept-license\n
  srcli models import SRFlow_DF2K_4X.pth --as srflow-df2k-x4\n
  srcli models convert epoch-last.pth -o mine.safetensors""",
)


@app.command("list")
def list_models(
    everything: Annotated[
        bool, typer.Option("--all", help="Also list networks of metrics and models that cannot be downloaded.")
    ] = False,
    manifest: MANIFEST = None,
    json: JSON = False,
    debug: DEBUG = False,
) -> None:
    """List available models: purpose, scales, size, and whether each is installed."""
    output = Output(json)
    with errors(debug, json):
        entries = [e for e in known_models().entries.values() if everything or usable(e)]
        for entry in entries:
            output.record(facts(entry))
        if not json:
            print_list(entries, output)


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="Name of a model.")],
    manifest: MANIFEST = None,
    json: JSON = False,
    debug: DEBUG = False,
) -> None:
    """Show everything about a model: sources, hashes, paper, licence, scores."""
    output = Output(json)
    with errors(debug, json):
        entry = known_models().find(name)
        output.record(facts(entry))
        if not json:
            print_model(entry, output)


@app.command()
def pull(
    names: NAMES,
    accept: Annotated[
        bool, typer.Option("--accept-license", "--accept-licence", help="Accept their licences; this is remembered.")
    ] = False,
    offline: Annotated[
        bool, typer.Option("--offline", help="Use only the Hugging Face cache on this machine.")
    ] = False,
    retries: Annotated[int, typer.Option("--retries", min=1, help="Attempts without progress per source.")] = 5,
    timeout: Annotated[
        float, typer.Option("--timeout", min=0.1, help="Seconds without data before an attempt is given up.")
    ] = 30.0,
    manifest: MANIFEST = None,
    json: JSON = False,
    debug: DEBUG = False,
) -> None:
    """Download models. Interrupted downloads are resumed, and files are checked before they are installed."""
    output = Output(json)
    with errors(debug, json):
        from srcli.weights import cache, store
        from srcli.weights import pull as pulling

        entries = [known_models().find(name) for name in names]
        for entry in entries:
            if store.missing(entry):
                announce(entry, output)
            if not cache.accepted(entry) and (accept or agrees(entry, output)):
                cache.accept(entry)
        with progress(output) as report:
            found = pulling.pull(
                entries, pull_options(output, report, offline=offline, retries=retries, timeout=timeout)
            )
        for entry in entries:
            for part in entry.parts.values():
                print_file(entry, part, found[part.file], output)
            tell_role(entry, output)


@app.command()
def verify(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME...]", help="Names of models.", show_default="all installed")
    ] = None,
    manifest: MANIFEST = None,
    json: JSON = False,
    debug: DEBUG = False,
) -> None:
    """Check the hashes of installed files. The exit code is 4 if one has changed."""
    output, wrong = Output(json), False
    with errors(debug, json):
        from srcli.errors import SrcliError
        from srcli.weights import store

        known = known_models()
        chosen = [known.find(name) for name in names] if names else list(known.entries.values())
        for entry in chosen:
            for part in entry.parts.values():
                if not names and not store.installed(part):
                    continue
                problem = None
                try:
                    store.verify(part)
                except SrcliError as error:
                    problem, wrong = str(error), True
                output.record({"name": entry.name, "file": part.file, "good": problem is None, "error": problem})
                if problem is None:
                    output.say(f"{entry.name}: {store.path_of(part)} is unchanged")
                elif not json:
                    output.problem(f"{entry.name}: {problem}")
    sys.exit(4 if wrong else 0)


@app.command()
def rm(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME...]", help="Names of models.", show_default=False)
    ] = None,
    file: Annotated[list[str] | None, typer.Option("--file", help="Remove a single file, by name.")] = None,
    forget: Annotated[
        bool, typer.Option("--forget", help="Also forget its hash, so that another version can be installed.")
    ] = False,
    manifest: MANIFEST = None,
    json: JSON = False,
    debug: DEBUG = False,
) -> None:
    """Remove downloaded files, except those that another installed model uses. A model that `srcli models import` added
    under a name of its own is also taken out of the user's manifest."""
    output = Output(json)
    with errors(debug, json):
        from srcli.weights import cache, pull, store, user_models

        own = [known_models().find(name) for name in names or []]
        for entry, part in to_remove(names or [], file or [], output):
            path, there = store.path_of(part), pull.remove(part)
            if forget:
                cache.pin(part.file, None)
            output.record({"name": entry.name, "file": part.file, "path": str(path), "removed": there})
            output.say(f"{'removed' if there else 'not installed:'} {path}")
        for entry in own:
            if (changed := user_models.forget(entry)) is not None:
                output.record({"name": entry.name, "manifest": str(changed), "removed": True})
                output.say(f"removed {entry.name} from {changed}")


@app.command()
def path(
    name: Annotated[
        str | None, typer.Argument(help="Name of a model.", show_default="the folder of all models")
    ] = None,
    manifest: MANIFEST = None,
    json: JSON = False,
    debug: DEBUG = False,
) -> None:
    """Print where the files of a model are, or the folder of downloaded models."""
    output = Output(json)
    with errors(debug, json):
        from srcli.weights import cache, store

        if name is None:
            output.record({"path": str(cache.weights_folder())})
            output.say(str(cache.weights_folder()))
            return
        entry = known_models().find(name)
        for model in store.models_of(entry, known_models().entries):
            for role, part in model.parts.items():
                there = store.path_of(part).is_file()
                whose = {} if model is entry else {"name": model.name}
                output.record(whose | {"role": role, "path": str(store.path_of(part)), "installed": there})
                output.say(str(store.path_of(part)) + ("" if there else "  (not installed)"))


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="A published checkpoint: .safetensors, .pth, .pt or .ckpt.")],
    name: Annotated[
        str, typer.Option("--as", help="The model that the file belongs to, or a new name.", show_default=False)
    ],
    role: Annotated[
        str | None, typer.Option("--part", help="Which part of the model the file is.", show_default="detected")
    ] = None,
    twin: Annotated[
        Path | None, typer.Option("--twin", help="The file of a second network of the same shape, for --denoise.")
    ] = None,
    accept: Annotated[
        bool, typer.Option("--accept-license", "--accept-licence", help="Accept its licence; this is remembered.")
    ] = False,
    manifest: MANIFEST = None,
    json: JSON = False,
    debug: DEBUG = False,
) -> None:
    """Install a checkpoint file that you have: it is checked, converted and stored like a downloaded one. With a new
    name, it becomes a model of your own."""
    output = Output(json)
    with errors(debug, json):
        from srcli.weights import cache, manifest_file, pull, user_models
        from srcli.weights.convert import convert as converted

        known = known_models()
        if role is None and manifest_file.NAME.fullmatch(name) and not known.has(name):
            entry = user_models.add(name, file, converted(file), twin)
        else:
            entry = known.find(name)
        files = [(file, part) for part in parts_in(file, entry, role)]
        if twin is not None:
            files += [(twin, part) for part in parts_in(twin, entry, "twin")]
        if not cache.accepted(entry) and (accept or agrees(entry, output)):
            cache.accept(entry)
        for path, part in files:
            print_file(entry, part, pull.import_file(path, entry, part), output)
        tell_role(entry, output)


@app.command()
def convert(
    checkpoint: Annotated[Path, typer.Argument(help="A published .pth, .pt or .ckpt file.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The .safetensors file to write.", show_default=False)],
    role: Annotated[
        str | None,
        typer.Option("--part", help="Which network to take from a file with several.", show_default="the main one"),
    ] = None,
    overwrite: Annotated[bool, typer.Option("-y", "--overwrite", help="Replace an existing file.")] = False,
    json: JSON = False,
    debug: DEBUG = False,
) -> None:
    """Convert a published checkpoint to safetensors for `srcli upscale -m` or `srcli degrade -m`. No code is run."""
    output = Output(json)
    with errors(debug, json):
        from srcli.batch import UsageError
        from srcli.weights.convert import convert as converted
        from srcli.weights.convert import roles_in, write

        if out.suffix != ".safetensors":
            raise UsageError(f"--out must end in .safetensors, unlike {out.name}")
        if out.exists() and not overwrite:
            raise UsageError(f"{out} exists; use --overwrite to replace it")
        made = converted(checkpoint, role)
        if role not in (None, made.role):
            raise UsageError(f"{checkpoint} has no {role}; it holds {' and '.join(roles_in(checkpoint))}")
        if out.exists() and out.samefile(checkpoint):
            raise UsageError(f"{out} is the checkpoint itself; choose another name")
        write(made, out, overwrite=overwrite)
        output.record({"path": str(out), "family": made.family, "architecture": dict(made.architecture)})
        output.say(f"{out} ({made.family}, {out.stat().st_size / 1e6:,.1f} MB)")


@app.command()
def licenses(manifest: MANIFEST = None, json: JSON = False, debug: DEBUG = False) -> None:
    """List the licence of each model, whether it allows commercial use, and whether you have accepted it."""
    output = Output(json)
    with errors(debug, json):
        from rich.table import Table

        from srcli.weights import cache

        table = Table("model", "licence", "commercial use", "accepted", "source", box=None, pad_edge=False)
        for entry in known_models().entries.values():
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
