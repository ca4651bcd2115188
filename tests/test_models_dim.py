"""Deep Image Matting in both wirings: pooling, generations, files. Numbers: tests/parity."""

from __future__ import annotations

import logging
import zlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from parity.core import parity_folder
from torch import Tensor, nn

from mattecli.errors import CheckpointError
from mattecli.models.base import MattingModel, ModelInput
from mattecli.models.checkpoint import read_checkpoint
from mattecli.models.dim import DIM, DIMOptions
from mattecli.models.dim_segnet import DIMSegNet
from mattecli.models.parts.index_pooling import pool, unpool

SAMPLE = parity_folder() / "dim_segnet_checkpoint.tar"

State = dict[str, Tensor]


@pytest.fixture(scope="module")
def published() -> State:
    """A stage 3 file of the newest generation."""
    torch.manual_seed(1)
    network = DIM()
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
    return dict(network.state_dict())


@pytest.fixture(scope="module")
def photo_and_trimap() -> ModelInput:
    generator = torch.Generator().manual_seed(2)
    trimap = torch.randint(0, 3, (1, 1, 64, 32), generator=generator)
    levels = torch.tensor([0.0, 128 / 255, 1.0])
    return ModelInput(src=torch.rand(1, 3, 64, 32, generator=generator), trimap=levels[trimap])


def estimate(network: MattingModel, inputs: ModelInput) -> Tensor:
    with torch.inference_mode():
        return network.eval().estimate(inputs).pha


@settings(deadline=None, max_examples=50)
@given(st.integers(2, 7), st.integers(2, 7), st.integers(0, 2**32 - 1))
def test_unpooling_puts_maxima_back_where_they_stood(height: int, width: int, seed: int) -> None:
    # Few distinct values, so that ties occur: the first in row order counts.
    x = np.random.default_rng(seed).integers(0, 3, (2, 2, height, width)).astype(np.float32)
    expected = np.zeros_like(x)
    for n, c, i, j in np.ndindex(2, 2, height // 2, width // 2):
        window = x[n, c, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
        y, z = divmod(int(window.argmax()), 2)
        expected[n, c, 2 * i + y, 2 * j + z] = window[y, z] + 1
    maxima, switches = pool(torch.from_numpy(x))
    np.testing.assert_array_equal(unpool(maxima + 1, switches).numpy(), expected)


def test_the_tensors_tell_refinement_and_conv6(published: State) -> None:
    assert len(published) == 50
    newest = DIM.from_state(published)
    assert newest.refinement
    assert newest.additions
    old = {k: v for k, v in published.items() if not k.startswith("refine_")}
    old["conv6_1.weight"] = old["conv6_1.weight"][..., 1:2, 1:2]
    assert len(old) == 42
    oldest = DIM.from_state(old)
    assert not oldest.refinement
    assert not oldest.additions
    assert oldest.conv6_1.weight.shape == (512, 512, 1, 1)


def test_the_wiring_is_logged(published: State, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        DIM.from_state(published, options=DIMOptions(additions=False))
    assert "conv6 is 3x3, the decoder adds nothing, refinement on" in caplog.text


def test_an_option_overrules_what_conv6_suggests(
    published: State, photo_and_trimap: ModelInput
) -> None:
    with_additions = estimate(DIM.from_state(published), photo_and_trimap)
    told = DIM.from_stored(published, {"additions": "no"})
    without = DIM.from_state(published, options=DIMOptions(additions=False))
    assert not told.additions
    assert torch.equal(estimate(told, photo_and_trimap), estimate(without, photo_and_trimap))
    assert (with_additions - estimate(without, photo_and_trimap)).abs().max() > 1e-3


@pytest.mark.parametrize("options", [{"additions": "maybe"}, {"colour": "yes"}])
def test_options_that_make_no_sense_are_refused(options: dict[str, str]) -> None:
    with pytest.raises(CheckpointError, match="no option"):
        DIMOptions.from_text(options)


def test_options_from_text() -> None:
    assert DIMOptions.from_text({}) == DIMOptions()
    told = DIMOptions.from_text({"raw_input": "yes", "additions": "no"})
    assert told == DIMOptions(additions=False, raw_input=True)


def test_the_refined_alpha_is_the_result(published: State, photo_and_trimap: ModelInput) -> None:
    network = DIM.from_state(published).eval()
    assert photo_and_trimap.trimap is not None
    mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    seen = torch.cat(((photo_and_trimap.src - mean) / std, photo_and_trimap.trimap), dim=1)
    with torch.inference_mode():
        output = network(seen)
    assert (output.raw - output.refined).abs().max() > 1e-3
    torch.testing.assert_close(estimate(network, photo_and_trimap), output.refined)
    plain = DIM.from_state({k: v for k, v in published.items() if not k.startswith("refine_")})
    torch.testing.assert_close(estimate(plain, photo_and_trimap), output.raw)


def test_raw_input_is_blue_green_red_levels(published: State, photo_and_trimap: ModelInput) -> None:
    assert photo_and_trimap.trimap is not None
    network = DIM.from_state(published, options=DIMOptions(raw_input=True)).eval()
    levels = torch.cat((photo_and_trimap.src[:, [2, 1, 0]], photo_and_trimap.trimap), dim=1) * 255
    with torch.inference_mode():
        expected = network(levels).refined
    assert torch.equal(estimate(network, photo_and_trimap), expected)


@pytest.mark.parametrize("key", ["conv6_1.weight", "deconv3_1.bias", "refine_conv2.weight"])
def test_loading_is_strict_and_names_the_key(published: State, key: str) -> None:
    with pytest.raises(CheckpointError, match=f"missing: {key}"):
        DIM.from_state({k: v for k, v in published.items() if k != key})


@pytest.mark.parametrize("shape", [(), (512, 512, 5, 5), (512, 512, 1, 3)])
def test_another_conv6_is_refused(published: State, shape: tuple[int, ...]) -> None:
    with pytest.raises(CheckpointError, match=r"another shape: conv6_1\.weight"):
        DIM.from_state({**published, "conv6_1.weight": torch.zeros(()).expand(shape)})


@pytest.mark.parametrize("kind", [DIM, DIMSegNet])
def test_a_trimap_is_needed(kind: type[MattingModel]) -> None:
    with pytest.raises(ValueError, match="needs a trimap"):
        kind().estimate(ModelInput(src=torch.zeros(1, 3, 32, 32)))


def test_initialisation_from_vgg16() -> None:
    torch.manual_seed(3)
    shapes = {0: (64, 3), 2: (64, 64), 5: (128, 64), 7: (128, 128), 10: (256, 128)}
    shapes |= {12: (256, 256), 14: (256, 256), 17: (512, 256)}
    shapes |= dict.fromkeys((19, 21, 24, 26, 28), (512, 512))
    vgg16 = {f"features.{n}.weight": torch.rand(*shape, 3, 3) for n, shape in shapes.items()}
    vgg16 |= {f"features.{n}.bias": torch.rand(shape[0]) for n, shape in shapes.items()}
    vgg16["classifier.0.bias"] = torch.zeros(4096)
    network = DIM(refinement=False)
    network.initialise_for_training(vgg16)
    assert torch.equal(network.conv1_1.weight[:, :3], vgg16["features.0.weight"])
    assert not network.conv1_1.weight[:, 3].any()
    assert torch.equal(network.conv5_3.weight, vgg16["features.28.weight"])
    assert torch.equal(network.conv3_2.bias, vgg16["features.12.bias"])
    spread = (2 / (512 * 25 + 512 * 25)) ** 0.5  # Xavier
    assert network.deconv5_1.weight.std().item() == pytest.approx(spread, rel=0.01)
    prepared = {k: v for k, v in network.state_dict().items() if k.startswith("conv")}
    again = DIM(refinement=False)
    again.initialise_for_training({k: v for k, v in prepared.items() if "6_1" not in k})
    for key, value in prepared.items():
        same = torch.equal(again.state_dict()[key], value)
        assert same == (not key.startswith("conv6_1")), key  # which begins at random
    del vgg16["features.19.bias"]
    with pytest.raises(CheckpointError, match=r"features\.19\.bias"):
        network.initialise_for_training(vgg16)


def test_segnet_has_the_published_size() -> None:
    network = DIMSegNet()
    assert len(network.state_dict()) == 126
    assert sum(p.numel() for p in network.parameters()) == pytest.approx(25.6e6, rel=0.01)


def test_segnet_takes_any_size() -> None:
    network = DIMSegNet()
    for height, width in ((32, 32), (33, 63), (47, 95)):
        inputs = ModelInput(
            src=torch.rand(2, 3, height, width), trimap=torch.rand(2, 1, height, width)
        )
        assert estimate(network, inputs).shape == (2, 1, height, width)


@pytest.mark.skipif(not SAMPLE.is_file(), reason=f"no sample file {SAMPLE}")
def test_a_pickled_dataparallel_object_is_read() -> None:
    network = DIMSegNet.from_state(read_checkpoint(SAMPLE).state)
    for key, value in network.state_dict().items():
        counts = key.endswith("num_batches_tracked")
        expected = 0 if counts else zlib.crc32(key.encode()) % 1000 / 1000
        assert torch.all(value == torch.tensor(expected, dtype=value.dtype)), key
