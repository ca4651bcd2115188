"""The training loop: what it lowers, keeps, resumes and refuses."""

from __future__ import annotations

import json
import os
from dataclasses import fields, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn
from training_pictures import make_training_folder

from mattecli.errors import CheckpointError, ResourceError, UsageError
from mattecli.jobs.train import TrainOptions, TrainReport, adapted, train
from mattecli.media.leftovers import temporary_name
from mattecli.models.base import MattingModel
from mattecli.models.bgm import BGM
from mattecli.models.bgmv2 import BGMv2
from mattecli.models.dim import DIM
from mattecli.models.lookup import built_in_weights
from mattecli.models.modnet import MODNet
from mattecli.models.registry import find_spec
from mattecli.models.shm import SHM
from mattecli.models.weights import load_network, write_safetensors
from mattecli.settings.train import LearnOptions
from mattecli.training.average import WeightAverage
from mattecli.training.checkpoint import write_weights
from mattecli.training.journal import Journal, draw_curves, read_rows
from mattecli.training.recipe import Phase, Rate, Recipe, rate_at
from mattecli.training.recipes import RECIPES
from mattecli.training.sheet import write_sheet
from mattecli.training.system import Panel
from tests.faults import mounted

NETWORKS: dict[str, type[MattingModel]] = {
    "modnet": MODNet,
    "shm": SHM,
    "dim": DIM,
    "bgm": BGM,
    "bgmv2": BGMv2,
}

LEARN = {item.name for item in fields(LearnOptions)}

LARGE = ("dim", "bgm")  # their checkpoints take hundreds of megabytes


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_training_folder(tmp_path_factory.mktemp("labelled"))
    for part in ("image", "alpha"):
        (folder / "val").mkdir(exist_ok=True)
        (folder / "val" / part).symlink_to(folder / part)
    return folder


def small(recipe: str, data: Path, out: Path, **changes: object) -> TrainOptions:
    """Options of a tiny training; ``changes`` are of the training or of its run."""
    own = {name: changes.pop(name) for name in list(changes) if name in LEARN}
    run = replace(LearnOptions(workers=0), **own)
    options = TrainOptions(
        recipe=recipe, data=data, output=out, steps=2, batch=2, size=64, save_every=2, run=run
    )
    return replace(options, **changes)


def tensors(report: TrainReport) -> dict[str, torch.Tensor]:
    return load_file(report.weights.with_name("checkpoint.safetensors"))


def assert_equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> None:
    assert a.keys() == b.keys()
    different = [key for key in a if not torch.equal(a[key], b[key])]
    assert not different


@pytest.mark.parametrize(
    "recipe",
    [pytest.param(name, marks=[pytest.mark.slow] if name in LARGE else []) for name in RECIPES],
)
def test_stops_and_resumes_to_the_same_weights(recipe: str, data: Path, tmp_path: Path) -> None:
    each = 1 if recipe in LARGE else 2
    whole = train(small(recipe, data, tmp_path / "whole", steps=each))
    assert whole.finished
    assert whole.step == whole.steps == each * len(RECIPES[recipe].recipe.phases)
    stops = iter([*[False] * each, True])  # in the second phase
    part = train(small(recipe, data, tmp_path / "part", steps=each), stop=lambda: next(stops))
    assert part.step == each + 1
    assert part.finished == (part.step == part.steps)
    resumed = train(small(recipe, data, tmp_path / "part", steps=each, resume=True))
    assert resumed.finished
    assert_equal(tensors(whole), tensors(resumed))
    network = NETWORKS[recipe].from_state(load_file(resumed.weights))
    assert all(torch.isfinite(p).all() for p in network.parameters())


@pytest.mark.parametrize("recipe", ["modnet", "shm"])
def test_weights_keep_the_size_at_which_they_see_photos(
    recipe: str, data: Path, tmp_path: Path
) -> None:
    """Whether a file says it or is known as the package's own, and through a stop."""
    spec = find_spec(recipe)
    own = built_in_weights(spec)
    assert own is not None
    told = tmp_path / "told.safetensors"
    write_safetensors(told, load_network(spec, own).network.state_dict(), {}, {"short_side": "96"})
    for given, size in ((own, spec.built_in_size), (told, 96)):
        start = small(recipe, data, tmp_path / f"{size}", weights=given, steps=1)
        assert not train(start, stop=lambda: True).finished
        resumed = train(replace(start, weights=None, run=replace(start.run, resume=True)))
        assert load_network(spec, resumed.weights).spec.size == size


def test_goes_on_with_no_other_weights_than_it_was_begun_with(data: Path, tmp_path: Path) -> None:
    own = built_in_weights(find_spec("shm"))
    assert own is not None
    with_weights = small("shm", data, tmp_path / "with", weights=own, steps=3)
    without = small("shm", data, tmp_path / "without", steps=3)
    for start in (with_weights, without):
        assert not train(start, stop=lambda: True).finished
    other = tmp_path / "without/weights.safetensors"

    def resumed(start: TrainOptions, weights: Path | None) -> TrainOptions:
        return replace(start, weights=weights, run=replace(start.run, resume=True))

    with pytest.raises(UsageError, match=r"was begun with weights [0-9a-f]{12}, not"):
        train(resumed(with_weights, other))
    with pytest.raises(UsageError, match="was begun with weights not given, not"):
        train(resumed(without, own))
    assert train(resumed(without, None)).finished
    stops = iter([True])
    assert not train(resumed(with_weights, None), stop=lambda: next(stops)).finished
    with pytest.raises(UsageError, match="was begun with weights"):  # it has not forgotten
        train(resumed(with_weights, other))
    assert train(resumed(with_weights, own)).finished


@pytest.mark.parametrize("told", [["x"], {"short_side": "wide"}, {"short_side": 416}])
def test_a_checkpoint_that_makes_no_sense_is_refused(
    told: object, data: Path, tmp_path: Path
) -> None:
    start = small("shm", data, tmp_path, steps=1)
    path = train(start, stop=lambda: True).weights.with_name("checkpoint.safetensors")
    with safe_open(path, framework="pt") as file:
        facts = json.loads(file.metadata()["mattecli"])
    save_file(load_file(path), path, {"mattecli": json.dumps({**facts, "options": told})})
    with pytest.raises(CheckpointError, match="makes no sense"):
        train(replace(start, run=replace(start.run, resume=True)))


def test_the_loss_falls_and_is_logged(data: Path, tmp_path: Path) -> None:
    options = small("shm", data, tmp_path, phases=("trimap",), steps=60, save_every=10)
    report = train(options)
    rows = read_rows(tmp_path / "log.csv")
    losses = [float(row["loss"]) for row in rows]
    assert [int(row["step"]) for row in rows] == [10, 20, 30, 40, 50, 60]
    assert np.mean(losses[-2:]) < 0.8 * losses[0]
    assert cv2.imread(str(tmp_path / "curves.png")) is not None
    assert report.weights.stat().st_size < 10e6


def test_validates_and_draws_sheets(data: Path, tmp_path: Path) -> None:
    row = RECIPES["modnet"]
    recipe = replace(row.recipe, check_every=1, sheet_every=1)
    options = small("modnet", data, tmp_path, phases=("medium",), steps=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mattecli.jobs.train.RECIPES", {"modnet": replace(row, recipe=recipe)})
        train(options)
    (figures,) = read_rows(tmp_path / "checks.csv")
    assert float(figures["photos"]) == 6
    assert 0 < float(figures["mad"]) < 1
    sheet = cv2.imread(str(tmp_path / "sheet_0000001.png"))
    assert sheet is not None
    assert sheet.shape[0] > 400


def test_refuses_what_would_spoil_a_training(data: Path, tmp_path: Path) -> None:
    options = small("modnet", data, tmp_path / "a", phases=("medium",), steps=1)
    train(options)
    with pytest.raises(UsageError, match="already holds a training"):
        train(options)
    with pytest.raises(UsageError, match="with seed 1"):
        train(replace(options, run=replace(options.run, resume=True, seed=2)))
    (tmp_path / "a" / "checkpoint.safetensors").write_bytes(b"damaged")
    with pytest.raises(CheckpointError, match="is no checkpoint"):
        train(replace(options, run=replace(options.run, resume=True)))
    with pytest.raises(UsageError, match="no recipe"):
        train(replace(options, recipe="trimap"))
    with pytest.raises(UsageError, match="no phase"):
        train(small("modnet", data, tmp_path / "b", phases=("huge",)))
    with pytest.raises(UsageError, match="there is no such folder"):
        train(small("modnet", tmp_path / "nothere", tmp_path / "c"))
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="it is no folder"):
        train(small("modnet", data, tmp_path / "file"))
    assert not (tmp_path / "c").exists()


def test_stops_at_a_loss_that_is_not_finite(data: Path, tmp_path: Path) -> None:
    options = small("shm", data, tmp_path, phases=("trimap",), precision="fp32")
    row = RECIPES["shm"]
    phase = replace(row.recipe.phases[0], rate=Rate(peak=1e30))
    with pytest.MonkeyPatch.context() as patch:
        recipe = replace(row.recipe, phases=(phase,))
        patch.setattr("mattecli.jobs.train.RECIPES", {"shm": replace(row, recipe=recipe)})
        with pytest.raises(ResourceError, match="not finite at step"):
            train(options)


def test_a_frozen_part_keeps_its_weights(data: Path, tmp_path: Path) -> None:
    first = train(small("dim", data, tmp_path / "a", phases=("alpha",), steps=1))
    before = tensors(first)
    options = small("dim", data, tmp_path / "b", phases=("refine",), steps=2)
    after = tensors(train(options))
    moved = {
        key.split(".")[1]
        for key, value in after.items()
        if key.startswith("network.") and not torch.equal(value, before[key])
    }
    trained = {"refine_conv1", "refine_conv2", "refine_conv3", "refine_pred"}
    assert trained <= moved
    fresh = RECIPES["dim"].recipe.phases[2]
    assert fresh.factor("conv1_1.weight") == 0
    assert fresh.factor("refine_pred.bias") == 1


def test_time_limit_leaves_a_resumable_training(data: Path, tmp_path: Path) -> None:
    options = small("shm", data, tmp_path, phases=("trimap",), steps=10_000, minutes=1e-4)
    report = train(options)
    assert not report.finished
    assert 1 <= report.step < 10_000
    assert (tmp_path / "checkpoint.safetensors").exists()


def test_options_change_the_recipe() -> None:
    recipe = RECIPES["modnet"].recipe
    options = TrainOptions(
        recipe="modnet", data=Path("d"), output=Path("o"), phases=("large",), batch=3, size=96
    )
    changed = adapted(recipe, options)
    assert [phase.name for phase in changed.phases] == ["large"]
    assert changed.phases[0].sizes == ((96, 96),)
    assert changed.phases[0].batch == 3
    (large,) = (phase for phase in recipe.phases if phase.name == "large")
    assert changed.phases[0].steps == large.steps
    assert adapted(recipe, replace(options, phases=(), batch=0, size=0)) == recipe


def test_rates_follow_their_shapes() -> None:
    cosine = Rate(peak=2.0, warmup=4, shape="cosine", end=0.1)
    rates = [rate_at(cosine, step, 104) for step in range(104)]
    assert rates[:4] == [0.5, 1.0, 1.5, 2.0]
    assert rates[4] == 2.0
    assert rates[54] == pytest.approx(2 * 0.55)
    assert rates[-1] == pytest.approx(0.2, abs=0.01)
    assert rate_at(Rate(peak=1.0, shape="linear", end=0.5), 5, 10) == pytest.approx(0.75)
    assert {rate_at(Rate(peak=3.0), step, 10) for step in range(10)} == {3.0}


def test_a_step_lies_in_its_phase() -> None:
    phases = tuple(
        Phase(name=name, steps=steps, batch=1, sizes=((8, 8),), rate=Rate(peak=1.0))
        for name, steps in (("a", 2), ("b", 3))
    )
    recipe = Recipe(system="s", phases=phases)
    found = [(phase.name, step) for phase, step in map(recipe.position, range(recipe.steps))]
    assert found == [("a", 0), ("a", 1), ("b", 0), ("b", 1), ("b", 2)]
    with pytest.raises(IndexError):
        recipe.position(5)


def test_the_average_follows_the_weights() -> None:
    network = nn.Linear(1, 1)
    average = WeightAverage(network, decay=0.99)
    nn.init.constant_(network.weight, 1.0)
    for step in range(1000):
        average.update(network, step)
    assert float(average.state["weight"]) == pytest.approx(1.0, abs=1e-3)
    nn.init.constant_(network.weight, 2.0)
    average.update(network, 1000)
    assert float(average.state["weight"]) == pytest.approx(1.01, abs=1e-3)


def test_numbers_too_large_for_half_precision_stay_whole(tmp_path: Path) -> None:
    """MODNet's norms behind the widest convolution learn variances of about 65,504."""
    state = MODNet().state_dict()
    wide = "lr_branch.conv_lr16x.layers.1.bnorm.running_var"
    state[wide] = torch.linspace(1, 1e5, len(state[wide]))
    path = tmp_path / "weights.safetensors"
    write_weights(path, state, {"options": {}})
    written = load_file(path)
    assert torch.equal(written[wide], state[wide])
    assert written["lr_branch.conv_lr16x.layers.0.weight"].dtype == torch.float16
    network = load_network(find_spec("modnet"), path).network
    assert torch.equal(network.state_dict()[wide], state[wide])


def test_a_full_disk_leaves_what_was_there(tmp_path: Path) -> None:
    with mounted(tmp_path / "small", "size=400k") as folder:
        path = folder / "weights.safetensors"
        write_weights(path, {"a": torch.ones(1000)}, {})
        before = path.read_bytes()
        with pytest.raises(ResourceError, match=r"weights.safetensors: cannot be written .*resume"):
            write_weights(path, {"a": torch.ones(10**6)}, {})
        noise = np.random.default_rng(1).integers(0, 256, (900, 900, 3), np.uint8)
        with pytest.raises(ResourceError, match=r"sheet.png: cannot be written .*resume"):
            write_sheet(folder / "sheet.png", [Panel((noise,))] * 8)
        assert path.read_bytes() == before
        assert list(folder.iterdir()) == [path]


def test_what_a_killed_training_left_half_written_goes(data: Path, tmp_path: Path) -> None:
    left = tmp_path / temporary_name("checkpoint.safetensors")
    left.write_bytes(b"half")
    os.utime(left, (0, 0))
    train(small("shm", data, tmp_path, phases=("trimap",), steps=1))
    assert not left.exists()
    assert not [path.name for path in tmp_path.iterdir() if path.suffix == ".part"]


def test_a_journal_drops_what_came_after_the_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    first = Journal(path, step=0)
    for step in (10, 20, 30):
        first.add({"step": step, "phase": "a", "loss": 1 / step})
    again = Journal(path, step=20)
    again.add({"step": 25, "phase": "a", "loss": 0.5})
    rows = read_rows(path)
    assert [row["step"] for row in rows] == ["10", "20", "25"]
    assert rows[-1]["loss"] == "0.5"
    again.add({"step": 30, "phase": "b", "other": 3.0})
    rows = read_rows(path)
    assert [row["other"] for row in rows] == ["", "", "", "3"]
    assert [row["loss"] for row in rows] == ["0.1", "0.05", "0.5", ""]
    draw_curves(path, tmp_path / "curves.png")
    assert cv2.imread(str(tmp_path / "curves.png")) is not None
