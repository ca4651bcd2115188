"""The published scripts' rules round a network; their pixels are in tests/parity."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mattecli.engine.reference import ReferenceInput, find_reference
from mattecli.engine.reference.dim import VGGScript, dim_reference, dim_segnet_reference
from mattecli.engine.reference.modnet import modnet_reference, modnet_reference_video
from mattecli.engine.reference.shm import shm_reference
from mattecli.errors import InputError, TrimapError, UsageError
from mattecli.models.base import Estimate, ModelInput
from mattecli.models.modnet import MODNetOutput
from mattecli.models.registry import MODELS, find_spec, network_specs
from mattecli.models.shm import SHMOutput
from mattecli.records import Array, Size


class Spy(nn.Module):
    """Stands in for a network: remembers what it saw, answers with one grey everywhere."""

    def __init__(self, answer: float = 0.5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.answer = answer
        self.seen: list[Tensor] = []

    def normalise(self, src: Tensor) -> Tensor:
        return src

    def alpha(self, image: Tensor) -> Tensor:
        self.seen.append(image)
        return torch.full_like(image[:, :1], self.answer)

    @property
    def sizes(self) -> list[Size]:
        return [Size(image.shape[3], image.shape[2]) for image in self.seen]


class MODNetSpy(Spy):
    def forward(self, image: Tensor) -> MODNetOutput:
        return MODNetOutput(self.alpha(image))


class SHMSpy(Spy):
    def forward(self, image: Tensor) -> SHMOutput:
        alpha = self.alpha(image)
        return SHMOutput(image, image, alpha, alpha)


class DIMSpy(Spy):
    def estimate(self, inputs: ModelInput) -> Estimate:
        assert inputs.trimap is not None
        return Estimate(self.alpha(torch.cat((inputs.src, inputs.trimap), dim=1)))


def photo(height: int, width: int, channels: int = 3) -> Array:
    shape = (height, width, channels) if channels else (height, width)
    return np.random.default_rng(1).integers(0, 256, shape).astype(np.uint8)


@pytest.mark.parametrize(
    ("photo_size", "seen"),
    [
        ((100, 200), (512, 1024)),  # both short of 512: the short side becomes 512
        ((200, 100), (1024, 512)),
        ((600, 801), (512, 672)),  # both beyond it: 683 is cut to 672
        ((511, 640), (480, 640)),  # around it: kept, cut to multiples of 32
        ((512, 512), (512, 512)),
        ((100, 600), (96, 576)),
    ],
)
def test_modnet_size_rule(photo_size: tuple[int, int], seen: tuple[int, int]) -> None:
    spy = MODNetSpy()
    result = modnet_reference(spy, ReferenceInput(color=photo(*photo_size)))
    assert spy.sizes == [Size(seen[1], seen[0])]
    assert result.alpha.shape == photo_size
    assert (result.alpha == 127).all()  # 127.5, truncated


@pytest.mark.parametrize("size", [(31, 512), (600, 20)])
def test_modnet_cannot_take_a_long_strip(size: tuple[int, int]) -> None:
    with pytest.raises(InputError, match=f"{size[1]}x{size[0]}"):
        modnet_reference(MODNetSpy(), ReferenceInput(color=photo(*size)))


def test_modnet_ignores_an_alpha_channel_and_repeats_grey() -> None:
    plain, rgba, grey = MODNetSpy(), MODNetSpy(), MODNetSpy()
    color = photo(64, 64, 4)
    modnet_reference(plain, ReferenceInput(color=color[..., :3]))
    modnet_reference(rgba, ReferenceInput(color=color))
    assert torch.equal(plain.seen[0], rgba.seen[0])
    for one_channel in (color[..., 0], color[..., :1]):
        modnet_reference(grey, ReferenceInput(color=one_channel))
        assert torch.equal(grey.seen[-1], plain.seen[0][:, :1].expand(-1, 3, -1, -1))


def test_modnet_video_scales_every_frame_to_512_and_back() -> None:
    spy = MODNetSpy()
    frames = [photo(600, 1200), photo(600, 1200)]
    mattes = list(modnet_reference_video(spy, frames))
    assert spy.sizes == [Size(1024, 512)] * 2
    assert [matte.shape for matte in mattes] == [(600, 1200, 3)] * 2
    assert all((matte == 127).all() for matte in mattes)
    white = list(modnet_reference_video(MODNetSpy(answer=0.0), frames, "foreground"))
    assert all((frame == 255).all() for frame in white)


def test_shm_sees_a_square() -> None:
    spy = SHMSpy()
    result = shm_reference(spy, ReferenceInput(color=photo(90, 200)))
    assert spy.sizes == [Size(256, 256)]
    assert result.alpha.shape == (90, 200)


def trimap_of(color: Array) -> Array:
    """Background on the left, foreground on the right, a narrow unknown band between."""
    trimap = np.zeros(color.shape[:2], np.uint8)
    trimap[:, 40:50] = 128
    trimap[:, 50:] = 255
    return trimap


@pytest.mark.parametrize(
    ("script", "seen"),
    [
        (VGGScript(), [Size(192, 96)]),
        (VGGScript(max_size=128), [Size(128, 96)]),  # each side alone
        (VGGScript(method="resize", size=Size(64, 32)), [Size(64, 32)]),
        (VGGScript(method="crop", size=Size(64, 64)), [Size(64, 64)] * 2),  # unknown pixels only
    ],
)
def test_dim_size_rules(script: VGGScript, seen: list[Size]) -> None:
    spy, color = DIMSpy(), photo(100, 200)
    trimap = trimap_of(color)
    alpha = dim_reference(spy, ReferenceInput(color=color, trimap=trimap), script).alpha
    assert spy.sizes == seen
    assert (alpha[trimap == 0] == 0).all()
    assert (alpha[trimap == 255] == 255).all()
    assert (alpha[trimap == 128] == 127).all()


def test_dim_tiles_leave_what_they_skip_at_zero() -> None:
    color = photo(64, 128)
    trimap = np.full((64, 128), 127, np.uint8)  # neither known nor, to the script, unknown
    trimap[:, :64] = 128
    script = VGGScript(method="crop", size=Size(64, 64))
    alpha = dim_reference(DIMSpy(), ReferenceInput(color=color, trimap=trimap), script).alpha
    assert (alpha[:, :64] == 127).all()
    assert (alpha[:, 64:] == 0).all()


def test_segnet_sees_the_picture_as_it_is() -> None:
    spy, color = DIMSpy(), photo(51, 77)
    trimap = trimap_of(color)
    alpha = dim_segnet_reference(spy, ReferenceInput(color=color, trimap=trimap)).alpha
    assert spy.sizes == [Size(77, 51)]
    assert set(np.unique(alpha)) == {0, 127, 255}


@pytest.mark.parametrize("script", [dim_reference, dim_segnet_reference])
def test_dim_refuses_what_the_scripts_cannot_take(script: object) -> None:
    assert callable(script)
    with pytest.raises(TrimapError, match="needs a trimap"):
        script(DIMSpy(), ReferenceInput(color=photo(64, 64)))
    small = photo(31, 64)
    with pytest.raises(InputError, match="64x31"):
        script(DIMSpy(), ReferenceInput(color=small, trimap=trimap_of(small)))


def test_every_network_has_a_script() -> None:
    assert all(callable(find_reference(spec)) for spec in network_specs())
    assert find_reference(find_spec("dim:segnet")) is dim_segnet_reference
    assert find_reference(find_spec("modnet:webcam")) is modnet_reference


def test_solvers_have_none() -> None:
    for spec in MODELS.values():
        if spec.kind == "classical":
            with pytest.raises(UsageError, match=spec.name):
                find_reference(spec)
