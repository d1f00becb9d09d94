"""What the documentation says holds: commands parse, options exist, snippets run, links and paths lead somewhere."""

from __future__ import annotations

import doctest
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from PIL import Image

from srcli.cli.app import app
from tests.support.places import ROOT

OUTSIDE = ("README.md", "CONTRIBUTING.md", "checkpoints/README.md")
PAGES = [*(ROOT / name for name in OUTSIDE), *sorted((ROOT / "docs").glob("*.md"))]
COMMAND = typer.main.get_command(app)
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
LINK = re.compile(r"\]\(([^)\s]+)\)")
STARTS = ("srcli/", "docs/", "benchmarks/", "tests/", "checkpoints/", "examples/", ".ci/", ".github/")
IMMEDIATE = {"--help", "--version", "--install-completion", "--show-completion"}
MADE = ("examples/cat_x3.5.png",)  # by a command of the page


def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(page: Path, kind: str) -> list[str]:
    return [body for found, body in BLOCK.findall(text(page)) if found == kind]


def prose(page: Path) -> str:
    return BLOCK.sub("", text(page))


def invocations(page: Path) -> Iterator[list[str]]:
    """The arguments of every srcli command of a page: lines of code blocks, and whole commands in backticks."""
    lines = [line for body in blocks(page, "") for line in body.replace("\\\n", " ").splitlines()]
    inline = [code.replace("\n", " ") for code in re.findall(r"(?<!`)`([^`]+)`(?!`)", prose(page))]
    for line in lines + [code for code in inline if code.startswith("srcli ") and " -" in code]:
        words: list[str] = []
        for word in [*shlex.split(line, comments=True), ";"]:
            if word not in (";", "|", "&&", ">"):
                words.append(word)
                continue
            if words and words[0] == "srcli" and not {"COMMAND", "RECIPE"} & {*words}:  # these stand for all
                yield words[1:]
            words = []


def deepest(arguments: list[str]) -> tuple[typer.core.TyperCommand, list[str]]:
    """The command that a line runs, and what is left for it."""
    command, left = COMMAND, arguments
    while getattr(command, "commands", None) and left and not left[0].startswith("-"):
        assert left[0] in command.commands, f"no command {left[0]!r} in: srcli {shlex.join(arguments)}"
        command, left = command.commands[left[0]], left[1:]
    return command, left


def all_options(command=COMMAND) -> set[str]:
    found = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    for below in getattr(command, "commands", {}).values():
        found |= all_options(below)
    return found | {"--help", "-h"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_line_parses(page, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("srcli.cli.usage.presets.folder", lambda: tmp_path)
    (tmp_path / "scans.toml").write_text("long-side = 4000\n")  # a preset of the pages
    for arguments in invocations(page):
        command, left = deepest(arguments)
        if set(left) & IMMEDIATE:  # these print something and end
            assert set(left) <= all_options(command)
            continue
        try:
            # A context parses and checks types; nothing runs. Lists may be cut short by dots.
            command.make_context("srcli", [word for word in left if word != "..."])
        except (Exception, SystemExit) as error:
            told = capsys.readouterr().err or str(error)
            if "is missing" in told and shlex.join(["srcli", *arguments]) in CODE.findall(text(page)):
                continue  # in the middle of a sentence
            pytest.fail(f"srcli {shlex.join(arguments)}: {told}")


def test_the_pages_have_commands():
    """Else the test above would have nothing to fail on."""
    assert sum(1 for _ in invocations(ROOT / "README.md")) >= 5
    assert sum(1 for _ in invocations(ROOT / "docs" / "cli.md")) >= 30


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_option_named_in_the_text_exists(page):
    """Those of srcli; lines of other programs begin with their names."""
    known = all_options()
    for code in CODE.findall(prose(page)):
        words = shlex.split(code, comments=True) if code.count("'") % 2 == 0 else code.split()
        if words and (words[0].startswith("-") or words[0] == "srcli"):
            for word in words:
                name = word.split("=")[0]
                if re.fullmatch(r"--?[A-Za-z][\w-]*", name) and not re.fullmatch(r"-\d.*", name):
                    assert name in known, f"{page.name} names {name}, which no command has"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in LINK.findall(text(page)):
        if target.startswith(("https://", "mailto:")):
            continue
        file, _, anchor = target.partition("#")
        there = (page.parent / file).resolve() if file else page
        assert there.exists(), f"{page.name} links to {target}"
        if anchor:
            assert anchor in anchors(there), f"{page.name} links to {target}"


def anchors(page: Path) -> set[str]:
    """Those that GitHub makes of headings."""
    headings = re.findall(r"^#+ (.+)$", BLOCK.sub("", text(page)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_paths_exist(page):
    """Paths of the repository in backticks and in commands. NAME and the like stand for any."""
    said = {word for code in CODE.findall(prose(page)) for word in code.split()}
    said |= {word for body in blocks(page, "") for word in body.split()}
    for path in sorted(word.strip("'\"").rstrip(",;.") for word in said if word.startswith(STARTS)):
        if re.search(r"[A-Z]{3,}|\{", path.replace("README", "")) or path in MADE:
            continue
        assert list(ROOT.glob(path.rstrip("/"))), f"{page.name} names {path}, which does not exist"


@pytest.fixture
def _photos(tmp_path, monkeypatch):
    """The pictures of the examples, in the folder in which they run."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    with Image.open(ROOT / "examples" / "cat.png") as cat:
        cat.convert("RGB").crop((60, 40, 156, 112)).save(tmp_path / "photos" / "a.png")
        cat.convert("RGB").crop((120, 60, 216, 132)).save(tmp_path / "photos" / "b.png")
        cat.convert("RGB").resize((480, 24)).save(tmp_path / "photo.jpg", quality=97, dpi=(300, 300))


@pytest.mark.usefixtures("_photos")
def test_python_snippets_run():
    """In their order, as one program."""
    names: dict[str, object] = {}
    snippets = blocks(ROOT / "README.md", "python")
    assert snippets
    for number, snippet in enumerate(snippets):
        exec(compile(snippet, f"README.md snippet {number}", "exec"), names)


@pytest.mark.usefixtures("_photos")
def test_python_examples_are_doctests(capsys):
    """In their order, as one program; every block of Python is one."""
    page = ROOT / "docs" / "python.md"
    assert not blocks(page, "python")
    examples = doctest.DocTestParser().get_examples("\n".join(blocks(page, "pycon")), "docs/python.md")
    assert sum(bool(each.want) for each in examples) > 10
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    result = runner.run(doctest.DocTest(examples, {}, "docs/python.md", None, None, None), clear_globs=False)
    assert (result.failed, result.attempted) == (0, len(examples)), capsys.readouterr().out


def test_the_readme_is_short():
    assert len(text(ROOT / "README.md").splitlines()) <= 150


def test_every_model_has_a_place_in_the_docs():
    models = tomllib.loads(text(ROOT / "weights_manifest.toml"))["models"]
    page = text(ROOT / "docs" / "models.md")
    assert not [name for name in models if f"`{name}`" not in page]


@pytest.mark.parametrize("page", ["README.md", "docs/models.md"])
def test_scores_are_in_the_results(page):
    """Every LPIPS and dB of the page, with the table that it is from."""
    scores = re.findall(r"\b\d\.\d{4}\b|\b[23]\d\.\d\d\b", prose(ROOT / page))
    results = text(ROOT / "docs" / "results.md")
    assert len(scores) > 10
    assert not [score for score in scores if not re.search(rf"\b{re.escape(score)}\b", results)]


def test_manifest_scores_are_in_the_results():
    models = tomllib.loads(text(ROOT / "weights_manifest.toml"))["models"].values()
    measured = [m["measured"] for m in models if "measured" in m]
    said = [f"{v:.2f}" for m in measured for key in ("psnr_y", "psnr") for v in m.get(key, {}).values()]
    said += [f"{v:.4f}" for m in measured for v in m["lpips_squeeze"].values()]
    results = text(ROOT / "docs" / "results.md")
    assert len(said) > 20
    assert not [score for score in said if score not in results]
