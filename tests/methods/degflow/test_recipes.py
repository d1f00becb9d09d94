"""DegFlow's recipes, and what is refused of recipes and commands."""

from __future__ import annotations

import pytest

from srcli.cli.app import app
from srcli.methods.registry import build
from srcli.training import recipe
from srcli.training.recipe import RecipeError
from srcli.training.tasks import make_task
from tests.methods.degflow.steps import LINF, RUNNER, STAGE1, STAGE2, autoencoder_in, recipe_of
from tests.support.places import EXAMPLES


def test_recipes_that_do_not_fit_are_one_sentence(tmp_path):
    with pytest.raises(RecipeError, match="multiples of 8"):
        make_task(recipe_of(tmp_path, STAGE1, crop=60))
    with pytest.raises(RecipeError, match="other channels"):
        make_task(recipe_of(tmp_path, STAGE2), autoencoder=autoencoder_in(tmp_path, latent_dim=6))
    with pytest.raises(RecipeError, match="one at least"):
        make_task(recipe_of(tmp_path, STAGE2 + "[options]\ntimes = 0"), autoencoder=autoencoder_in(tmp_path))


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("degflow-ae", "leave out --degradation"),
        ("srflow-base", "cannot learn from other degradations"),
        ("prior", "cannot learn from other degradations"),
    ],
)
def test_recipes_that_cannot_learn_from_other_degradations_say_so(name, says):
    with pytest.raises(RecipeError, match=f"^{name} .*{says}"):
        recipe.degraded_by(recipe.load(name), "degflow")


def test_pairs_are_refused_by_a_recipe_that_learns_from_photos(tmp_path):
    (tmp_path / "photos.toml").write_text(LINF)
    command = [
        "train",
        "degflow-ae",
        "--recipe",
        tmp_path / "photos.toml",
        "--pairs",
        EXAMPLES,
        "--out",
        tmp_path / "run",
    ]
    result = RUNNER.invoke(app, [str(a) for a in command])
    assert (result.exit_code, "pairs are for degflow" in result.output) == (2, True), result.output


def test_packaged_recipes_are_small():
    networks = [build(recipe.load(name).architecture) for name in ("degflow-ae", "degflow")]
    assert sum(2 * p.numel() for n in networks for p in n.parameters()) < 8e6  # bytes in float16
    assert networks[1].tileable


def test_the_packaged_flow_learns_from_its_velocity_alone():
    """Decoding costs a third of a step for a gradient of a ten-thousandth; what is encoded serves eight times."""
    stage1, stage2 = recipe.load("degflow-ae"), recipe.load("degflow")
    assert stage2.loss == {"flow": 1.0}
    assert stage2.options == {"relative": True, "times": 8}
    assert stage1.loss["periodic"] < stage1.loss["pixel"]


@pytest.mark.parametrize(
    ("stage", "options", "says"),
    [
        ("degflow", ["--data", EXAMPLES], "--autoencoder FILE"),
        ("degflow", ["--data", EXAMPLES, "--autoencoder", "none.pth"], "does not exist"),
        ("degflow-ae", [], "either photos"),
        ("degflow-ae", ["--data", EXAMPLES, "--pairs", "x"], "either photos"),
        ("degflow-ae", ["--data", EXAMPLES, "--degradation", "degflow"], "degflow-ae has no use for it"),
        ("degflow-ae", ["--pairs", "x", "--hold-out", "3"], "Test folder"),
        ("linf-base", ["--pairs", EXAMPLES], "linf-base has no use for it"),
        ("linf-base", ["--data", EXAMPLES, "--degradation", "odd"], "unknown degradation"),
        ("linf-base", ["--data", EXAMPLES, "--cache", "x"], "--degradation degflow"),
        ("linf-base", ["--data", EXAMPLES, "--degradation", "levels", "--solver", "rk4"], "--degradation degflow"),
        ("linf-base", ["--data", EXAMPLES, "--levels", "2,4"], "--degradation levels"),
        ("linf-base", ["--data", EXAMPLES, "--degradation", "levels", "--levels", "2,5"], "from 1 to 4"),
        ("linf-base", ["--data", EXAMPLES, "--degradation", "levels", "--levels", "4-2"], "from 1 to 4"),
        ("linf-base", ["--data", EXAMPLES, "--resume", "--degradation", "levels"], "as the run began"),
        ("srflow-base", ["--data", EXAMPLES, "--degradation", "degflow"], "srflow-base has no use for it"),
        ("prior", ["--data", EXAMPLES, "--degradation", "levels"], "prior has no use for it"),
    ],
)
def test_bad_training_commands_are_one_sentence(tmp_path, monkeypatch, stage, options, says):
    monkeypatch.chdir(tmp_path)
    result = RUNNER.invoke(app, [str(a) for a in ["train", stage, "--out", tmp_path / "run", *options]])
    assert result.exit_code in (2, 4), result.output
    assert says in result.output
    assert "Traceback" not in result.output
