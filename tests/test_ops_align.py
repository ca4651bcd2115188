"""Plates are registered, brought to the photo's exposure, or refused; on real photos."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import skimage.data
from parity.core import parity_folder

from mattecli.ops.align import Alignment, align_plate
from mattecli.ops.exposure import Exposure, fit_exposure
from mattecli.ops.plates import check_plate
from mattecli.ops.registration import geometry_fault, register, register_plain, scaling
from mattecli.records import Size
from tests.conftest import PICTURES, load

Rgb = npt.NDArray[np.uint8]
Matrix = npt.NDArray[np.float64]

ALIGNMENT = parity_folder() / "alignment.npz"
PLACES = ("coffee", "rocket", "motorcycle")


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


@cache
def place(name: str) -> Rgb:
    """A real photo, 900x600."""
    found = getattr(skimage.data, name, skimage.data.stereo_motorcycle)()
    image = found[0] if isinstance(found, tuple) else found
    return cv2.resize(image, (900, 600), interpolation=cv2.INTER_CUBIC)


@cache
def scene(
    name: str, *, cover: float, shift: float = 0.05, exposure: float = 1.2, seed: int = 0
) -> Scene:
    """A view of a wider picture as photo, and a view turned, moved and tilted as plate.

    Args:
        name: of the place.
        cover: share of the photo that the person covers.
        shift: how far the plate is displaced, as a share of the sides.
        exposure: the photo is brighter than the plate by this factor.
        seed: of turn, tilt and noise.
    """
    rng = np.random.default_rng(seed)
    wide = place(name)
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


@pytest.mark.parametrize("name", PLACES)
@pytest.mark.parametrize(
    ("cover", "exposure", "masked"),
    [(0.1, 1 / 1.2, False), (0.1, 1.2, True), (0.5, 1 / 1.2, True), (0.5, 1.2, False)],
)
def test_a_displaced_plate_of_another_exposure_is_registered(
    name: str, cover: float, exposure: float, masked: bool
) -> None:
    given = scene(name, cover=cover, exposure=exposure)
    found = align_plate(given.plate, given.photo, mask=given.mask if masked else None)
    assert found.trusted, found.reason
    assert displacement(found, given.homography, Size.of(given.photo)) < 1.5
    assert found.median_error < 0.5
    assert found.inliers >= 20
    assert found.exposure.gain == pytest.approx(exposure, rel=0.05)
    assert np.abs(found.plate / 255 - given.empty)[~given.person].mean() < 0.04


@pytest.mark.parametrize(("name", "other"), list(itertools.permutations(PLACES, 2)))
@pytest.mark.parametrize(("cover", "masked"), [(0.1, True), (0.5, False)])
def test_a_plate_of_another_place_is_refused(
    name: str, other: str, cover: float, masked: bool
) -> None:
    given = scene(name, cover=cover)
    found = align_plate(place(other), given.photo, mask=given.mask if masked else None)
    assert not found.trusted
    assert "not seen to show the photo's background" in found.reason
    assert "new background" in found.remedy


def test_a_new_background_is_no_plate_without_registration_either() -> None:
    assert check_plate(place("rocket"), scene("coffee", cover=0.3).photo).verdict == "unsuitable"


def test_the_photo_itself_is_no_plate() -> None:
    given = scene("coffee", cover=0.3)
    rng = np.random.default_rng(1)
    smaller = cv2.resize(given.photo, (500, 328), interpolation=cv2.INTER_AREA)
    for plate in (given.photo, _shot(given.photo / 255 / 1.1, rng), smaller):
        found = align_plate(plate, given.photo)
        assert not found.trusted
        assert "nothing in the photo differs" in found.reason
        assert "without the subject" in found.remedy


def test_a_mirrored_plate_is_refused() -> None:
    given = scene("coffee", cover=0.2)
    assert not align_plate(given.plate[:, ::-1].copy(), given.photo).trusted


def test_a_plate_that_lines_up_is_checked_as_such() -> None:
    given = scene("rocket", cover=0.3)
    level = align_plate(given.plate, given.photo).plate
    assert check_plate(level, given.photo).verdict == "fits"
    moved = check_plate(given.plate, given.photo)
    assert moved.verdict == "displaced"
    assert moved.displacement == pytest.approx(np.hypot(0.05 * 640, 0.05 * 420), rel=0.2)
    assert "--align" in moved.remedy


def test_an_even_scene_is_used_where_it_is() -> None:
    ramp = np.broadcast_to(np.linspace(0.4, 0.7, 420)[:, None, None], (420, 640, 3))
    portrait, person = _person(Size(640, 420), 0.4)
    rng = np.random.default_rng(2)
    photo, plate = _shot(np.where(person[..., None], portrait, ramp), rng), _shot(ramp / 1.2, rng)
    found = align_plate(plate, photo)
    assert found.trusted
    assert "lines up" in found.reason
    assert np.array_equal(found.homography, np.eye(3))
    assert np.isnan(found.median_error)
    assert found.exposure.gain == pytest.approx(1.2, rel=0.05)


def _plain(seed: int, size: Size) -> npt.NDArray[np.float64]:
    """A soft gradient with a few soft discs, 0..1: hardly anything for features."""
    rng = np.random.default_rng(seed)
    ramp = np.linspace(0.35, 0.75, size.width)[None, :, None] * np.array([1.0, 0.9, 0.8])
    picture = np.repeat(ramp, size.height, axis=0)
    for _ in range(90):
        disc = np.zeros((size.height, size.width), np.float32)
        at = (int(rng.integers(size.width)), int(rng.integers(size.height)))
        cv2.circle(disc, at, int(rng.integers(14, 50)), 1, cv2.FILLED, cv2.LINE_AA)
        disc = cv2.GaussianBlur(disc, (0, 0), 3)[..., None]
        picture = picture + disc * rng.uniform(-0.09, 0.09)
    return np.clip(picture, 0, 1)


def _plain_scene(seed: int, gain: float) -> tuple[Rgb, Rgb, Rgb]:
    """Photo, plate moved by 5 % and exposed by ``gain``, and the mask of the person."""
    wide, rng = _plain(seed, Size(720, 480)), np.random.default_rng(seed)
    portrait, person = _person(Size(640, 420), 0.3)
    photo = np.where(person[..., None], portrait, wide[30:450, 40:680])
    plate = _shot(wide[9:429, 8:648] * gain, rng)
    return _shot(photo, rng), plate, person.astype(np.uint8) * 255


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("gain", [1.2, 1 / 1.2])
def test_a_plain_scene_is_registered_by_what_little_it_shows(gain: float, masked: bool) -> None:
    photo, plate, mask = _plain_scene(1, gain)
    assert register(plate, photo).matches < 15
    found = align_plate(plate, photo, mask=mask if masked else None)
    assert found.trusted, found.reason
    moved = np.array([[1, 0, 8 - 40], [0, 1, 9 - 30], [0, 0, 1]], float)
    assert displacement(found, moved, Size(640, 420)) < 2
    assert found.median_error < 0.8  # borders that soft
    assert found.exposure.gain == pytest.approx(1 / gain, rel=0.05)


def test_another_plain_scene_is_not_registered() -> None:
    photo, _, mask = _plain_scene(1, 1.0)
    for seed in range(2, 6):
        other = _plain_scene(seed, 1.0)[1]
        assert register_plain(other, photo, mask=mask).inliers < 8


def test_a_plate_that_shows_a_part_only_is_refused() -> None:
    given = scene("coffee", cover=0.1, shift=0)
    part = cv2.resize(given.plate[60:360, 100:550], Size(640, 420))
    found = align_plate(part, given.photo)
    assert not found.trusted
    assert "only 50% of the photo's view" in found.reason


def test_holes_say_background_but_do_not_cut_the_subject() -> None:
    given = scene("coffee", cover=0.3, shift=-0.05)  # the plate lacks the right and lower border
    found = align_plate(given.plate, given.photo, mask=given.mask)
    hole = np.zeros(given.person.shape, bool)
    hole[-10:] = True
    apart = np.abs(found.plate.astype(int) - given.photo).max(axis=2)
    assert (apart[hole & ~given.person] == 0).mean() > 0.8
    assert (apart[hole & given.person] > 20).mean() > 0.8


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_every_type_of_pixels_gives_the_same_registration(dtype: type) -> None:
    given = scene("rocket", cover=0.2)
    white = 255 if dtype == np.uint8 else 65535 if dtype == np.uint16 else 1
    plate = (given.plate * (white / 255)).astype(dtype)
    found = align_plate(plate, given.photo)
    assert found.plate.dtype == dtype
    assert found.plate.shape == given.photo.shape
    level = align_plate(given.plate, given.photo)
    assert np.abs(found.homography - level.homography).max() < 1e-6
    assert np.abs(found.plate / white - level.plate / 255).mean() < 0.002


def test_a_larger_plate_is_averaged_down() -> None:
    given = scene("coffee", cover=0.2)
    large = cv2.resize(given.plate, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
    found = align_plate(large, given.photo)
    assert found.trusted
    true = given.homography @ scaling(Size.of(large), Size.of(given.plate))
    assert displacement(found, true, Size.of(large)) < 1.5


def test_exposure_is_left_alone_when_not_asked_for() -> None:
    given = scene("rocket", cover=0.2)
    plain = align_plate(given.plate, given.photo, exposure=False)
    assert plain.exposure.gain == pytest.approx(1.2, rel=0.05)
    centre = np.s_[150:250, 400:600]
    brightness = given.plate[centre].mean()
    assert plain.plate[centre].mean() == pytest.approx(brightness, rel=0.1)


@pytest.mark.parametrize("remove", [["SIFT_create"], ["SIFT_create", "AKAZE_create"]])
def test_other_detectors_do_where_this_opencv_lacks_the_best(
    remove: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in remove:
        monkeypatch.delattr(cv2, name, raising=False)
    given = scene("coffee", cover=0.3)
    found = align_plate(given.plate, given.photo)
    assert found.trusted
    assert displacement(found, given.homography, Size.of(given.photo)) < 2.5
    assert not align_plate(place("rocket"), given.photo).trusted


def test_pictures_without_features_have_no_registration() -> None:
    blank = np.full((60, 80, 3), 128, np.uint8)
    found = register(blank, blank)
    assert (found.matches, found.inliers) == (0, 0)
    assert np.array_equal(found.homography, np.eye(3))


@pytest.mark.parametrize(
    ("matrix", "fault"),
    [
        (np.diag([1, 1, 1]), ""),
        (np.array([[1, 0, 5], [0, 1, -4], [0, 0, 1]]), ""),
        (np.array([[-1, 0, 100], [0, 1, 0], [0, 0, 1]]), "mirrored"),
        (np.diag([3, 3, 1]), "scaled"),
        (np.array([[1, 0, 60], [0, 1, 0], [0, 0, 1]]), "moved"),
        (np.array([[1, 0, 0], [0, 1, 0], [-0.02, 0, 1]]), "inside out"),
        (np.array([[1, 0, 0], [0, 1, 0], [-0.006, 0, 1]]), "tilted"),
    ],
)
def test_wild_homographies_are_named(matrix: Matrix, fault: str) -> None:
    found = geometry_fault(matrix.astype(float), Size(100, 80), Size(100, 80))
    assert fault in found
    assert bool(found) == bool(fault)


def test_exposure_is_found_although_half_is_something_else() -> None:
    rng = np.random.default_rng(3)
    plate = rng.uniform(0.1, 0.75, (80, 100, 3)).astype(np.float32)
    gain, bias = np.array([1.2, 0.9, 1.1]), np.array([-0.02, 0.05, 0.0])
    photo = (plate * gain + bias + rng.normal(0, 0.01, plate.shape)).astype(np.float32)
    photo[:, :50] = rng.uniform(0, 1, (80, 50, 3))
    found = fit_exposure(plate, photo, np.ones((80, 100), bool))
    assert found.gain == pytest.approx(gain, abs=0.02)
    assert found.bias == pytest.approx(bias, abs=0.01)


def test_what_was_cut_off_at_white_is_a_bound_for_the_exposure() -> None:
    rng = np.random.default_rng(4)
    photo = np.full((80, 100, 3), 0.9, np.float32)
    photo[:20] = rng.uniform(0.5, 0.95, (20, 100, 3)) * [1.0, 0.7, 0.3]
    plate = np.minimum(photo * 1.2, 1)
    found = fit_exposure(plate, photo, np.ones((80, 100), bool))
    assert found.gain == pytest.approx(np.full(3, 1 / 1.2), rel=0.05)
    assert found.bias == pytest.approx(np.zeros(3), abs=0.03)


def test_exposure_is_applied_in_float_and_clamped() -> None:
    brighter = Exposure(np.float32([2, 1, 1]), np.float32([0, -0.1, 0.002]))
    levels = brighter.apply(np.array([[[200, 10, 254]]], np.uint8))
    assert levels.tolist() == [[[255, 0, 255]]]
    scene_values = brighter.apply(np.array([[[0.9, 0.05, 0.5]]], np.float32))
    assert scene_values[0, 0] == pytest.approx([1.8, 0, 0.502])


@pytest.mark.skipif(not ALIGNMENT.exists(), reason=f"no {ALIGNMENT}")
@pytest.mark.parametrize("masked", [False, True])
def test_the_recorded_scene_is_aligned_as_well_as_by_the_scripts(masked: bool) -> None:
    recorded = np.load(ALIGNMENT)
    image, back, mask = (recorded[f"scene.{name}"] for name in ("image", "back", "mask"))
    found = align_plate(back, image, mask=mask if masked else None)
    judged = recorded["scene.judge"] == 255
    apart = np.abs(found.plate.astype(float) - recorded["scene.true_back"])[judged].mean()
    assert found.trusted
    assert apart < 1.96  # what the better of the two scripts reaches
