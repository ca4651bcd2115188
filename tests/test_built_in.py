"""The weights inside the package: they are there, said to be, and cut people out."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from conftest import PICTURES, Cli, load, save

from mattecli.models.base import ModelInput
from mattecli.models.fused.form import InferenceForm
from mattecli.models.lookup import built_in_weights, model_card
from mattecli.models.registry import MODELS
from mattecli.models.spec import ModelSpec
from mattecli.models.weights import load_network, write_safetensors

BUILT_IN = [spec for spec in MODELS.values() if spec.built_in]


def test_they_are_small_enough_to_come_along() -> None:
    files = [built_in_weights(spec) for spec in BUILT_IN]
    assert files
    assert all(path is not None for path in files)
    assert sum(path.stat().st_size for path in files if path is not None) < 32e6


@pytest.mark.parametrize("spec", BUILT_IN, ids=lambda spec: spec.name)
def test_each_has_its_card(spec: object, cli: Cli) -> None:
    name = spec.name  # type: ignore[attr-defined]  # a row of the registry
    card = model_card(MODELS[name])
    for subject in ("Data", "Labels", "Training", "Quality", "Known failures", "Licence"):
        assert f"## {subject}" in card
    shown = cli("models", "info", name)
    assert shown.code == 0
    assert card.splitlines()[0] in shown.out.decode()
    facts = json.loads(cli("models", "info", name, "--json").out)
    assert facts["weights"] == "built in"
    assert facts["commercial"] is True
    assert facts["card"] == card


def test_the_listed_row_says_built_in(cli: Cli) -> None:
    rows = {r["name"]: r for r in map(json.loads, cli("models", "list", "--json").out.splitlines())}
    for spec in BUILT_IN:
        assert rows[spec.name]["weights"] == "built in"
        assert rows[spec.name]["licence"] == "Apache-2.0"
        assert Path(cli("models", "path", spec.name).out.decode().strip()).is_file()


def test_a_portrait_is_cut_out_without_anything_else(cli: Cli, tmp_path: Path) -> None:
    photo = PICTURES / "photos" / "astronaut.jpg"
    done = cli("matte", photo, "-w", "alpha,foreground", "-o", "out/", "-v")
    assert done.code == 0, done.err
    alpha = load(tmp_path / "out" / "astronaut-alpha.png") / 255
    mask = load(PICTURES / "masks" / "astronaut.png") >= 128
    found = alpha >= 0.5
    assert np.count_nonzero(found & mask) / np.count_nonzero(found) > 0.98
    upper = slice(0, 256)  # below is the helmet that she holds, which the network leaves out
    both, either = (found & mask)[upper], (found | mask)[upper]
    assert np.count_nonzero(both) / np.count_nonzero(either) > 0.97
    assert load(tmp_path / "out" / "astronaut-foreground.png").shape == (*mask.shape, 4)


def test_the_other_portrait_network_needs_nothing_either(cli: Cli, tmp_path: Path) -> None:
    photo = PICTURES / "photos" / "astronaut.jpg"
    done = cli("matte", photo, "--model", "shm", "-w", "alpha,trimap", "-o", "out/", "-v")
    assert done.code == 0, done.err
    upper = slice(0, 256)  # below is the helmet that she holds
    mask = load(PICTURES / "masks" / "astronaut.png")[upper] >= 128
    found = load(tmp_path / "out" / "astronaut-alpha.png")[upper] >= 128
    assert np.count_nonzero(found & mask) / np.count_nonzero(found | mask) > 0.93
    assert set(np.unique(load(tmp_path / "out" / "astronaut-trimap.png"))) == {0, 128, 255}
    spec = MODELS["shm"]
    ours = load_network(spec)
    assert ours.spec.size == spec.built_in_size == 304
    assert set(ours.network.state_dict()) >= {"order_as_labels"}


def test_a_plate_is_enough_for_any_subject(cli: Cli, tmp_path: Path) -> None:
    """The cat's photo is the plate: once darker and moved, before it the astronaut, or nobody."""
    mask = load(PICTURES / "masks" / "astronaut.png")[..., None] / 255
    cat = cv2.resize(load(PICTURES / "photos" / "chelsea.jpg"), mask.shape[1::-1])
    person = load(PICTURES / "photos" / "astronaut.jpg")
    save(tmp_path / "photos/person.png", np.rint(person * mask + cat * (1 - mask)).astype(np.uint8))
    save(tmp_path / "photos/nobody.png", cat)
    moved = np.roll(cat, 1, axis=1).astype(np.float32) * 0.95
    save(tmp_path / "plate.png", np.rint(moved).astype(np.uint8))
    done = cli("matte", "photos/", "--background", "plate.png", "-w", "alpha", "-o", "out/")
    assert done.code == 0, done.err
    found = load(tmp_path / "out" / "person-alpha.png") >= 128
    there = mask[..., 0] >= 0.5
    assert np.count_nonzero(found & there) / np.count_nonzero(found | there) > 0.9
    assert (load(tmp_path / "out" / "nobody-alpha.png") > 13).mean() < 0.01


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_is_without_visible_loss(precision: str) -> None:
    """The bounds by which ``--precision auto`` may take it."""
    spec = MODELS["modnet"]
    network = load_network(spec).network
    exact, half = (
        InferenceForm(network, kind)
        for kind in (torch.float32, {"bf16": torch.bfloat16, "fp16": torch.float16}[precision])
    )
    photo = load(PICTURES / "photos" / "astronaut.jpg")
    levels = cv2.resize(photo, (416, 416), interpolation=cv2.INTER_AREA)
    given = ModelInput(src=torch.from_numpy(levels).permute(2, 0, 1)[None].float() / 255)
    difference = (exact.estimate(given).pha - half.estimate(given).pha).abs().numpy()
    assert 0 < difference.mean() < 1e-3
    assert np.quantile(difference, 0.999) < 0.02


def test_what_was_measured_with_them_holds_for_them_alone(tmp_path: Path) -> None:
    """Half precision by itself, and the size at which they see a photo."""
    spec = MODELS["modnet"]
    ours = load_network(spec)
    copy, other = tmp_path / "copy.safetensors", tmp_path / "other.safetensors"
    copy.write_bytes(ours.path.read_bytes())
    write_safetensors(other, ours.network.state_dict(), {}, {})
    for same in (ours, load_network(spec, ours.path), load_network(spec, copy)):
        assert same.spec.half_is_sound
        assert same.spec.size == spec.built_in_size == 416
    assert not load_network(spec, other).spec.half_is_sound
    assert load_network(spec, other).spec.size == 512


def test_own_weights_take_their_place(cli: Cli, modnet_weights: Path) -> None:
    assert cli("models", "import", modnet_weights).code == 0
    facts = json.loads(cli("models", "info", "modnet", "--json").out)
    assert facts["weights"] == "here"
    assert facts["card"] == ""


@pytest.mark.parametrize("spec", BUILT_IN, ids=lambda spec: spec.name)
def test_a_copy_that_is_imported_sees_the_same_size(spec: ModelSpec, cli: Cli) -> None:
    path = cli("models", "path", spec.name).out.decode().strip()
    assert cli("models", "import", path, "--as", spec.name).code == 0
    copied = load_network(spec)
    assert copied.path != Path(path)
    assert copied.spec.size == (spec.built_in_size or spec.size)


@pytest.mark.parametrize("spec", BUILT_IN, ids=lambda spec: spec.name)
def test_they_are_verified_by_their_card(spec: ModelSpec, cli: Cli) -> None:
    done = cli("models", "verify", spec.name)
    assert done.code == 0, done.err
    name, verdict, digest = done.out.decode().split()
    assert (name, verdict) == (spec.name, "ok")
    assert digest in model_card(spec)


def test_weights_that_have_gone_are_missed(cli: Cli, modnet_weights: Path) -> None:
    assert cli("models", "import", modnet_weights).code == 0
    path = Path(cli("models", "path", "modnet").out.decode().strip())
    path.unlink()
    done = cli("matte", PICTURES / "photos" / "astronaut.jpg", "-o", "out/")
    assert done.code == 3
    assert "the weights of modnet that were put here are gone" in done.err
    assert json.loads(cli("models", "info", "modnet", "--json").out)["weights"] == "damaged"
    assert "mattecli models remove modnet" in done.err
    assert cli("models", "remove", "modnet").code == 0
    assert json.loads(cli("models", "info", "modnet", "--json").out)["weights"] == "built in"


def test_nothing_of_what_comes_along_is_pulled(cli: Cli) -> None:
    done = cli("models", "pull", "shm")  # as a script does that provides for all it will use
    assert done.code == 0
    assert "come along with the program" in done.err
    assert done.out == cli("models", "path", "shm").out
