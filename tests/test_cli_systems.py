"""Every network of the registry through the command line, on real photos."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import torch
from safetensors.torch import save_file

from mattecli.models.registry import model_class, network_specs
from mattecli.models.spec import ModelSpec
from tests.conftest import PICTURES, Cli, load, outputs_in, photo, save

NETWORKS = {(spec.factory, spec.variant): spec for spec in network_specs()}
Mask = npt.NDArray[np.uint8]


def weights(spec: ModelSpec, folder: Path) -> Path:
    """Random weights, as a safetensors file."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = model_class(spec).fresh(spec.variant)
    path = folder / f"{spec.factory}.safetensors"
    save_file({k: v.clone().contiguous() for k, v in network.state_dict().items()}, path)
    return path


@pytest.fixture
def astronaut(tmp_path: Path) -> Path:
    """The portrait at a size that is a multiple of nothing, with trimap, plate and mask."""
    image = cv2.resize(load(PICTURES / "photos" / "astronaut.jpg"), (173, 181))
    mask = cv2.resize(load(PICTURES / "masks" / "astronaut.png"), (173, 181))
    solid = (mask > 127).astype(np.uint8)
    kernel = np.ones((9, 9), np.uint8)
    trimap = np.full(mask.shape, 128, np.uint8)
    trimap[cv2.dilate(solid, kernel) == 0] = 0
    trimap[cv2.erode(solid, kernel) == 1] = 255
    plate = cv2.inpaint(image, cv2.dilate(solid, kernel), 5, cv2.INPAINT_TELEA)
    save(tmp_path / "photos" / "a.png", image)
    save(tmp_path / "trimap.png", trimap)
    save(tmp_path / "plate.png", plate)
    save(tmp_path / "mask.png", mask)
    return tmp_path / "photos"


def companions(spec: ModelSpec) -> list[str]:
    given = {
        "trimap": ["--trimap", "trimap.png"],
        "background": ["--background", "plate.png"],
        "segmentation": ["--segmentation", "mask.png"],
    }
    return [word for need in sorted(spec.needs) for word in given[need]]


@pytest.mark.parametrize("spec", [pytest.param(s, id=s.name) for s in NETWORKS.values()])
def test_a_real_photo(cli: Cli, tmp_path: Path, astronaut: Path, spec: ModelSpec) -> None:
    done = cli(
        "matte", astronaut, "--model", spec.name, "--weights", weights(spec, tmp_path),
        *companions(spec), "--bit-depth", "16", "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    alpha = load(tmp_path / "mattes" / "a-alpha.png")
    cutout = load(tmp_path / "mattes" / "a-foreground.png")
    assert alpha.shape == (181, 173)
    assert alpha.dtype == np.uint16
    assert cutout.shape == (181, 173, 4)
    assert len(np.unique(alpha)) > 2
    if "trimap" in spec.needs:
        trimap = load(tmp_path / "trimap.png")
        assert (alpha[trimap == 255] == 65535).all()
        assert (alpha[trimap == 0] == 0).all()
    summary = json.loads(done.out.splitlines()[-1])
    assert summary["settings"]["model"] == spec.name


@pytest.mark.parametrize("variant", ["", "segnet"])
def test_a_script_takes_trimaps_of_any_values(
    cli: Cli, tmp_path: Path, astronaut: Path, variant: str
) -> None:
    """127 and 129 count as known there, and a trimap may be unknown all over; the size counts."""
    spec = NETWORKS["DIM" if variant == "" else "DIMSegNet", variant]
    common = ("matte", astronaut, "--model", spec.name, "--weights", weights(spec, tmp_path))
    usual = (*common, "--trimap", "t.png", "-w", "alpha", "-o", "a.png")
    trimap = load(tmp_path / "trimap.png")
    for values in (np.where(trimap == 128, 127, trimap), np.full_like(trimap, 128)):
        save(tmp_path / "t.png", values.astype(np.uint8))
        assert cli(*usual).code == 1
        done = cli(*usual, "--reference")
        assert done.code == 0, done.err
        assert len(np.unique(load(tmp_path / "a.png"))) >= 2
    save(tmp_path / "t.png", trimap[1:])
    refused = cli(*usual, "--reference")
    assert refused.code == 1
    assert "the trimap is" in refused.err


def test_a_background_chooses_bgmv2(cli: Cli, tmp_path: Path, astronaut: Path) -> None:
    path = weights(NETWORKS["BGMv2", ""], tmp_path)
    done = cli("matte", astronaut, "--background", "plate.png", "--weights", path)
    assert done.code == 0, done.err
    assert "model: bgmv2" in done.err


def test_a_plate_of_another_size_is_resized_and_of_another_shape_refused(
    cli: Cli, tmp_path: Path, astronaut: Path
) -> None:
    path = weights(NETWORKS["BGMv2", ""], tmp_path)
    plate = load(tmp_path / "plate.png")
    save(tmp_path / "larger.png", cv2.resize(plate, (346, 362)))
    save(tmp_path / "wider.png", cv2.resize(plate, (346, 300)))
    common = ("matte", astronaut, "--weights", path)
    assert cli(*common, "--background", "larger.png").code == 0
    refused = cli(*common, "--background", "wider.png")
    assert refused.code == 1
    assert "wider.png" in refused.err
    assert "--align" in refused.err


def test_a_displaced_plate_is_registered_and_another_place_refused(
    cli: Cli, tmp_path: Path
) -> None:
    scene = cv2.resize(load(PICTURES / "photos" / "astronaut.jpg"), (640, 640))
    image = scene.copy()
    image[250:560, 220:420] = photo(200, 310, seed=4)
    turn = np.array([[1.01, 0.012, 14], [-0.01, 1.0, -11]], np.float64)
    moved = cv2.warpAffine(scene, turn, (640, 640), borderMode=cv2.BORDER_REFLECT)
    save(tmp_path / "p.png", image)
    save(tmp_path / "plate.png", cv2.convertScaleAbs(moved, alpha=0.85, beta=4))
    save(tmp_path / "other.png", photo(640, 640, seed=9))
    path = weights(NETWORKS["BGMv2", ""], tmp_path)
    common = ("matte", "p.png", "--weights", path, "--align", "--json", "-w", "alpha")
    done = cli(*common, "--background", "plate.png")
    assert done.code == 0, done.err
    notes = json.loads(done.out.splitlines()[0])["notes"]
    (note,) = (note for note in notes if "registered" in note)
    assert float(note.rpartition("error ")[2].split()[0]) < 1
    refused = cli(*common, "--background", "other.png")
    assert refused.code == 1
    assert "other.png" in refused.err


def test_a_reference_run_registers_the_plate_as_the_script_does(cli: Cli, tmp_path: Path) -> None:
    from mattecli.engine.reference.plates import bgmv2_aligned

    scene = cv2.resize(load(PICTURES / "photos" / "astronaut.jpg"), (320, 320))
    image = scene.copy()
    image[120:280, 110:210] = photo(100, 160, seed=4)
    moved = np.roll(scene, (6, -5), axis=(0, 1))
    for name, picture in (("p", image), ("moved", moved), ("own", bgmv2_aligned(moved, image))):
        save(tmp_path / f"{name}.png", picture)
    path = weights(NETWORKS["BGMv2", ""], tmp_path)
    common = ("matte", "p.png", "--weights", path, "--reference", "-w", "alpha")
    for name, more in (("moved", ("--align",)), ("own", ())):
        done = cli(*common, "--background", f"{name}.png", *more, "-o", f"{name}-alpha.png")
        assert done.code == 0, done.err
    assert np.array_equal(load(tmp_path / "moved-alpha.png"), load(tmp_path / "own-alpha.png"))


@pytest.mark.parametrize(
    ("model", "system", "more"),
    [("bgmv2", "BGMv2", ()), ("bgm", "BGM", ("--segmentation", "mask.png"))],
)
def test_a_plate_that_a_script_cannot_register_is_named(
    model: str, system: str, more: tuple[str, ...], cli: Cli, tmp_path: Path
) -> None:
    mask = np.zeros((60, 80), np.uint8)
    mask[20:50, 30:60] = 255
    save(tmp_path / "mask.png", mask)
    save(tmp_path / "p.png", photo(80, 60))
    save(tmp_path / "blank.png", np.full((60, 80, 3), 90, np.uint8))
    path = weights(NETWORKS[system, ""], tmp_path)
    given = ("--model", model, "--weights", path, "--background", "blank.png", *more)
    refused = cli("matte", "p.png", *given, "--reference", "--align")
    assert refused.code == 1
    assert "blank.png: the script's alignment finds no homography" in refused.err


def test_refine_modes(cli: Cli, tmp_path: Path, astronaut: Path) -> None:
    path = weights(NETWORKS["BGMv2", ""], tmp_path)
    common = ("matte", astronaut, "--background", "plate.png", "--weights", path, "-w", "alpha")
    alphas = {}
    for mode in ("auto", "full", "sampling", "thresholding"):
        assert cli(*common, "--refine-mode", mode, "-o", f"{mode}.png").code == 0
        alphas[mode] = load(tmp_path / f"{mode}.png").astype(int)
    assert np.array_equal(alphas["auto"], alphas["sampling"])
    few = cli(*common, "--set", "sample_pixels=160", "-o", "few.png")
    assert few.code == 0, few.err
    missed = {
        name: np.abs(alphas["full"] - image).mean()
        for name, image in (("all", alphas["sampling"]), ("few", load(tmp_path / "few.png")))
    }
    assert missed["all"] < missed["few"]


def test_the_portrait_model_makes_trimaps_and_segmentations(
    cli: Cli, tmp_path: Path, astronaut: Path
) -> None:
    bgm = weights(NETWORKS["BGM", ""], tmp_path)
    built_in = cli("matte", astronaut, "--trimap", "auto", "-o", "built-in", "--report", "r.jsonl")
    assert built_in.code == 0, built_in.err
    from mattecli.models.modnet import MODNet

    network = MODNet()
    with torch.no_grad():  # an alpha that is 1 in the middle and soft around
        for parameter in network.parameters():
            parameter.mul_(0.5)
        network.f_branch.conv_f[1].layers[0].bias.fill_(6.0)
    state = {k: v.clone().contiguous() for k, v in network.state_dict().items()}
    save_file(state, tmp_path / "m.safetensors")
    assert cli("models", "import", "m.safetensors").code == 0
    common = ("matte", astronaut, "-w", "alpha,trimap", "--dilate", "4")
    auto = cli(*common, "--trimap", "auto", "--model", "closed-form")
    if auto.code == 1:
        assert "unknown" in auto.err
    segmented = cli(
        "matte", astronaut, "--model", "bgm", "--background", "plate.png", "--weights", bgm
    )
    assert segmented.code == 0, segmented.err


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--model", "bgmv2"), "empty background"),
        (("--model", "modnet", "--background", "plate.png"), "--background"),
        (("--model", "modnet", "--align"), "--align"),
        (("--model", "closed-form", "--trimap", "trimap.png", "--set", "a=b"), "--set"),
        (("--model", "modnet", "--refine-mode", "full"), "--refine-mode"),
        (("--model", "bgmv2", "--background", "plate.png", "--set", "mode"), "--set"),
        (("--model", "bgmv2", "--background", "nowhere.png"), "nowhere.png"),
        (("--model", "knn", "--trimap", "trimap.png", "--device", "cuda"), "--device"),
        (("--model", "knn", "--trimap", "trimap.png", "--batch-size", "x"), "--batch-size"),
        (("--model", "modnet", "--reference", "--precision", "bf16"), "--precision"),
    ],
)
def test_what_does_not_belong_to_a_model_is_refused(
    cli: Cli, astronaut: Path, arguments: tuple[str, ...], word: str
) -> None:
    done = cli("matte", astronaut, *arguments)
    assert done.code == 2, done.err
    assert word in done.err
    assert done.err.count("\n") == 1


def test_settings_are_judged_as_usage(cli: Cli, tmp_path: Path, astronaut: Path) -> None:
    path = weights(NETWORKS["BGMv2", ""], tmp_path)
    common = ("matte", astronaut, "--background", "plate.png", "--weights", path)
    for setting, word in (("foo=1", "foo"), ("sample_pixels=x", "x"), ("threshold=nan", "nan")):
        done = cli(*common, "--set", setting)
        assert done.code == 2, done.err
        assert word in done.err
        assert done.err.count("\n") == 1
    both = cli(*common, "--refine-mode", "full", "--set", "mode=thresholding")
    assert both.code == 2


def test_no_output_takes_a_companion_s_place(cli: Cli, tmp_path: Path, astronaut: Path) -> None:
    path = weights(NETWORKS["BGMv2", ""], tmp_path)
    plate = save(tmp_path / "plates" / "a.png", load(tmp_path / "plate.png"))
    before = plate.read_bytes()
    done = cli(
        "matte", astronaut, "--background", "plates", "--weights", path, "-w", "alpha",
        "-o", "plates", "--name", "{stem}{ext}",
    )  # fmt: skip
    assert done.code == 2
    assert "plates/a.png" in done.err
    assert plate.read_bytes() == before


def test_numbers_that_are_none_fail_the_photo(
    cli: Cli, tmp_path: Path, astronaut: Path, modnet_weights: Path
) -> None:
    from safetensors.torch import load_file

    state = load_file(modnet_weights)
    state["f_branch.conv_f.0.layers.0.weight"].fill_(3e38)  # infinity minus its own mean
    save_file(state, tmp_path / "huge.safetensors")
    done = cli("matte", astronaut, "--model", "modnet", "--weights", "huge.safetensors")
    assert done.code == 1
    assert "no numbers" in done.err
    assert not outputs_in(tmp_path / "mattes")


def test_a_plate_of_another_place_is_remarked_upon(
    cli: Cli, tmp_path: Path, astronaut: Path
) -> None:
    path = weights(NETWORKS["BGMv2", ""], tmp_path)
    save(tmp_path / "other.png", photo(173, 181, seed=11))
    done = cli("matte", astronaut, "--background", "other.png", "--weights", path, "--json")
    assert done.code == 0
    assert "may not fit" in json.loads(done.out.splitlines()[0])["notes"][0]
