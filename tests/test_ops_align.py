"""Plates are registered, brought to the photo's exposure, or refused; on real photos."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import skimage.data
from conftest import PICTURES, load

from mattecli.ops.align import Alignment, align_plate
from mattecli.ops.exposure import Exposure, fit_exposure
from mattecli.ops.plates import check_plate
from mattecli.ops.registration import geometry_fault, register, scaling
from mattecli.records import Size
from parity.core import parity_folder

Rgb = npt.NDArray[np.uint8]
Matrix = npt.NDArray[np.float64]

ALIGNMENT = parity_folder() / "alignment.npz"


@dataclass(frozen=True)
class Scene:
    """A photo of a person before a real background, and a plate taken otherwise.

    Attributes:
        photo, plate: as the cameras saw them.
        homography: the true one, from plate to photo.
        empty: the photo without the person, 0..1.
        person: where she is.
    """

    photo: Rgb
    plate: Rgb
    homography: Matrix
    empty: npt.NDArray[np.float64]
    person: npt.NDArray[np.bool_]

    @property
    def mask(self) -> Rgb:
        return self.person.astype(np.uint8) * 255


def scene(
    name: str, *, cover: float, shift: float = 0.05, exposure: float = 1.2, seed: int = 0
) -> Scene:
    """A view of a wider picture as photo, and a view turned, moved and tilted as plate.

    Args:
        name: of the picture in scikit-image.
        cover: share of the photo that the person covers.
        shift: how far the plate is displaced, as a share of the sides.
        exposure: the photo is brighter than the plate by this factor.
        seed: of turn, tilt and noise.
    """
    rng = np.random.default_rng(seed)
    wide = cv2.resize(getattr(skimage.data, name)(), (900, 600), interpolation=cv2.INTER_CUBIC)
    size, origin = Size(640, 420), np.array([130, 90])
    corners = np.array([(0, 0), (640, 0), (640, 420), (0, 420)], np.float32)
    turn = np.deg2rad(rng.uniform(-1.5, 1.5))
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    moved = (corners - [320, 210]) @ rotation.T + [320, 210] + np.array(size) * shift
    moved = (moved + rng.normal(0, 1.5, (4, 2))).astype(np.float32)
    homography = cv2.getPerspectiveTransform(corners, moved)
    to_wide = np.array([[1, 0, origin[0]], [0, 1, origin[1]], [0, 0, 1]]) @ homography
    plate = cv2.warpPerspective(wide, np.linalg.inv(to_wide), size, flags=cv2.INTER_CUBIC) / 255
    empty = wide[origin[1] :, origin[0] :][: size.height, : size.width] / 255
    portrait, person = _person(size, cover)
    photo = np.where(person[..., None], portrait, empty)
    return Scene(_shot(photo, rng), _shot(plate / exposure, rng), homography, empty, person)


def _person(size: Size, cover: float) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    image = load(PICTURES / "photos" / "astronaut.jpg")
    mask = load(PICTURES / "masks" / "astronaut.png")
    scale = np.sqrt(cover * size.pixels / (mask > 127).sum())
    moved = np.array([[scale, 0, 100], [0, scale, size.height - scale * mask.shape[0]]])
    person = cv2.warpAffine(mask, moved, size) > 127
    return cv2.warpAffine(image, moved, size) / 255, person


def _shot(colours: npt.NDArray[np.float64], rng: np.random.Generator) -> Rgb:
    """With sensor noise, as JPEG."""
    noisy = np.clip(colours * 255 + rng.normal(0, 2, colours.shape), 0, 255).astype(np.uint8)
    return cv2.imdecode(cv2.imencode(".jpg", noisy, [cv2.IMWRITE_JPEG_QUALITY, 90])[1], 1)


def displacement(found: Alignment, true: Matrix, size: Size) -> float:
    """Largest distance between found and true place over a grid of the picture, in pixels."""
    axes = (np.linspace(0, side - 1, 9) for side in size)
    grid = np.stack(np.meshgrid(*axes), -1).reshape(-1, 1, 2)
    seen = (cv2.perspectiveTransform(grid, h) for h in (found.homography, true))
    return float(np.linalg.norm(np.subtract(*seen), axis=2).max())


@pytest.mark.parametrize("name", ["coffee", "rocket", "motorcycle"])
@pytest.mark.parametrize("cover", [0.1, 0.5])
@pytest.mark.parametrize("exposure", [1 / 1.2, 1.2])
@pytest.mark.parametrize("masked", [False, True])
def test_a_displaced_plate_of_another_exposure_is_registered(
    name: str, cover: float, exposure: float, masked: bool
) -> None:
    given = scene(name if name != "motorcycle" else "hubble_deep_field", cover=cover)
    found = align_plate(given.plate, given.photo, mask=given.mask if masked else None)
    assert found.trusted, found.reason
