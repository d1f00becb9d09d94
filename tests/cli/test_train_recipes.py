"""Each recipe is a command with its own options, and says which embedded weights it made."""

from __future__ import annotations

import inspect
import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from srcli.cli.app import app
from srcli.cli.commands.train import run
from srcli.methods.registry import tasks
from srcli.training import recipe
from srcli.training.catalogue import OPTIONAL, packaged, takers, takes
from srcli.training.data.lessons import LessonSpec
from srcli.training.data.levels import LevelSpec
from srcli.training.loop import read_metadata
from srcli.training.tasks import make_task, takes_flow
from srcli.weights.store import EMBEDDED
from tests.support.places import EXAMPLES

RUNNER = CliRunner()
ADDED = {"degradation", "camera_scales", "graphics_share", "degraded_share", "clean_share", "grid"}
VALUES = {"versions": "2", "grain": "1", "solver_steps": "4"}  # others take any text


def flag(option: str) -> str:
    return "--" + option.replace("_", "-")


def recorded(file: str) -> dict:
    return json.loads(read_metadata(EMBEDDED / file)["recipe"])


@pytest.mark.parametrize("name", [n for n in recipe.available() if packaged()[n].about.status != "experiment"])
def test_a_recipe_has_the_architecture_of_the_weights_that_it_names(name):
    standing, ours = packaged()[name].about, recipe.load(name)
    saved = json.loads(read_metadata(EMBEDDED / standing.weights)["architecture"])
    assert ours.architecture == saved
    assert recorded(standing.weights)["task"] == ours.task


@pytest.mark.parametrize("name", [n for n in recipe.available() if packaged()[n].about.status == "shipped"])
def test_a_shipped_recipe_is_the_one_in_its_weights_but_for_steps(name):
    """First stages are not recorded there; their weights are part of the file's."""
    saved = recorded(packaged()[name].about.weights)
    if name.endswith("-base"):
        assert saved["name"] == name.removesuffix("-base")
        return
    ours = json.loads(recipe.load(name).to_json())
    for key in ("task", "architecture", "loss", "options", "seed"):
        assert ours[key] == saved[key], key
    new = {k: v for k, v in ours["crops"].items() if k not in saved["crops"]}
    assert set(new) <= ADDED
    assert not any(new.values())
    assert {k: v for k, v in ours["crops"].items() if k not in new} == saved["crops"]
    assert ours["optim"] | {"steps": 0} == {"beta1": 0.9} | saved["optim"] | {"steps": 0}


@pytest.mark.parametrize("name", [n for n in recipe.available() if packaged()[n].about.status == "successor"])
def test_a_successor_differs_from_what_made_the_weights(name):
    saved, ours = recorded(packaged()[name].about.weights), json.loads(recipe.load(name).to_json())
    assert any(ours[key] != saved[key] for key in ("loss", "options")) or ours["optim"] | {"steps": 0} != saved[
        "optim"
    ] | {"steps": 0}


def test_the_status_decides_nothing_of_a_run():
    table = {"task": "linf", "architecture": {"kind": "linf"}, "loss": {"nll": 1.0}}
    told = recipe.parse("r", {"about": {"status": "shipped", "weights": "linf-s.safetensors"}, **table})
    assert told == recipe.parse("r", table)
    assert "shipped" not in told.to_json()
    for wrong in ({"status": "best"}, {"status": "shipped"}, {"weights": "linf-s.safetensors"}):
        with pytest.raises(recipe.RecipeError, match="recipe r"):
            recipe.parse("r", {"about": wrong} | table)


def test_train_list_says_the_status_of_every_recipe():
    result = RUNNER.invoke(app, ["train", "list"])
    assert result.exit_code == 0, result.output
    rows = {line.split()[0]: line.split() for line in result.stdout.splitlines() if line}
    assert rows["srflow"][1:3] == ["shipped", "srflow-s.safetensors"]
    assert rows["prior"][1:3] == ["successor", "linf-lp-s.safetensors"]
    assert set(packaged()) <= set(rows)


def test_options_are_those_of_the_command():
    assert set(OPTIONAL) <= set(inspect.signature(run).parameters)
    assert all(takers(option) for option in OPTIONAL)


@pytest.mark.parametrize("name", packaged())
def test_the_options_of_a_recipe_are_those_that_it_can_use(name):
    chosen = recipe.load(name)
    assert takes(name, "flow") == takes_flow(chosen)
    assert takes(name, "pairs") == isinstance(chosen.crops, LevelSpec | LessonSpec)
    assert takes(name, "teacher") == takes(name, "features") == isinstance(chosen.crops, LessonSpec)
    learns_degraded = tasks()[chosen.task][1].learns_degraded
    assert takes(name, "degradation") == learns_degraded
    assert takes(name, "autoencoder") == (learns_degraded or chosen.task == "degflow")
    assert takes(name, "formulation") == bool(chosen.loss.get("map"))
    with pytest.raises(recipe.RecipeError) as error:  # what a recipe needs, or that its task has no such loss
        make_task(replace(chosen, loss=chosen.loss | {"perceptual": 1.0}))
    assert takes(name, "trunk") == ("has no perceptual" not in str(error.value))


@pytest.mark.parametrize("name", packaged())
def test_help_shows_the_options_that_a_recipe_takes_alone(name):
    result = RUNNER.invoke(app, ["train", name, "--help"], env={"COLUMNS": "200"})
    shown = {word for line in result.output.splitlines() if line.startswith("│") for word in line.split()[1:3]}
    for option in OPTIONAL:
        assert (flag(option) in shown) == takes(name, option), option
    assert {"--data", "--out", "--init", "--resume"} <= shown


@pytest.mark.parametrize(("name", "option"), [(n, o) for n in packaged() for o in OPTIONAL if not takes(n, o)])
def test_an_option_of_other_recipes_is_a_usage_error_that_names_them(tmp_path, name, option):
    value = [] if option == "ablation" else [VALUES.get(option, "x")]
    arguments = ["train", name, "--data", str(EXAMPLES), "--out", str(tmp_path / "run"), flag(option), *value]
    result = RUNNER.invoke(app, arguments)
    assert result.exit_code == 2
    said = " ".join(result.stderr.split())
    assert said.startswith(f"srcli: {flag(option)} is for {', '.join(takers(option))};")
    assert name in said
    assert not (tmp_path / "run").exists()
