"""Adapting MODNet to photos without truth."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from conftest import Cli, load, photo, save
from safetensors.torch import load_file
from torch import Tensor

from mattecli.errors import InputError, ModelUnavailableError, UsageError
from mattecli.jobs.adapt import AdaptOptions, adapt
from mattecli.models.modnet import MODNet
from mattecli.models.registry import find_spec
from mattecli.models.weights import load_network, write_safetensors
from mattecli.settings.train import LearnOptions
from mattecli.training.feed import BatchMaker
from mattecli.training.journal import read_rows
from mattecli.training.soc import PhotosAtNetworkSize, soc_recipe


@pytest.fixture(scope="module")
def weights(modnet_weights: Path) -> dict[str, Tensor]:
    return load_file(modnet_weights)


@pytest.fixture
def options(tmp_path: Path, modnet_weights: Path) -> AdaptOptions:
    for number in range(2):
        save(tmp_path / "photos" / f"{number}.png", photo(90, 70, seed=number))
    return AdaptOptions(
        photos=tmp_path / "photos",
        output=tmp_path / "out",
        weights=modnet_weights,
        epochs=3,
        rate=1e-4,
        size=64,
        run=LearnOptions(workers=0),
    )


def test_consistency_grows(options: AdaptOptions, weights: dict[str, Tensor]) -> None:
    report = adapt(replace(options, epochs=20))
    assert report.finished
    assert report.step == report.steps == 40
    semantic = [float(row["semantic"]) for row in read_rows(options.output / "log.csv")]
    assert np.mean(semantic[-2:]) < np.mean(semantic[:2])
    adapted = load_file(report.weights)
    MODNet.from_state(adapted)
    statistics = [key for key in weights if "running" in key]
    assert statistics
    # One photo is no batch: what the norms learnt stays, only weights move.
    for key in statistics:
        torch.testing.assert_close(adapted[key].float(), weights[key], rtol=1e-3, atol=1e-3)
    moved = weights["f_branch.conv_f.1.layers.0.weight"]
    assert not torch.equal(adapted["f_branch.conv_f.1.layers.0.weight"].float(), moved)
    sheet = cv2.imread(str(options.output / "sheet_0000040.png"))
    assert sheet is not None


def test_resumes_to_the_same_weights(options: AdaptOptions, tmp_path: Path) -> None:
    whole = adapt(options)
    stops = iter([False, False, True])
    parts = replace(options, output=tmp_path / "parts")
    assert not adapt(parts, stop=lambda: next(stops)).finished
    with pytest.raises(UsageError, match="already holds"):
        adapt(parts)
    resumed = adapt(replace(parts, run=replace(parts.run, resume=True)))
    a, b = (load_file(r.weights.with_name("checkpoint.safetensors")) for r in (whole, resumed))
    assert all(torch.equal(a[key], b[key]) for key in a)


def test_its_weights_see_photos_at_the_size_they_were_adapted_at(
    options: AdaptOptions, cli: Cli
) -> None:
    spec = find_spec("modnet")
    once = adapt(replace(options, epochs=1, size=96))
    assert load_network(spec, once.weights).spec.size == 96
    again = replace(options, output=options.output / "again", weights=once.weights, size=0)
    assert load_network(spec, adapt(replace(again, epochs=1)).weights).spec.size == 96
    assert cli("models", "import", once.weights).code == 0
    assert b"short_side=96" in cli("models", "info", "modnet").out
    assert cli("matte", options.photos, "-w", "alpha", "-o", "installed/").code == 0
    plain = ("--weights", options.weights)
    ways = {
        "named": ("--weights", once.weights),
        "told": (*plain, "--set", "short_side=96"),
        "sized": (*plain, "--size", "96"),
    }
    for name, told in ways.items():
        assert cli("matte", options.photos, "-w", "alpha", "-o", f"{name}/", *told).code == 0
    base = options.photos.parent
    alpha = {n: load(base / n / "0-alpha.png") for n in ("installed", *ways)}
    np.testing.assert_array_equal(alpha["installed"], alpha["named"])
    np.testing.assert_array_equal(alpha["told"], alpha["sized"])


def test_the_packages_own_are_adapted_at_their_own_size(options: AdaptOptions) -> None:
    spec = find_spec("modnet")
    report = adapt(replace(options, weights=None, size=0, epochs=1))
    assert load_network(spec, report.weights).spec.size == spec.built_in_size


def test_goes_on_with_nothing_but_what_it_was_begun_with(options: AdaptOptions) -> None:
    stops = iter([False, True])
    adapt(options, stop=lambda: next(stops))
    resumed = replace(options, run=replace(options.run, resume=True))
    other = options.output.parent / "other.safetensors"
    write_safetensors(other, load_network(find_spec("modnet")).network.state_dict(), {}, {})
    for changed in (
        replace(resumed, size=96),
        replace(resumed, rate=2e-4),
        replace(resumed, weights=other),
    ):
        with pytest.raises(UsageError, match="was begun with"):
            adapt(changed)
    assert adapt(resumed).finished
    with pytest.raises(UsageError, match="has done 6 steps, more than the 2"):
        adapt(replace(resumed, epochs=1))
    save(options.photos / "0.png", photo(90, 70, seed=77))  # another one under its name
    with pytest.raises(UsageError, match="was begun with files"):
        adapt(resumed)
    (options.photos / "0.png").unlink()
    with pytest.raises(UsageError, match="photos 2, not 1"):
        adapt(resumed)


def test_a_broken_photo_ends_it_with_its_name(options: AdaptOptions) -> None:
    """Also where another process reads the photos, which must not outlive the command."""
    for photo_file in options.photos.iterdir():
        photo_file.write_bytes(b"no picture")
    command = [sys.executable, "-m", "mattecli", "adapt", str(options.photos)]
    command += ["-o", str(options.output), "--size", "32", "--epochs", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "this is not an image" in line
    assert str(options.photos) in line


def test_a_log_that_was_cut_off_does_not_keep_it_from_going_on(options: AdaptOptions) -> None:
    stops = iter([False] * 5 + [True])
    adapt(replace(options, epochs=4), stop=lambda: next(stops))
    log = options.output / "log.csv"
    log.write_bytes(log.read_bytes() + b"\xff7;\n1e")
    resumed = replace(options, epochs=4, run=replace(options.run, resume=True))
    assert adapt(resumed).finished
    assert [row["step"] for row in read_rows(log)] == ["5"]


@pytest.mark.parametrize("name", ["short_side", "coarse_factor"])
def test_the_authors_size_is_their_scripts_own(options: AdaptOptions, cli: Cli, name: str) -> None:
    told = ("--weights", options.weights, "--set", f"{name}=2", "--reference")
    done = cli("matte", options.photos, "-w", "alpha", "-o", "out/", *told)
    assert done.code == 2
    assert "not for --reference" in done.err


def test_others_may_read_its_files(options: AdaptOptions) -> None:
    weights = adapt(replace(options, epochs=1)).weights
    fresh = options.output / "fresh"
    fresh.touch()
    for file in (weights, weights.with_name("checkpoint.safetensors")):
        assert file.stat().st_mode == fresh.stat().st_mode


def test_hidden_files_and_folders_are_no_photos(options: AdaptOptions) -> None:
    (options.photos / "._0.png").write_bytes(b"no picture")
    (options.photos / "folder.jpg").mkdir()
    assert adapt(replace(options, epochs=1)).steps == 2


@pytest.mark.parametrize(
    ("name", "value"), [("epochs", 0), ("rate", 0.0), ("rate", float("nan")), ("size", 8193)]
)
def test_refuses_numbers_that_make_no_sense(options: AdaptOptions, name: str, value: float) -> None:
    with pytest.raises(UsageError, match=f"--{name} .* makes no sense"):
        adapt(replace(options, **{name: value}))  # type: ignore[arg-type] # of many types
    with pytest.raises(UsageError, match="among the photos"):
        adapt(replace(options, output=options.photos))


def test_every_photo_is_seen_once_in_an_epoch(tmp_path: Path) -> None:
    """An epoch's order is drawn anew, and is the same when a stopped one goes on."""
    paths = []
    for number in range(7):
        paths.append(tmp_path / f"{number}.png")
        save(paths[-1], np.full((64, 64, 3), number, np.uint8))
    recipe = soc_recipe(len(paths), 3, size=64)
    maker = BatchMaker(recipe, PhotosAtNetworkSize(paths), seed=5)
    seen = [int(maker[step]["image"][0, 0, 0, 0]) for step in range(recipe.steps)]
    epochs = [seen[start : start + 7] for start in range(0, 21, 7)]
    assert all(sorted(epoch) == list(range(7)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3
    again = BatchMaker(recipe, PhotosAtNetworkSize(paths), seed=5)
    assert int(again[9]["image"][0, 0, 0, 0]) == seen[9]


@pytest.mark.parametrize("seed", [-1, 2**31])
def test_refuses_a_seed_that_makes_no_sense(options: AdaptOptions, seed: int) -> None:
    with pytest.raises(UsageError, match="--seed"):
        adapt(replace(options, run=replace(options.run, seed=seed)))


def test_refuses_what_cannot_be_adapted(options: AdaptOptions, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no photos"):
        adapt(replace(options, photos=tmp_path / "none"))
    with pytest.raises(UsageError, match="cannot be adapted"):
        adapt(replace(options, model="shm"))
    with pytest.raises(ModelUnavailableError, match="no weights for modnet:webcam"):
        adapt(replace(options, model="modnet:webcam", weights=None))
