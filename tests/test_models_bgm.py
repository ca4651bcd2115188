"""Background Matting's network: sizing, strictness, the encoder that is never used."""

from __future__ import annotations

import pytest
import torch

from mattecli.errors import CheckpointError
from mattecli.models.base import ModelInput
from mattecli.models.bgm import BGM, OPAQUE, BGMOutput


@pytest.fixture(scope="module")
def network() -> BGM:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return BGM(n_blocks1=2, n_blocks2=1).eval()


@pytest.fixture(scope="module")
def inputs() -> ModelInput:
    generator = torch.Generator().manual_seed(4)
    src, bgr = torch.rand(2, 2, 3, 32, 40, generator=generator)
    return ModelInput(src=src, bgr=bgr, seg=torch.rand(2, 1, 32, 40, generator=generator))


def test_the_published_size_has_the_published_number_of_parameters() -> None:
    with torch.device("meta"):
        network = BGM()
    assert sum(p.numel() for p in network.parameters()) == 17_908_420
    assert len(network.state_dict()) == 322


def test_blocks_are_counted_from_the_keys(network: BGM) -> None:
    again = BGM.from_state(network.state_dict())
    assert len(again.model_res_dec_al) == 1
    assert list(again.state_dict()) == list(network.state_dict())


@pytest.mark.parametrize("part", ["model_res_dec.", "model_res_dec_fg.", "model_enc_multi."])
def test_a_state_with_a_part_missing_is_refused(network: BGM, part: str) -> None:
    state = {k: v for k, v in network.state_dict().items() if not k.startswith(part)}
    with pytest.raises(CheckpointError, match=part.rstrip(".")):
        BGM.from_state(state)


@torch.inference_mode()
def test_the_motion_encoder_is_neither_computed_nor_of_influence(
    network: BGM, inputs: ModelInput
) -> None:
    state = network.state_dict()
    other = BGM.from_state(
        {k: torch.zeros_like(v) if "enc_multi" in k else v for k, v in state.items()}
    ).eval()
    called: list[object] = []
    for module in other.model_enc_multi:
        module.register_forward_hook(lambda *_: called.append(1))
    assert torch.equal(other.estimate(inputs).pha, network.estimate(inputs).pha)
    assert not called


@torch.no_grad()
def test_the_estimate_is_in_range_and_opaque_pixels_are_the_photo(
    network: BGM, inputs: ModelInput
) -> None:
    shifted = BGM.from_state(network.state_dict()).eval()
    raw: list[BGMOutput] = []
    shifted.register_forward_hook(lambda _m, _a, out: raw.append(out))
    shifted.estimate(inputs)
    before_tanh = raw.pop().alpha.atanh().median()  # half of the pixels become opaque
    shifted.model_al_out[9].bias.add_(torch.tensor(OPAQUE).atanh() - before_tanh)
    estimate = shifted.estimate(inputs)
    assert estimate.fgr is not None
    assert estimate.pha.shape == (2, 1, 32, 40)
    for tensor in (estimate.pha, estimate.fgr):
        assert 0 <= tensor.min() <= tensor.max() <= 1
    opaque = (raw[0].alpha > OPAQUE).expand_as(inputs.src)
    assert 0 < opaque.float().mean() < 1
    assert torch.equal(estimate.fgr[opaque], inputs.src[opaque])
    own = ((raw[0].fg + 1) / 2).clamp(0, 1)
    assert torch.equal(estimate.fgr[~opaque], own[~opaque])


def test_plate_and_mask_are_needed(network: BGM, inputs: ModelInput) -> None:
    with pytest.raises(ValueError, match="mask"):
        network.estimate(ModelInput(src=inputs.src, bgr=inputs.bgr))
