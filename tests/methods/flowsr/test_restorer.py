"""The restorer: lessons in, a network out; discriminators that are heard late and wait."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import nn

from srcli.cli.app import app
from srcli.methods.flowsr.network import VelocityNet
from srcli.methods.flowsr.restorer import sharpened
from srcli.methods.flowsr.training import end
from srcli.methods.realesrgan.network import Compact
from srcli.networks.discriminator import PixelDiscriminator, ProjectedDiscriminator
from srcli.networks.efficientnet import EfficientNetLite0, _published
from srcli.training import recipe
from srcli.training.data.lesson_files import LessonFiles
from srcli.training.data.lessons import GRAPHIC, PHOTO
from srcli.training.loop import Trainer, read_metadata
from srcli.training.optimizer import Optimizer
from srcli.training.recipe import RecipeError
from srcli.training.shares import GradientShares
from srcli.training.tasks import make_task
from srcli.weights import store
from tests.support.command import RUNNER, photo, train
from tests.support.places import EXAMPLES

TINY = """
task = "restorer"
architecture = { kind = "velocity", width = 16, before = 2, after = 0, coarse = 0, thin = 0, times = 16 }
[crops]
batch = 4
crop = 48
side = 64
[optim]
name = "muon"
lr = 2e-3
matrix_lr = 0.01
warmup = 2
steps = STEPS
clip = 0.2
[loss]
pixel = 0.3
flat = 0.1
grid = 0.1
perceptual = 0.2
features = 0.2
pixels = 0.2
[options]
adversary_start = 2
faithful_share = 0.5
"""


@pytest.fixture(scope="module")
def lessons(tmp_path_factory):
    """A folder of lessons by a teacher of random weights."""
    folder = tmp_path_factory.mktemp("lessons")
    torch.manual_seed(0)
    teacher, about = folder / "teacher.safetensors", {"kind": "compact", "width": 8, "convs": 2, "scale": 4}
    save_file(Compact(width=8, convs=2, scale=4).state_dict(), teacher, {"architecture": json.dumps(about)})
    train("pairs", "--teacher", teacher, "--data", EXAMPLES, "--out", folder / "made", "--side", 64, "--count", 12)
    return folder / "made"


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    """A file in the layout of the published EfficientNet-Lite0, with random weights."""
    torch.manual_seed(1)
    network = EfficientNetLite0().eval()
    path = tmp_path_factory.mktemp("features") / "lite0.pth"
    torch.save({_published(k): v for k, v in network.state_dict().items() if "num_batches" not in k}, path)
    return path


def made(tmp_path, trunk, features, steps: int, **changes: str) -> recipe.Recipe:
    text = TINY.replace("STEPS", str(steps))
    for old, new in changes.items():
        text = text.replace(old, new)
    (tmp_path / "tiny.toml").write_text(text)
    return recipe.load(str(tmp_path / "tiny.toml"))


def test_a_run_from_the_command_line_learns_and_exports(tmp_path, trunk, features, lessons):
    made(tmp_path, trunk, features, 6)
    common = ["--trunk", trunk, "--features", features, "--threads", 1]
    train("restorer", "--recipe", tmp_path / "tiny.toml", "--pairs", lessons, *common, "--out", tmp_path / "run")
    weights = tmp_path / "restorer.safetensors"
    train("export", tmp_path / "run", "-o", weights, "--data", "two photos")
    assert read_metadata(weights)["pipeline"] == "flowsr"
    head, *rows = (tmp_path / "run" / "log.csv").read_text().splitlines()
    assert {"pixel", "features", "pixels", "features lead", "pixels lead"} <= set(head.split(","))
    assert len(rows) == 1
    picture = torch.rand(1, 3, 32, 32) * 2 - 1
    moved = store.load_network(weights)(picture, torch.ones(1), detail=torch.ones(1))
    assert float(moved.abs().max()) > 1e-4


def test_regression_alone_learns_a_batch_by_heart(tmp_path, trunk, lessons):
    regression = made(
        tmp_path, trunk, None, 120, **{"features = 0.2\npixels = 0.2\n": "", "perceptual = 0.2\n": "", "0.5": "0.0"}
    )
    task = make_task(regression)
    batch, optimizer = regression.crops.draw(LessonFiles(lessons), 9, 0), Optimizer(task.network, regression.optim)
    ones = torch.ones(len(batch.lr))

    def error() -> float:
        with torch.no_grad():
            made = end(task.network, batch.lr * 2 - 1, ones, ones)
        return float((made - (batch.taught * 2 - 1)).abs().mean())

    before = error()
    for step in range(120):
        for _, loss, _ in task.losses(batch, step):
            optimizer.step(loss, step)
    assert error() < 0.8 * before


@pytest.mark.slow
def test_an_interrupted_run_goes_on_as_if_it_had_not_been(tmp_path, trunk, features, lessons):
    chosen = made(tmp_path, trunk, features, 6)

    def trainer(out: str) -> Trainer:
        task = make_task(chosen, trunk=trunk, features=features)
        return Trainer(chosen, task, LessonFiles(lessons), tmp_path / out)

    trainer("whole").run()
    half = trainer("parts")

    def stop(step: int, values: dict[str, float]) -> None:
        if step == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        half.run(progress=stop)
    half.save()
    second = trainer("parts")
    second.resume()
    second.run()
    one, two = (load_file(tmp_path / out / "checkpoint.safetensors") for out in ("whole", "parts"))
    assert one.keys() == two.keys()
    assert not [name for name in one if not torch.equal(one[name], two[name])]


def test_discriminators_are_heard_late_and_wait_when_ahead(tmp_path, trunk, features, lessons):
    chosen = made(tmp_path, trunk, features, 6)
    task = make_task(chosen, trunk=trunk, features=features)
    batch = chosen.crops.draw(LessonFiles(lessons), 0, 0)

    def updated(step: int) -> list[str]:
        return [name for name, _, _ in task.losses(batch, step) if task.gates.get(name, torch.tensor(True))]

    assert updated(0) == ["network", "features", "pixels"]
    quiet = dict(next(iter(task.losses(batch, 1)))[2])
    assert quiet["features"] == quiet["pixels"] == 0
    task.leads["pixels"].value.fill_(5.0)
    assert updated(3) == ["network", "features"]
    loud = dict(next(iter(task.losses(batch, 3)))[2])
    assert loud["features"] != 0
    assert loud["pixels"] != 0


def test_gradients_pull_by_their_shares_whatever_their_scale():
    shares, picture = GradientShares({"small": 0.75, "large": 0.25}), torch.zeros(4, requires_grad=True)
    towards = torch.tensor([1.0, 1.0, 0.0, 0.0])
    found = shares({"small": 1e-6 * (picture * towards).sum(), "large": 1e6 * (picture * (1 - towards)).sum()}, picture)
    assert torch.allclose(found, torch.tensor([0.75, 0.75, 0.25, 0.25]) * 2**0.5)
    state = {k: v.clone() for k, v in shares.state_dict().items()}
    assert state["scale_small"] > 0
    assert shares({"unknown": picture.sum()}, picture).abs().max() == 0


def test_discriminators_learn_to_tell_noise_from_smoothness(features):
    torch.manual_seed(0)
    frozen = EfficientNetLite0()
    frozen.load_published(torch.load(features))
    smooth = torch.rand(8, 3, 1, 1).expand(8, 3, 48, 48)
    noise = (smooth + 0.1 * torch.randn(8, 3, 48, 48)).clamp(0, 1)
    for judge, see in ((ProjectedDiscriminator(frozen.widths), frozen), (PixelDiscriminator(16), lambda x: x)):
        optimizer = torch.optim.AdamW(judge.parameters(), lr=2e-3, betas=(0.0, 0.99))
        for _ in range(40):
            real, fake = judge(see(noise)), judge(see(smooth))
            loss = torch.stack([(1 - r).relu().mean() + (1 + f).relu().mean() for r, f in zip(real, fake, strict=True)])
            optimizer.zero_grad()
            loss.mean().backward()
            optimizer.step()
        with torch.no_grad():
            real, fake = judge(see(noise)), judge(see(smooth))
        assert torch.stack([r.mean() - f.mean() for r, f in zip(real, fake, strict=True)]).mean() > 0.3


def test_folded_batch_norms_change_nothing(features):
    weights, plain, folded = torch.load(features), EfficientNetLite0(), EfficientNetLite0()
    own = {k: weights[_published(k)] for k in plain.state_dict() if "num_batches" not in k}
    for norm in [k for k in own if k.endswith("running_mean")]:
        own[norm].uniform_(-0.5, 0.5)
        weights[_published(norm)] = own[norm]
    plain.load_state_dict(own, strict=False)
    folded.load_published(weights)
    picture = torch.rand(1, 3, 40, 36)
    with torch.no_grad():
        for a, b in zip(plain.eval()(picture), folded(picture), strict=True):
            assert torch.allclose(a, b, atol=1e-4 * float(a.abs().max()))
    assert not [m for m in folded.modules() if isinstance(m, nn.BatchNorm2d)]


def test_weights_of_another_network_are_refused(tmp_path, trunk, features):
    (tmp_path / "other.pth").write_bytes(b"no weights")
    chosen = made(tmp_path, trunk, features, 6)
    with pytest.raises(RecipeError, match="does not hold EfficientNet-Lite0"):
        make_task(chosen, trunk=trunk, features=tmp_path / "other.pth")
    with pytest.raises(RecipeError, match="--features"):
        make_task(chosen, trunk=trunk)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--data", EXAMPLES], "--teacher MODEL"),
        (["--pairs", "nowhere"], "srcli train pairs makes them"),
        (["--pairs", "nowhere", "--hold-out", "2"], "--exclude and --hold-out choose among photos"),
        (["--data", EXAMPLES, "--teacher", "nobody"], "nobody"),
    ],
)
def test_data_that_is_no_lesson_is_refused_in_a_sentence(arguments, said, tmp_path, trunk):
    result = RUNNER.invoke(
        app,
        ["train", "restorer-base", *map(str, arguments), "--out", str(tmp_path / "run"), "--trunk", str(trunk)],
    )
    assert result.exit_code == 2
    assert said in " ".join(result.output.split())


def test_sharpening_adds_fine_detail_and_keeps_colours():
    torch.manual_seed(0)
    picture = torch.nn.functional.interpolate(torch.rand(1, 3, 16, 16) - 0.5, scale_factor=4.0, mode="bicubic")
    sharp = sharpened(picture, 0.5)
    assert (sharp[..., 1:] - sharp[..., :-1]).abs().mean() > 1.1 * (picture[..., 1:] - picture[..., :-1]).abs().mean()
    assert (sharp - picture).mean((2, 3)).abs().max() < 0.01
    assert torch.equal(
        sharpened(torch.full((1, 3, 20, 20), 0.25), 0.5).round(decimals=5), torch.full((1, 3, 20, 20), 0.25)
    )


def test_drawn_truth_is_not_sharpened(tmp_path, trunk, features, lessons):
    task = make_task(
        made(tmp_path, trunk, features, 1, **{"faithful_share = 0.5": "sharpen = 0.5"}), None, trunk, None, features
    )
    torch.manual_seed(0)
    truth = torch.rand(2, 3, 48, 48) * 2 - 1
    aims = task._aim(truth, truth, torch.tensor([GRAPHIC, PHOTO]), torch.ones(2))
    assert torch.equal(aims[0], truth[0])
    assert torch.equal(aims[1:], sharpened(truth[1:], 0.5))


def test_strips_show_pictures_next_to_bicubic_and_the_teacher(tmp_path, trunk, features, lessons):
    made(tmp_path, trunk, features, 3)
    for number in range(7):
        (tmp_path / "pictures").mkdir(exist_ok=True)
        photo(tmp_path / "pictures" / f"{number}.png", 40 if number else 120, 130)
    run, common = tmp_path / "run", ["--recipe", tmp_path / "tiny.toml", "--trunk", trunk, "--features", features]
    shown = ["--show", tmp_path / "pictures", "--teacher", lessons.parent / "teacher.safetensors", "--threads", 1]
    train("restorer", "--pairs", lessons, *common, *shown, "--out", run)
    strip = np.asarray(Image.open(run / "strip-000003.png"))
    assert strip.shape == (16 + 6 * 388 - 4, 3 * 388 - 4, 3)
    bicubic, network, teacher = (strip[16:400, x : x + 384].astype(int) for x in (0, 388, 776))
    assert np.abs(network - bicubic).mean() < np.abs(teacher - bicubic).mean()  # three steps from the identity
    second = strip[16 + 388 :][:384, :384]
    assert (second[160:] == 255).all()
    assert (second[:160, :160] < 255).any()  # 40 pixels high


def test_a_teacher_beside_lessons_is_only_for_strips(tmp_path, trunk, features, lessons):
    made(tmp_path, trunk, features, 3)
    teacher = lessons.parent / "teacher.safetensors"
    given = ["--recipe", tmp_path / "tiny.toml", "--pairs", lessons, "--teacher", teacher, "--out", tmp_path / "run"]
    result = RUNNER.invoke(app, [str(a) for a in ("train", "restorer", *given)])
    assert result.exit_code == 2
    assert "--show" in result.stderr


def test_without_a_notch_an_edge_leaves_no_lines_beside_it():
    """The notch averages over 17 patches: what one patch at an edge deviates shows in its neighbours."""
    edge = torch.zeros(1, 3, 32, 160)
    edge[..., 82:] = 1.0

    def beside(notch: bool) -> float:
        network = VelocityNet(width=8, before=1, after=0, coarse=0, thin=0, times=8, notch=notch)
        made = network._without_grid(edge)[..., 88:104]
        return float((made - made.mean(-1, keepdim=True)).abs().max())

    assert beside(True) > 0.02
    assert beside(False) == 0.0


def test_without_a_notch_tiles_need_less_around_them():
    networks = [VelocityNet(width=8, before=1, after=0, coarse=0, thin=0, times=8, notch=n) for n in (True, False)]
    assert networks[0].radius - networks[1].radius == 32
