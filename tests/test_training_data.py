"""Training pictures: the store, composed scenes, trimaps, plates."""

from __future__ import annotations

import json
import pickle
import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import load, photo, save
from hypothesis import given, settings
from hypothesis import strategies as st
from training_pictures import make_training_folder

from mattecli.errors import ImageReadError, PairingError, UsageError
from mattecli.records import Size
from mattecli.training import trimaps
from mattecli.training.backdrops import backdrop
from mattecli.training.composites import Cut, compose, moved_composite, still_composite
from mattecli.training.emptied import emptied
from mattecli.training.photometry import degraded, relit
from mattecli.training.plates import photographed, rephotographed, rough_mask
from mattecli.training.scenes import Mix, make_scene
from mattecli.training.store import PictureStore, build_store
from tests.media_samples import exif, pil

Random = np.random.default_rng


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_training_folder(tmp_path_factory.mktemp("labelled"))


@pytest.fixture(scope="module")
def store(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> PictureStore:
    return build_store(folder, tmp_path_factory.mktemp("store"))


def blob(height: int = 60, width: int = 80) -> np.ndarray:
    alpha = np.zeros((height, width), np.uint8)
    cv2.ellipse(alpha, (width // 2, height // 2), (width // 5, height // 4), 0, 0, 360, 255, -1)
    return np.asarray(cv2.GaussianBlur(alpha, (0, 0), 2))


def test_store_holds_the_files_pixels(store: PictureStore, folder: Path) -> None:
    for index, entry in enumerate(store.entries):
        subject = store.subject(index)
        np.testing.assert_array_equal(subject.photo, load(folder / "image" / entry.name))
        np.testing.assert_array_equal(subject.alpha, load(folder / "alpha" / entry.name))
    assert len(store.plates) == 2
    plate = load(folder / "backgrounds" / store.plates[1].name)
    np.testing.assert_array_equal(store.plate(1), plate)


def test_store_takes_the_layers_apart(store: PictureStore) -> None:
    subject = store.subject(2)
    edge = (subject.alpha > 60) & (subject.alpha < 250)
    error = np.abs(subject.foreground[edge].astype(int) - (250, 130, 20)).mean()
    raw = np.abs(subject.photo[edge].astype(int) - (250, 130, 20)).mean()
    assert error < raw / 2
    left, top, right, bottom = store.entries[2].box
    inside = np.argwhere(subject.alpha >= 128)
    assert (top, left) == tuple(inside.min(0))
    assert (bottom, right) == tuple(inside.max(0) + 1)


def test_store_is_read_again_for_the_same_pictures_alone(folder: Path, tmp_path: Path) -> None:
    first = build_store(folder, tmp_path / "s")
    again = build_store(shutil.copytree(folder, tmp_path / "moved"), tmp_path / "s")
    (tmp_path / "moved" / "image" / "extra.png").write_bytes(b"more")
    for other in (tmp_path / "moved", tmp_path / "gone"):
        with pytest.raises(UsageError, match="holds other pictures"):
            build_store(other, tmp_path / "s")
    np.testing.assert_array_equal(first.subject(1).background, again.subject(1).background)
    sent = pickle.dumps(first)
    assert len(sent) < 1000
    np.testing.assert_array_equal(pickle.loads(sent).plate(0), first.plate(0))


def test_processes_make_the_same_store(folder: Path, tmp_path: Path) -> None:
    alone, helped = (build_store(folder, tmp_path / str(n), workers=n) for n in (0, 2))
    assert alone.entries == helped.entries
    for name in ("pictures.raw", "plates.raw", "index.json"):
        assert (alone.folder / name).read_bytes() == (helped.folder / name).read_bytes()
    shutil.copytree(folder, tmp_path / "bad")
    (tmp_path / "bad" / "alpha" / "1.png").write_bytes(b"not a picture")
    with pytest.raises(ImageReadError, match=r"1.png"):
        build_store(tmp_path / "bad", tmp_path / "none", workers=2)
    assert not (tmp_path / "none" / "index.json").exists()


def test_store_names_what_is_wrong(tmp_path: Path) -> None:
    bad = make_training_folder(tmp_path / "bad")
    (bad / "alpha" / "3.png").unlink()
    with pytest.raises(PairingError, match=r"image/3.png: has no alpha"):
        build_store(bad, tmp_path / "s1")
    with pytest.raises(PairingError, match="no photos"):
        build_store(tmp_path / "nowhere", tmp_path / "s2")
    (bad / "image" / "3.png").unlink()
    (bad / "image" / "0.png").write_bytes(b"not a picture")
    with pytest.raises(ImageReadError, match=r"0.png"):
        build_store(bad, tmp_path / "s3")


def test_two_files_of_one_stem_are_refused_by_name(tmp_path: Path) -> None:
    for folder, other in (("alpha", "2.tif"), ("image", "2.jpg")):
        data = make_training_folder(tmp_path / folder)
        path = data / folder / "2.png"
        save(path.with_name(other), load(path))
        with pytest.raises(UsageError) as refused:
            build_store(data, tmp_path / "store")
        assert f"{folder}/2." in str(refused.value)
        assert {"2.png", other} <= set(re.split(r"[/ ,:]", str(refused.value)))
    assert not (tmp_path / "store" / "index.json").exists()


def test_every_depth_is_rounded(tmp_path: Path) -> None:
    """Truncation would make 0x00ff nothing, and a float of 0.999 less than white."""
    rng = Random(5)
    deep = rng.integers(0, 2**16, (40, 30), np.uint16)
    deep[:3, 0] = 0x00FF, 0x0080, 0xFFFE
    share = rng.random((40, 30), np.float32)
    colour = rng.integers(0, 2**16, (40, 30, 3), np.uint16)
    for stem, alpha in (("png", deep), ("tiff", deep), ("float", share)):
        suffix = "png" if stem == "png" else "tiff"
        save(tmp_path / "alpha" / f"{stem}.{suffix}", alpha)
        save(tmp_path / "image" / f"{stem}.png", colour)
    store = build_store(tmp_path, tmp_path / "store")
    found = {Path(entry.name).stem: store.subject(i) for i, entry in enumerate(store.entries)}
    for stem in ("png", "tiff"):
        np.testing.assert_array_equal(found[stem].alpha, np.rint(deep / 257))
        np.testing.assert_array_equal(found[stem].photo, np.rint(colour / 257))
    assert tuple(found["png"].alpha[:3, 0]) == (1, 0, 255)
    np.testing.assert_array_equal(found["float"].alpha, np.rint(share * 255))


def test_an_alpha_channel_is_the_alpha(tmp_path: Path) -> None:
    cut_out = np.dstack([photo(30, 40), blob(40, 30)])
    save(tmp_path / "alpha" / "a.png", cut_out)
    save(tmp_path / "image" / "a.png", cut_out[..., :3])
    subject = build_store(tmp_path, tmp_path / "store").subject(0)
    np.testing.assert_array_equal(subject.alpha, cut_out[..., 3])


@pytest.mark.parametrize("kind", ["jpeg", "tiff"])
def test_a_photo_lies_upright_with_its_label(kind: str, tmp_path: Path) -> None:
    """Stored turned, as cameras do; the label was made of what a viewer shows."""
    shown, alpha = photo(48, 32), blob(32, 48)
    stored = np.ascontiguousarray(np.rot90(shown))
    options = {"exif": exif(6)} | ({"quality": 95} if kind == "jpeg" else {})
    (tmp_path / "image").mkdir()
    (tmp_path / "image" / f"a.{kind}").write_bytes(pil(stored, kind, **options))
    save(tmp_path / "alpha" / "a.png", alpha)
    subject = build_store(tmp_path, tmp_path / "store").subject(0)
    np.testing.assert_array_equal(subject.alpha, alpha)
    assert np.abs(subject.photo.astype(int) - shown).mean() < (0.5 if kind == "tiff" else 6)
    save(tmp_path / "alpha" / "a.png", np.ascontiguousarray(np.rot90(alpha)))
    with pytest.raises(PairingError, match="the alpha is 32x48, its photo 48x32"):
        build_store(tmp_path, tmp_path / "other")


def test_a_store_of_an_earlier_version_is_made_anew(folder: Path, tmp_path: Path) -> None:
    """Earlier versions read deep and coloured alphas otherwise."""
    made = build_store(folder, tmp_path / "s")
    index, pixels = tmp_path / "s" / "index.json", tmp_path / "s" / "pictures.raw"
    told, right = json.loads(index.read_text()), pixels.read_bytes()
    index.write_text(json.dumps({**told, "version": 1, "source": "told by fewer kinds of files"}))
    pixels.write_bytes(bytes(len(right)))
    again = build_store(folder, tmp_path / "s")
    assert pixels.read_bytes() == right
    assert again.entries == made.entries
    index.write_text(json.dumps({**told, "source": "of other pictures"}))
    with pytest.raises(UsageError, match="holds other pictures"):
        build_store(folder, tmp_path / "s")


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    size=st.sampled_from((Size(64, 64), Size(96, 64), Size(64, 96), Size(160, 64))),
)
def test_a_scene_is_a_function_of_its_seed(store: PictureStore, seed: int, size: Size) -> None:
    scene = make_scene(store, size, Mix(), Random(seed))
    again = make_scene(store, size, Mix(), Random(seed))
    assert scene.image.shape == (size.height, size.width, 3)
    assert scene.alpha.shape == (size.height, size.width)
    assert scene.image.dtype == scene.alpha.dtype == np.uint8
    np.testing.assert_array_equal(scene.image, again.image)
    np.testing.assert_array_equal(scene.alpha, again.alpha)


def test_the_mix_decides_what_is_made(store: PictureStore) -> None:
    size = Size(64, 64)
    empty = [make_scene(store, size, Mix(own=0, empty=1), Random(i)) for i in range(10)]
    assert not any(scene.alpha.any() for scene in empty)
    assert len({scene.image.tobytes() for scene in empty}) == 10
    others = [make_scene(store, size, Mix(own=0, empty=0), Random(i)) for i in range(20)]
    shares = [float((scene.alpha > 127).mean()) for scene in others]
    assert min(shares) < 0.15 < max(shares)  # far and near


def test_composed_subjects_carry_their_colour(store: PictureStore) -> None:
    orange = np.array((250, 130, 20))
    for seed in range(12):
        composite = moved_composite(store, Size(90, 70), Random(seed), (0.4, 1.0))
        solid = composite.alpha == 255
        if solid.any():
            assert np.abs(composite.image[solid] - orange).mean() < 12
        clear = composite.alpha == 0
        np.testing.assert_array_equal(composite.image[clear], composite.background[clear])


@given(seed=st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_composition_obeys_its_equation(seed: int) -> None:
    rng = Random(seed)
    front, back = rng.integers(0, 256, (2, 5, 7, 3), np.uint8)
    alpha = rng.integers(0, 256, (5, 7), np.uint8)
    share = alpha[..., None] / 255.0
    exact = share * front + (1 - share) * back
    assert np.abs(compose(front, back, alpha).image - exact).max() <= 0.501


@given(
    height=st.integers(20, 90),
    width=st.integers(20, 90),
    side=st.integers(5, 20),
    seed=st.integers(0, 99),
)
@settings(max_examples=40, deadline=None)
def test_a_cut_lies_inside_and_shows_the_unknown(
    height: int, width: int, side: int, seed: int
) -> None:
    alpha = blob(height, width)
    cut = Cut.around_unknown(alpha, side, Random(seed))
    assert 0 <= cut.left <= width - side
    assert 0 <= cut.top <= height - side
    part = alpha[cut.top : cut.top + side, cut.left : cut.left + side]
    assert ((part > 0) & (part < 255)).any()


def test_a_still_composite_is_large_enough(store: PictureStore) -> None:
    for seed in range(5):
        composite = still_composite(store, Random(seed), least=150)
        assert min(composite.alpha.shape) >= 150
        assert composite.image.shape == composite.background.shape == (*composite.alpha.shape, 3)


def test_emptied_keeps_the_surroundings_and_forgets_the_subject() -> None:
    alpha = blob()
    place = np.full((*alpha.shape, 3), (30, 90, 160), np.uint8)
    share = alpha[..., None] / 255
    for colour in ((255, 0, 0), (0, 255, 0)):
        picture = np.rint(place * (1 - share) + np.array(colour) * share).astype(np.uint8)
        assert np.abs(emptied(picture, alpha).astype(int) - place).max() <= 5
    solid = np.full_like(alpha, 255)
    assert emptied(place, solid).shape == place.shape


@pytest.mark.parametrize("kind", ["modnet", "dim", "shm"])
def test_trimaps_are_certain_only_where_alpha_is(kind: str) -> None:
    alpha = blob()
    binary = ((alpha > 127) * 255).astype(np.uint8)
    trimap = {
        "modnet": lambda: trimaps.modnet_trimap(alpha, 256),
        "dim": lambda: trimaps.dim_trimap(alpha, 3, 6),
        "shm": lambda: trimaps.shm_trimap(binary, 8),
    }[kind]()
    truth = binary if kind == "shm" else alpha
    assert set(np.unique(trimap)) == {0, 128, 255}
    assert (truth[trimap == 0] == 0).all()
    assert (truth[trimap == 255] >= 230).all()


def test_backdrops_are_varied_and_need_no_plates(folder: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    for part in ("image", "alpha"):
        (bare / part).mkdir(parents=True)
        (bare / part / "0.png").write_bytes((folder / part / "0.png").read_bytes())
    store = build_store(bare, tmp_path / "s")
    made = [backdrop(store, Size(40, 30), Random(i)) for i in range(30)]
    assert {image.shape for image in made} == {(30, 40, 3)}
    assert len({image.tobytes() for image in made}) > 25


@given(seed=st.integers(0, 10**6))
@settings(max_examples=60, deadline=None)
def test_degrading_keeps_shape_and_is_repeatable(seed: int) -> None:
    image = Random(1).integers(0, 256, (24, 33, 3), np.uint8)
    once, twice = degraded(image, Random(seed)), degraded(image, Random(seed))
    assert once.shape == image.shape
    assert once.dtype == np.uint8
    np.testing.assert_array_equal(once, twice)


def test_relighting_keeps_the_order_of_levels() -> None:
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    for seed in range(20):
        assert (np.diff(relit(ramp, Random(seed)).astype(int), axis=1) >= 0).all()


def test_plates_differ_a_little_from_the_background() -> None:
    alpha = blob()
    front = np.full((*alpha.shape, 3), 200, np.uint8)
    back = Random(0).integers(60, 120, front.shape, np.uint8)
    offsets = []
    for seed in range(30):
        photo, plate = photographed(front, back, alpha, Random(seed))
        assert photo.shape == plate.shape == back.shape
        solid = alpha == 255
        assert np.abs(photo[solid].astype(int) - 200).mean() < 12
        offsets.append(np.abs(plate.astype(int) - back).mean())
        assert np.abs(rephotographed(back, Random(seed)).astype(int) - back).mean() < 60
    assert min(offsets) < 1 < max(offsets)


def test_a_rough_mask_covers_the_subject_roughly() -> None:
    alpha = blob(200, 240)
    covered = [
        float(np.minimum(rough_mask(alpha, Random(i)), alpha).sum() / alpha.sum())
        for i in range(20)
    ]
    assert 0.7 < np.mean(covered) < 1
    assert len(set(covered)) > 10
