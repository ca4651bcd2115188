"""Loose hair, drawn things and scenes with plates: what is drawn is what alpha says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from training_pictures import make_training_folder

from mattecli.errors import CheckpointError
from mattecli.models.bgmv2 import BGMv2
from mattecli.models.checkpoint import read_checkpoint
from mattecli.models.modnet import MODNet
from mattecli.models.parts.bounded import bounded
from mattecli.models.parts.mobilenetv2 import MobileNetV2
from mattecli.models.parts.mobilenetv2_dilated import DilatedMobileNetV2
from mattecli.models.shm import Encoder
from mattecli.records import Size
from mattecli.training.backbone import bgmv2_backbone, modnet_backbone, shm_backbone
from mattecli.training.plate_scenes import PlateMix, make_plate_scene
from mattecli.training.scenes import Mix, make_scene
from mattecli.training.store import PictureStore, build_store
from mattecli.training.strands import grow_strands
from mattecli.training.things import draw_thing

Random = np.random.default_rng
SIZE = Size(96, 80)
BACKBONE = Path("../shared/data/mobilenetv2_imagenet.safetensors")
CALM = PlateMix(things=0, empty=0, strange=0, several=0, strands=0)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> PictureStore:
    folder = make_training_folder(tmp_path_factory.mktemp("labelled"))
    return build_store(folder, tmp_path_factory.mktemp("store"))


def disc() -> np.ndarray:
    alpha = np.zeros((120, 100), np.uint8)
    cv2.circle(alpha, (50, 70), 25, 255, -1)
    return alpha


@given(seed=st.integers(0, 2**32))
@settings(max_examples=30, deadline=None)
def test_strands_grow_outwards_in_the_subjects_colour(seed: int) -> None:
    alpha = disc()
    red = np.full((120, 100, 3), (200, 20, 20), np.uint8)
    strands = grow_strands(red, alpha, Random(seed))
    assert strands is not None
    cover = strands.cover[..., 0]
    assert 0 <= cover.min() <= cover.max() <= 1
    added = strands.added_to((alpha / 255).astype(np.float32))
    assert (added >= alpha / 255 - 1e-6).all()
    assert (added[alpha == 0] > 0).any()
    covered = cover > 0.05
    colors = strands.colors[covered] / cover[covered][:, None]
    assert (colors[:, 0] > 2 * colors[:, 1]).mean() > 0.9


def test_composition_of_strands_obeys_its_equation() -> None:
    alpha, rng = disc(), Random(3)
    front = rng.integers(60, 200, (120, 100, 3)).astype(np.uint8)
    strands = grow_strands(front, alpha, rng)
    assert strands is not None
    behind = np.full((120, 100, 3), 90, np.float32)
    over = strands.over(behind)
    np.testing.assert_allclose(over, behind * (1 - strands.cover) + strands.colors, atol=1e-4)
    untouched = strands.cover[..., 0] == 0
    np.testing.assert_array_equal(over[untouched], behind[untouched])


def test_nothing_grows_where_nobody_is() -> None:
    empty = np.zeros((40, 40), np.uint8)
    colors = np.zeros((40, 40, 3), np.uint8)
    assert grow_strands(colors, empty, Random(1)) is None
    assert grow_strands(colors, empty + 255, Random(1)) is None  # no outline in the picture


def test_plain_scenes_are_the_photos_themselves(store: PictureStore) -> None:
    for seed in range(8):
        scene = make_scene(store, SIZE, Mix(plain=1), Random(seed))
        assert scene.alpha.shape == (SIZE.height, SIZE.width)
        inside = scene.image[scene.alpha == 255].astype(int)
        assert len(inside)
        assert np.abs(inside.mean(0) - (250, 130, 20)).max() < 60  # its light at most


def test_hair_adds_alpha_to_scenes(store: PictureStore) -> None:
    bald, hairy = (
        np.mean([make_scene(store, SIZE, mix, Random(i)).alpha.mean() for i in range(12)])
        for mix in (Mix(plain=1), Mix(plain=1, strands=1))
    )
    assert hairy > bald + 1


@given(seed=st.integers(0, 2**32))
@settings(max_examples=30, deadline=None)
def test_a_scene_with_a_plate_is_a_function_of_its_seed(store: PictureStore, seed: int) -> None:
    scenes = [make_plate_scene(store, SIZE, (0.4, 1), PlateMix(), Random(seed)) for _ in range(2)]
    for name in ("photo", "plate", "foreground", "alpha"):
        first, again = (getattr(scene, name) for scene in scenes)
        assert first.dtype == np.uint8
        assert first.shape[:2] == (SIZE.height, SIZE.width)
        np.testing.assert_array_equal(first, again)


def test_what_alpha_leaves_out_is_the_plate(store: PictureStore) -> None:
    differences, inside = [], []
    for seed in range(30):
        scene = make_plate_scene(store, SIZE, (0.4, 1), replace(CALM, several=0.3), Random(seed))
        away = np.abs(scene.photo.astype(int) - scene.plate).mean(axis=2)
        differences.append(float(np.median(away[scene.alpha == 0])))
        inside.append(float(np.median(away[scene.alpha == 255])))
    assert np.median(differences) < 25  # light, noise, shadow, displacement
    assert np.median(inside) > 2 * np.median(differences)


def test_empty_scenes_hold_nobody_and_strange_plates_another_place(store: PictureStore) -> None:
    for seed in range(6):
        empty = make_plate_scene(store, SIZE, (0.4, 1), replace(CALM, empty=1), Random(seed))
        assert not empty.alpha.any()
    near: list[float] = []
    far: list[float] = []
    for seed in range(12):
        for mix, found in ((CALM, near), (replace(CALM, strange=1), far)):
            scene = make_plate_scene(store, SIZE, (0.4, 1), mix, Random(seed))
            outside = scene.alpha == 0
            apart = np.abs(scene.photo.astype(int) - scene.plate)[outside]
            found.append(float(apart.mean()))
    assert np.mean(far) > 2 * np.mean(near)


def test_things_differ_in_shape_softness_and_holes(store: PictureStore) -> None:
    alphas = [draw_thing(store, SIZE, Random(seed))[1] for seed in range(60)]
    shares = [float((alpha > 127).mean()) for alpha in alphas]
    assert min(shares) < 0.02
    assert max(shares) > 0.3
    soft = [((alpha > 20) & (alpha < 235)).mean() for alpha in alphas]
    assert max(soft) > 0.1 > min(soft)


def test_a_bound_lets_values_back_but_not_further_out() -> None:
    x = torch.tensor([-0.5, -0.5, 0.4, 0.4, 1.5, 1.5], requires_grad=True)
    pull = torch.tensor([1.0, -1.0, 1.0, -1.0, 1.0, -1.0])
    (bounded(x, eased=True) * pull).sum().backward()  # type: ignore[no-untyped-call] # torch leaves it untyped
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad, (0, -1, 1, -1, 1, 0))
    plain = bounded(x.detach(), eased=False)
    np.testing.assert_array_equal(plain, bounded(x, eased=True).detach())
    np.testing.assert_array_equal(plain, x.detach().clamp(0, 1))


needs_backbone = pytest.mark.skipif(not BACKBONE.exists(), reason="no pretrained encoder here")


@needs_backbone
def test_the_encoder_of_bgmv2_begins_with_imagenets_weights() -> None:
    pretrained = read_checkpoint(BACKBONE).state
    network = DilatedMobileNetV2(in_channels=6)
    found = bgmv2_backbone(pretrained)
    network.load_state_dict({k.removeprefix("backbone."): v for k, v in found.items()})
    first = network.state_dict()["features.0.0.weight"]
    np.testing.assert_allclose(first[:, :3], 2 * pretrained["features.0.0.weight"].float())
    photo = torch.rand(1, 3, 32, 32)
    maps = network.eval()(torch.cat((photo, torch.rand(1, 3, 32, 32)), dim=1))
    assert torch.isfinite(maps.x4).all()


@needs_backbone
def test_the_encoder_of_shm_begins_with_imagenets_weights() -> None:
    """Behind its first block it computes what MobileNetV2 does, of an input of the same size."""
    pretrained = read_checkpoint(BACKBONE).state
    plain = MobileNetV2().eval()
    plain.load_state_dict(modnet_backbone(pretrained))
    encoder = Encoder().eval()
    encoder.load_state_dict(encoder.state_dict() | shm_backbone(pretrained))
    for own, theirs in (
        (encoder.block_2, plain.features[2:4]),
        (encoder.block_7, plain.features[17]),
    ):
        x = torch.rand(1, 16 if own is encoder.block_2 else 160, 16, 16)
        torch.testing.assert_close(own(x), theirs(x))
    red_first = pretrained["features.0.0.weight"].float()
    torch.testing.assert_close(encoder.head_conv[0].weight, 2 * red_first.flip(1))
    x = torch.rand(1, 32, 8, 8)
    torch.testing.assert_close(encoder.block_1.conv[0](x), x)
    torch.testing.assert_close(encoder.block_1.conv[3:](x), plain.features[1](x))


def _published_backbone() -> dict[str, torch.Tensor]:
    """As MODNet's authors published theirs: flat names, all entries of a MobileNetV2."""
    torch.manual_seed(3)
    state = {
        key: torch.rand_like(value.float()) for key, value in MobileNetV2().state_dict().items()
    }
    counters = {k: torch.tensor(7) for k in state if k.endswith("num_batches_tracked")}
    dead = {"features.5.conv.1.running_var": torch.full((192,), 1e-12)}
    return state | counters | dead


def _with_names_of_torchvision(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """torchvision nests convolution, norm and activation, but for a block's last convolution."""
    renamed = {}
    for key, value in state.items():
        parts = key.split(".")
        if parts[2] == "conv":
            groups, place = (1 if parts[1] == "1" else 2), int(parts[3])
            inner = [str(place // 3), str(place % 3)]
            parts[3:4] = inner if place < 3 * groups else [str(groups + place - 3 * groups)]
        renamed[".".join(parts)] = value
    return renamed


def test_the_backbone_that_modnet_s_authors_published_is_taken_as_it_is() -> None:
    state = _published_backbone()
    found = modnet_backbone(state)
    network = MODNet()
    network.initialise_for_training(found)
    for key, value in network.backbone.model.state_dict().items():
        assert torch.equal(value, state[key]), key
    whole = {f"backbone.model.{key}": value for key, value in state.items()} | {"f_branch.x": value}
    assert modnet_backbone(whole).keys() == state.keys()


@pytest.mark.parametrize("renamed", [modnet_backbone, bgmv2_backbone, shm_backbone])
def test_an_encoder_s_names_may_be_torchvision_s_or_modnet_s(
    renamed: Callable[[Mapping[str, torch.Tensor]], dict[str, torch.Tensor]],
) -> None:
    state = _published_backbone() | {"features.5.conv.1.running_var": torch.rand(192) + 0.1}
    state = {k: v.clamp_min(0.01) if k.endswith("running_var") else v for k, v in state.items()}
    flat, grouped = renamed(state), renamed(_with_names_of_torchvision(state))
    assert flat.keys() == grouped.keys()
    assert all(torch.equal(flat[key], grouped[key]) for key in flat)


def test_bgmv2_may_begin_with_deeplab() -> None:
    """Of DeepLabV3+ come the encoder, split behind its fourth block, and the context module."""
    grouped = _with_names_of_torchvision(_published_backbone())
    deeplab = {"classifier.classifier.3.weight": torch.rand(21, 256, 1, 1)}
    for key, value in grouped.items():
        _, number, rest = key.split(".", 2)
        level, place = ("low", int(number)) if int(number) < 4 else ("high", int(number) - 4)
        deeplab[f"backbone.{level}_level_features.{place}.{rest}"] = value
    network = BGMv2.fresh()
    context = {k: torch.rand_like(v.float()) for k, v in network.aspp.state_dict().items()}
    deeplab |= {f"classifier.classifier.0.{key}": value for key, value in context.items()}
    found = bgmv2_backbone(deeplab)
    assert {k for k in found if not k.startswith("aspp.")} == set(bgmv2_backbone(grouped))
    network.load_state_dict(network.state_dict() | found)
    for key, value in network.aspp.state_dict().items():
        torch.testing.assert_close(value.float(), context[key].to(value.dtype).float())


def test_what_is_no_mobilenet_is_refused() -> None:
    with pytest.raises(CheckpointError, match="no MobileNetV2"):
        bgmv2_backbone({"features.0.weight": torch.rand(64, 3, 3, 3)})


def test_the_published_clamp_has_its_gradients_unless_training_eases_them() -> None:
    torch.manual_seed(0)
    network = BGMv2.fresh().train()
    src, bgr = torch.rand(2, 3, 64, 64), torch.rand(2, 3, 64, 64)
    own = network.base(src, bgr)
    assert own.hid_sm.shape == (2, 32, 64, 64)
    channel = torch.tensor([-0.5, 0.5, 1.5], requires_grad=True)
    bounded(channel, eased=network._is_eased).sum().backward()  # type: ignore[no-untyped-call] # torch leaves it untyped
    assert channel.grad is not None
    np.testing.assert_array_equal(channel.grad, (0, 1, 0))
    network.eased = True
    torch.manual_seed(0)
    assert network.base(src, bgr).hid_sm.shape[1] == 0
