"""The house: which room may import which, how large rooms and files are, and that what is declared resolves."""

import ast
import inspect
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from srcli.methods import registry
from srcli.methods.method import resolve
from srcli.tiling.model import Sampling
from srcli.training import catalogue, recipe
from srcli.training.data.photos import Photos
from srcli.training.export import export
from srcli.training.loop import Trainer
from srcli.training.tasks import make_task
from srcli.weights import manifest, store
from tests.support.command import srcli
from tests.support.places import EXAMPLES

PACKAGE = Path(registry.__file__).parents[1]
# From the ground up: a room imports only rooms before it. `registry` is srcli.methods.{method,registry}, which names
# methods without importing them.
ROOMS = (
    "errors", "arguments", "geometry", "schema", "provenance", "files", "userfolders", "runtime", "registry", "images",
    "look", "choice", "drawing", "resampling", "networks", "flows", "checkpoints", "weights", "degradation", "metrics",
    "tiling", "training", "methods", "api", "upscaler", "degrader", "export", "report", "batch", "bench", "service",
    "web", "serve", "cli",
)  # fmt: skip
MOST_FILES = 15
MOST_LINES = 301


def room_of(module: str) -> str:
    parts = module.split(".")
    if parts[1] == "methods" and (len(parts) == 2 or parts[2] in ("method", "registry")):
        return "registry"
    return parts[1]


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = ("srcli", *path.relative_to(PACKAGE).with_suffix("").parts)
        yield ".".join(parts).removesuffix(".__init__"), path


def imported(path: Path) -> Iterator[str]:
    """Modules of the package that a file imports, also inside functions; not those for type checkers alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for_types = {
        id(node)
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and "TYPE_CHECKING" in ast.unparse(branch.test)
        for statement in branch.body
        for node in ast.walk(statement)
    }
    known = {name for name, _ in modules()}
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.ImportFrom)
            and (node.module or "").split(".")[0] == "srcli"
            and id(node) not in for_types
        ):
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if name in known else str(node.module)


def test_imports_point_down():
    found = defaultdict(list)
    for module, path in modules():
        if module in ("srcli", "srcli.__main__"):
            continue
        for name in imported(path):
            if name != "srcli" and ROOMS.index(room_of(name)) > ROOMS.index(room_of(module)):
                found[f"{room_of(module)} -> {room_of(name)}"].append(f"{module} imports {name}")
    assert not found, dict(found)


# What some rooms may import at most, beyond the order above.
FOUNDATIONS = {
    "flows": {"errors"},
    "registry": {"errors"},
    "resampling": {"geometry"},
    "networks": {"resampling", "registry"},
    "checkpoints": {"errors", "registry", "networks"},
    "tiling": {"errors", "geometry", "runtime", "images", "resampling"},
}
INFERENCE = re.compile(
    r"srcli\.methods\.\w+\.(method|model|network|flow|prior|queries|anchors|path|glow|folded|official|graph)"
)


def test_foundations_import_little():
    for module, path in modules():
        room = room_of(module) if module.count(".") else ""
        if room in FOUNDATIONS:
            found = {room_of(name) for name in imported(path) if name != "srcli"} - {room}
            assert found <= FOUNDATIONS[room], module


def test_inference_needs_no_training():
    seen = 0
    for module, path in modules():
        if INFERENCE.fullmatch(module):
            seen += 1
            assert not {name for name in imported(path) if room_of(name) == "training"}, module
    assert seen > 20


def test_methods_import_each_other_only_where_a_paper_builds_on_another():
    allowed = {("flowmap", "flowsr"), ("flowsr_sd", "flowsr")}
    found = set()
    for module, path in modules():
        parts = module.split(".")
        if parts[1:2] == ["methods"] and len(parts) > 3:
            others = {name.split(".")[2] for name in imported(path) if name.startswith("srcli.methods.")}
            found |= {(parts[2], other) for other in others - {parts[2], "registry", "method"}}
    assert found <= allowed


def test_rooms_and_files_are_small():
    folders = defaultdict(int)
    for _, path in modules():
        folders[path.parent] += 1
        lines = len(path.read_text(encoding="utf-8").splitlines())
        assert lines <= MOST_LINES, f"{path} has {lines} lines"
    wide = {str(folder): count for folder, count in folders.items() if count > MOST_FILES + 1}  # and __init__.py
    assert not wide


def test_everything_declared_resolves():
    for method in registry.methods().values():
        paths = [
            *method.architectures.values(),
            *method.published,
            *filter(None, (method.model, method.load, method.graph)),
        ]
        paths += [*method.readers, *filter(None, [method.graph])]
        paths += [path for task in method.tasks for path in (task.code, task.crops)]
        for path in paths:
            assert callable(resolve(path)) or path in method.published, path
        assert {kind for part in method.parts for kind in part.kinds} <= set(registry.architectures())
        roles = {part.role for part in method.parts}
        assert {task.role for task in method.tasks} <= roles
        dials = {field.name for field in fields(Sampling)}
        assert {control.name for control in method.controls} | method.lacks.keys() <= dials
        assert {control.needs for control in method.controls} <= roles | {""}
        assert {control.replaced_by for control in method.controls} <= roles | {""}
        assert {task.flow.partition(".")[0] for task in method.tasks} <= {"", "always", "loss", "options"}
        if method.model:
            parameters = list(inspect.signature(resolve(method.model)).parameters.values())
            for part, parameter in zip(method.parts, parameters, strict=False):
                assert (parameter.default is None) == part.optional, (method.name, part.role, parameter)
    assert all(callable(resolve(path)) for path in registry.SHARED.values())


@pytest.mark.parametrize("entry", manifest.load().entries.values(), ids=lambda entry: entry.name)
def test_every_manifest_entry_resolves(entry):
    if entry.pipeline in (None, "auto"):
        return
    method = registry.methods()[entry.pipeline]
    roles = set(entry.parts)
    if not method.load:
        assert {p.role for p in method.parts if not p.optional} <= roles <= {p.role for p in method.parts}
    for part in entry.parts.values():
        kinds = next((p.kinds for p in method.parts if p.role == part.role), ())
        if part.architecture is not None and kinds:
            assert part.architecture.get("kind", kinds[0]) in kinds
        if part.embedded:
            assert store.load_network(store.locate(part))


@pytest.mark.parametrize("name", recipe.available())
def test_every_recipe_resolves(name):
    chosen = recipe.load(name)
    method, task = registry.tasks()[chosen.task]
    kinds = next(part.kinds for part in method.parts if part.role == task.role)
    assert chosen.architecture["kind"] in kinds
    assert isinstance(chosen.crops, resolve(task.crops))


TOY = {
    "__init__.py": "",
    "method.py": """
from srcli.methods.method import Control, Method, Part, Task

TOY = Method(
    name="toy", does="doubles pixels", paper="", architectures={"toy": "toy_method.network:Toy"},
    model="toy_method.model:ToyModel", parts=(Part(role="network", kinds=("toy",)),), scales=(1.0, 2.0),
    controls=(Control(name="steps", high=9, needs="network"),), lacks={"detail": "is a toy"},
    tasks=(Task(name="toy", role="network", code="toy_method.training:ToyTask"),),
)
""",
    "network.py": """
import torch
from torch import nn
from srcli.networks.trainable import Trainable

class Toy(Trainable):
    def __init__(self, gain: float = 1.0) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(gain))
""",
    "training.py": """
from srcli.training import losses
from srcli.training.task import PictureTask, logged
from toy_method.model import ToyModel
from toy_method.network import Toy

class ToyTask(PictureTask[Toy]):
    kind, weighted = Toy, frozenset({"pixel"})

    def losses(self, batch, step):
        values = {"pixel": losses.pixel(batch.lr * self.network.gain, batch.lr / 2)}
        yield "network", self.total(values), logged(values)

    def pipeline(self, network):
        return ToyModel(network)
""",
    "recipes/toy.toml": """
task = "toy"
[about]
does = "Train the gain of a toy."
stage = 1
[architecture]
kind = "toy"
[crops]
batch = 2
crop = 8
windows = 0
[optim]
lr = 0.1
warmup = 1
steps = 4
[loss]
pixel = 1.0
""",
    "model.py": """
import torch
from torch.nn import functional as F
from srcli.geometry import Size, Window
from srcli.tiling.fixed_scale import FixedScale
from srcli.tiling.model import Decoded

class ToyModel(FixedScale):
    default_temperature, most_detail, samples = 0.0, 0.0, False

    def __init__(self, network):
        super().__init__(2)
        self.network = network

    def to(self, device):
        self.network.to(device)
        return self

    def region(self, window, size, low, sampling):
        return Window.whole(low)

    def encode_bytes(self, region):
        return 0

    def decode_bytes(self, window, size, sampling):
        return 100 * window.height * window.width

    def encode(self, lr, size, region=None, sampling=None):
        return lr

    def decode(self, features, window, size, sampling):
        low = Size(*features.shape[-2:])
        own = F.interpolate(features * self.network.gain, scale_factor=2, mode="nearest")
        return Decoded(self.resized(own, Window.whole(self.own_size(low)), window, size, low))
""",
}


def test_a_new_method_is_a_folder_and_a_line(tmp_path, monkeypatch):
    """A toy method in a folder of its own, one line in the registry and a manifest entry: nothing else is touched."""
    import numpy as np
    from safetensors.torch import save_file

    from srcli import Upscaler

    folder = tmp_path / "toy_method"
    (folder / "recipes").mkdir(parents=True)
    for name, text in TOY.items():
        (folder / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(registry, "DECLARATIONS", (*registry.DECLARATIONS, "toy_method.method:TOY"))
    network = registry.build({"kind": "toy", "gain": 1.0})
    save_file(network.state_dict(), tmp_path / "toy.safetensors", {"architecture": '{"kind": "toy", "gain": 1.0}'})
    entry = '[models.toy-s]\npipeline = "toy"\nscales = [1.0, 2.0]\nlicence = "MIT"\ncommercial = true\n'
    entry += '[models.toy-s.parts.network]\nfile = "toy.safetensors"\nsources = []\n'
    (tmp_path / "models.toml").write_text(entry)
    monkeypatch.setenv("SRCLI_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SRCLI_MANIFEST", str(tmp_path / "models.toml"))
    result = srcli("models", "import", tmp_path / "toy.safetensors", "--as", "toy-s")
    assert result.exit_code == 0, result.output
    assert manifest.load().find("toy-s").purpose == "doubles pixels"
    result = srcli("upscale", EXAMPLES / "cat.png", "-n", "toy-s", "-s", 2, "-o", tmp_path / "out", "--detail", 0.5)
    assert "--detail has no effect on toy-s, which is a toy" in result.output
    upscaler = Upscaler("toy-s")
    assert upscaler.has("steps")
    picture = np.full((40, 30, 3), 200, np.uint8)
    picture[:20] = 100
    made = upscaler.upscale(picture, 2)
    assert np.array_equal(made, picture.repeat(2, 0).repeat(2, 1))
    assert upscaler.upscale(picture, 1.5).shape == (60, 45, 3)
    assert list(catalogue.packaged())[-1] == "toy"
    chosen = recipe.load("toy")
    trainer = Trainer(chosen, make_task(chosen), Photos(EXAMPLES, shortest=chosen.crops.shortest), tmp_path / "run")
    trainer.run()
    metadata = export(tmp_path / "run", tmp_path / "trained.safetensors", data="two examples")
    assert (metadata["pipeline"], metadata["role"]) == ("toy", "network")
    trained = Upscaler.from_file(tmp_path / "trained.safetensors")
    assert 0.4 < trained.model.network.gain.item() < 0.9
