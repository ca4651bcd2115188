"""Adapting MODNet to photos without truth."""

from __future__ import annotations

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
from mattecli.models.weights import load_network
from mattecli.settings.train import LearnOptions
from mattecli.training.journal import read_rows


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
    first, last = (float(row["semantic"]) for row in read_rows(options.output / "log.csv"))
    assert last < first
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
    assert cli("matte", options.photos, "-w", "alpha", "-o", "installed/").code == 0
    told = ("--weights", options.weights, "--set", "short_side=96")
    named = ("--weights", once.weights)
    for name, weights in (("told", told), ("named", named)):
        assert cli("matte", options.photos, "-w", "alpha", "-o", f"{name}/", *weights).code == 0
    alpha = [load(options.photos.parent / n / "0-alpha.png") for n in ("installed", "named")]
    np.testing.assert_array_equal(*alpha)


def test_the_packages_own_are_adapted_at_their_own_size(options: AdaptOptions) -> None:
    spec = find_spec("modnet")
    report = adapt(replace(options, weights=None, size=0, epochs=1))
    assert load_network(spec, report.weights).spec.size == spec.built_in_size


@pytest.mark.parametrize("size", [-1, 31, 8193])
def test_refuses_a_size_that_no_network_sees(options: AdaptOptions, size: int) -> None:
    with pytest.raises(UsageError, match="32 to 8192"):
        adapt(replace(options, size=size))


def test_refuses_what_cannot_be_adapted(options: AdaptOptions, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no photos"):
        adapt(replace(options, photos=tmp_path / "none"))
    with pytest.raises(UsageError, match="cannot be adapted"):
        adapt(replace(options, model="shm"))
    with pytest.raises(ModelUnavailableError, match="no weights for modnet:webcam"):
        adapt(replace(options, model="modnet:webcam", weights=None))
