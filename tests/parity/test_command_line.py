"""The recorded pictures again, through ``mattecli matte --reference``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import save_file

from parity.core import Array, Case, Fixture, check, load_fixtures, parity_folder
from tests.conftest import Cli, load, save

FIXTURES = load_fixtures(parity_folder())
IMAGE_CASES = [case for f in FIXTURES for case in f.cases() if case.kind == "image"]

STAGES_WITH_REFINEMENT = (2, 3)


@dataclass(frozen=True)
class Run:
    """One run of the command that repeats a recorded picture.

    Attributes:
        arguments: beside the photo and the weights.
        photo, companions: pictures by option; RGB or grey.
        found: the recorded outputs that the command writes, from its alpha and foreground.
        keys: which entries of the weights belong to the network.
    """

    arguments: tuple[str, ...]
    photo: Array
    companions: dict[str, Array]
    found: Callable[[Array, Array], dict[str, Array]]
    keys: Callable[[str], bool] = lambda _key: True


def modnet(case: Case) -> Iterator[Run]:
    image = case.inputs["image"]
    yield Run(("--model", "modnet"), image, {}, lambda alpha, _fgr: {"alpha": alpha})


def shm(case: Case) -> Iterator[Run]:
    yield Run(
        ("--model", "shm", "--size", str(case.entry["size"])),
        case.inputs["image_bgr"][..., ::-1],
        {},
        lambda alpha, _fgr: {"alpha_u8": alpha},
    )


def dim_segnet(case: Case) -> Iterator[Run]:
    for name, trimap in case.inputs.items():
        if name.startswith("trimap"):
            number = name.removeprefix("trimap")
            yield Run(
                ("--model", "dim:segnet"),
                case.inputs["rgb"],
                {"--trimap": trimap},
                lambda alpha, _fgr, number=number: {f"alpha{number}": alpha},  # type: ignore[misc]  # the loop's value now
            )


def dim_vgg(case: Case) -> Iterator[Run]:
    given = dict(text.removeprefix("--").split("=") for text in case.entry["options"])
    settings = [f"method={given['crop_or_resize']}"]
    if "max_size" in given:
        settings.append(f"max_size={given['max_size']}")
    if "size_w" in given:
        settings.append(f"size={given['size_w']}x{given['size_h']}")
    additions = case.fixture.variant(case.entry["variant"])["skip_additions"]
    settings.append(f"additions={'yes' if additions else 'no'}")
    refined = case.entry["stage"] in STAGES_WITH_REFINEMENT
    yield Run(
        ("--model", "dim", *(word for text in settings for word in ("--set", text))),
        case.inputs["rgb"],
        {"--trimap": case.inputs["trimap"]},
        lambda alpha, _fgr: {"alpha": alpha},
        lambda key: refined or not key.startswith("refine_"),
    )


def bgm(case: Case) -> Iterator[Run]:
    yield Run(
        ("--model", "bgm"),
        case.inputs["image"],
        {"--background": case.inputs["back"], "--segmentation": case.inputs["seg"]},
        lambda alpha, fgr: {"alpha": alpha, "fg": fgr},
    )


def bgmv2(case: Case) -> Iterator[Run]:
    names = {"refine_mode": "mode", "refine_sample_pixels": "sample_pixels"}
    names |= {"refine_threshold": "threshold", "backbone_scale": "backbone_scale"}
    given = case.entry.get("params", {})
    settings = [f"{ours}={given[name]}" for name, ours in names.items() if name in given]
    base = case.entry["network"] == "base"
    y, x, height, width = case.entry["crops_y0x0hw"][0]
    variant = case.fixture.name.removeprefix("bgmv2_")
    model = "bgmv2" if variant == "mobilenetv2" else f"bgmv2:{variant}"
    yield Run(
        ("--model", model, *(word for text in settings for word in ("--set", text))),
        case.inputs["src"][y : y + height, x : x + width],
        {"--background": case.inputs["bgr"][y : y + height, x : x + width]},
        lambda alpha, fgr: {"com": np.dstack([fgr, alpha])},
        lambda key: not (base and key.startswith("refiner.")),
    )


SYSTEMS: dict[str, Callable[[Case], Iterator[Run]]] = {
    "modnet": modnet,
    "shm": shm,
    "dim_segnet": dim_segnet,
    "dim_vgg": dim_vgg,
    "bgm": bgm,
    "bgmv2": bgmv2,
}


def _runs(case: Case) -> Iterator[Run]:
    name = case.fixture.name
    return SYSTEMS[name if name in SYSTEMS else name.partition("_")[0]](case)


def _weights(fixture: Fixture, case: Case, run: Run, folder: Path) -> Path:
    path = folder / "weights.safetensors"
    state = fixture.state(case.entry.get("variant"))
    save_file({key: value.contiguous() for key, value in state.items() if run.keys(key)}, path)
    return path


def _only(case: Case, names: set[str]) -> Case:
    """The case with those of its outputs that the command writes."""
    outputs = [name for name in case.entry["outputs"] if name.rpartition(".")[2] in names]
    assert outputs
    entry: dict[str, Any] = {**case.entry, "outputs": outputs}
    return replace(case, entry=entry)


@pytest.mark.slow
@pytest.mark.skipif(not FIXTURES, reason=f"no fixtures in {parity_folder()} (set MATTECLI_PARITY)")
@pytest.mark.parametrize(
    "case", [pytest.param(case, id=f"{case.fixture.name}-{case.name}") for case in IMAGE_CASES]
)
def test_the_command_writes_what_the_script_wrote(cli: Cli, tmp_path: Path, case: Case) -> None:
    for run in _runs(case):
        weights = _weights(case.fixture, case, run, tmp_path)
        save(tmp_path / "photo.png", np.ascontiguousarray(run.photo))
        companions: list[str | Path] = []
        for option, image in run.companions.items():
            path = save(tmp_path / f"{option[2:]}.png", np.ascontiguousarray(image))
            companions += [option, path]
        done = cli(
            "matte", "photo.png", *run.arguments, *companions, "--weights", weights, "--reference"
        )
        assert done.code == 0, done.err
        alpha = load(tmp_path / "mattes" / "photo-alpha.png")
        cutout = load(tmp_path / "mattes" / "photo-foreground.png")
        found = run.found(alpha, cutout[..., :3])
        names = {name for name in found if name in case.expected}
        check(_only(case, names), found)
