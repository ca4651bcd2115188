"""The background-matting scripts: what they refuse, and how they prepare plates."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from parity.core import parity_folder

from mattecli.engine.reference import ReferenceInput, find_reference
from mattecli.engine.reference.bgm import bgm_finish, bgm_prepare
from mattecli.engine.reference.bgmv2 import bgmv2_pictures, bgmv2_reference
from mattecli.engine.reference.plates import bgm_aligned, bgmv2_aligned
from mattecli.errors import InputError, PlateError
from mattecli.models.bgmv2 import BGMv2
from mattecli.models.registry import find_spec
from mattecli.records import Size

ALIGNMENT = parity_folder() / "alignment.npz"
needs_scene = pytest.mark.skipif(not ALIGNMENT.exists(), reason=f"no {ALIGNMENT}")


def grey(height: int, width: int, *channels: int) -> np.ndarray:
    return np.full((height, width, *channels), 128, np.uint8)


@pytest.mark.parametrize(
    "other",
    [
        {"background": None},
        {"mask": None},
        {"background": grey(30, 40, 3)},
        {"mask": grey(8, 8)},
        {"mask": np.zeros((40, 40), np.uint8)},
    ],
)
def test_bgm_refuses_what_its_script_cannot_take(other: dict[str, np.ndarray | None]) -> None:
    given = {"color": grey(40, 40, 3), "background": grey(40, 40, 3), "mask": grey(40, 40)}
    with pytest.raises(InputError):
        bgm_prepare(ReferenceInput(**given | other))


def test_bgm_says_when_nothing_was_found() -> None:
    photo = grey(40, 40, 3)
    seen = bgm_prepare(ReferenceInput(color=photo, background=photo, mask=grey(40, 40)))
    nothing = np.full((512, 512), -1, np.float32)
    with pytest.raises(InputError, match="no subject"):
        bgm_finish(seen, nothing, np.zeros((512, 512, 3), np.float32), Size(40, 40))


@pytest.mark.parametrize(
    ("photo", "plate"),
    [((40, 42, 3), (40, 42, 3)), ((40, 40, 3), (40, 44, 3)), ((40, 40, 3), None)],
)
def test_bgmv2_refuses_what_its_script_cannot_take(
    photo: tuple[int, ...], plate: tuple[int, ...] | None
) -> None:
    background = None if plate is None else grey(*plate)
    with pytest.raises(InputError):
        bgmv2_reference(
            BGMv2.fresh().eval(), ReferenceInput(color=grey(*photo), background=background)
        )


def test_bgmv2_writes_the_cut_out_and_is_found_for_every_variant() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network = BGMv2.fresh().eval()
    rng = np.random.default_rng(2)
    photo, plate = rng.integers(0, 256, (2, 32, 48, 3), np.uint8)
    given = ReferenceInput(color=photo, background=plate)
    pictures = bgmv2_pictures(network, given)
    result = find_reference(find_spec("bgmv2:resnet50"))(network, given)
    assert np.array_equal(np.dstack((result.foreground, result.alpha)), pictures.com)
    assert (pictures.com[pictures.com[..., 3] > 0][:, :3] == pictures.fgr[result.alpha > 0]).all()


@needs_scene
def test_the_scripts_alignments_are_as_good_as_recorded() -> None:
    scene = np.load(ALIGNMENT)
    image, back, mask = (scene[f"scene.{name}"] for name in ("image", "back", "mask"))
    judged = scene["scene.judge"] == 255
    true = scene["scene.true_back"][judged].astype(float)
    for aligned, recorded in (
        (bgm_aligned(back, image, mask), 1.96),
        (bgmv2_aligned(back, image), 2.15),
    ):
        assert np.abs(aligned[judged] - true).mean() <= 1.5 * recorded + 0.5


def test_an_alignment_without_features_is_refused() -> None:
    with pytest.raises(PlateError, match="homography"):
        bgmv2_aligned(grey(64, 64, 3), grey(64, 64, 3))
