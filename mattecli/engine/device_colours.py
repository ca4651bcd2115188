"""Foreground colours on a GPU: the methods of ``ops.foreground`` in torch.

The arithmetic is that of the CPU's, step by step. Layers of the sampled photo are solved as a
whole, since they are small; the photo itself passes in strips of rows, so that memory on the device
does not grow with its height.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from mattecli.ops.blocks import Block
from mattecli.ops.blur_fusion import NARROW, TINY, blur_fusion_layers
from mattecli.ops.foreground import REACH, ForegroundMethod
from mattecli.ops.multilevel import (
    ITERATIONS,
    MOMENTUM,
    REGULARISATION,
    mean_colors,
    sampling_step,
)
from mattecli.ops.pixels import array_from_tensor, levels_max, tensor_from_array
from mattecli.ops.unmixing import CLEAR, Limits, MixedPhoto
from mattecli.records import Array, Size

__all__ = ["DeviceColours"]

_STRIP_PIXELS = 2_000_000


@dataclass(frozen=True, slots=True)
class _Piece:
    """A strip of a photo on the device: color 3,H,W and alpha H,W."""

    color: Tensor
    alpha: Tensor

    @property
    def shares(self) -> Tensor:
        """2,1,H,W: alpha and 1 - alpha."""
        return torch.stack([self.alpha[None], 1 - self.alpha[None]])


class DeviceColours:
    """Estimates foreground colours on one device.

    Args:
        device: where.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device

    @torch.inference_mode()
    def decontaminated(
        self, color: Array, alpha: Array, method: ForegroundMethod = "multilevel"
    ) -> Array:
        """As ``ops.foreground.decontaminated``.

        Args:
            color: H,W,3 RGB; uint8, uint16 or float32.
            alpha: H,W; float32 0..1, or levels.
            method: how.
        """
        photo, size = MixedPhoto(color, alpha), Size.of(color)
        fused = method == "blur-fusion"
        layers, step = self._fused_layers(photo) if fused else self._multilevel_layers(photo)
        padded = functional.pad(layers, (0, 1, 0, 1), mode="replicate")
        foreground = np.zeros(color.shape, color.dtype)
        rows = max(_STRIP_PIXELS // size.width, 1)
        for top in range(0, size.height, rows):
            part = slice(top, min(top + rows, size.height)), slice(0, size.width)
            block = Block.around(part, max(REACH, NARROW), size)
            piece = self._piece(photo, block)
            guess = _enlarged(padded, step, block.outer[0], size.width)
            if fused:
                guess = _fused(guess, piece, photo.limits)
            found = _painted(_explained(guess, piece, photo.limits), piece)
            strip = found[:, block.core[0]].permute(1, 2, 0)
            foreground[part] = _like(strip, color.dtype)
            solid = photo.alpha_of(part) >= 1 - CLEAR
            foreground[part][solid] = color[part][solid]
        return foreground

    def _piece(self, photo: MixedPhoto, block: Block) -> _Piece:
        levels = np.ascontiguousarray(photo.color[block.outer])
        floating = np.issubdtype(levels.dtype, np.floating)
        if levels.dtype == np.uint16:
            levels = levels.astype(np.int32)  # not every torch operator knows uint16
        color = tensor_from_array(levels).to(self._device).permute(2, 0, 1).to(torch.float32)
        if floating:
            low, high = photo.limits.low, photo.limits.high
            color = color.nan_to_num(nan=0, posinf=high, neginf=low)
        else:
            color = color / levels_max(photo.color.dtype)
        alpha = tensor_from_array(photo.alpha_of(block.outer)).to(self._device)
        return _Piece(color, alpha)

    def _fused_layers(self, photo: MixedPhoto) -> tuple[Tensor, int]:
        sampled = blur_fusion_layers(photo)
        return tensor_from_array(sampled.samples).to(self._device), sampled.step

    def _multilevel_layers(self, photo: MixedPhoto) -> tuple[Tensor, int]:
        step = sampling_step(Size.of(photo.alpha))
        mixture = photo.sampled(step)
        layers = tensor_from_array(mean_colors(mixture)).to(self._device)
        color = tensor_from_array(mixture.color).to(self._device)
        alpha = tensor_from_array(mixture.alpha).to(self._device)
        for power in range((max(mixture.alpha.shape) - 1).bit_length(), -1, -1):
            every = 1 << power
            level = _Piece(color[:, ::every, ::every], alpha[::every, ::every])
            height, width = level.alpha.shape
            start = layers.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
            layers = _relaxed(level, start[..., :height, :width], photo.limits)
        return layers, step


def _relaxed(level: _Piece, layers: Tensor, limits: Limits) -> Tensor:
    """The iterations of ``ops.multilevel.relaxed``."""
    weights = _neighbour_weights(level.alpha)
    total = weights.sum(dim=0).clamp_min(float(REGULARISATION))
    weights = weights / total
    shares = level.shares
    gains = shares / ((shares * shares).sum(dim=0) + total)
    before, now = layers, layers
    for iteration in range(ITERATIONS):
        around = functional.pad(now, (1, 1, 1, 1))
        left, right = around[..., 1:-1, :-2], around[..., 1:-1, 2:]
        above, below = around[..., :-2, 1:-1], around[..., 2:, 1:-1]
        neighbours = (left, right, above, below)
        after = sum(
            (weight * side for weight, side in zip(weights, neighbours, strict=True)),
            torch.zeros_like(now),
        )
        after = after + gains * (level.color - (shares * after).sum(dim=0))
        if iteration > 0:
            after = after + float(MOMENTUM) * (after - before)
        before, now = now, after.clamp(limits.low, limits.high)
    return now


def _neighbour_weights(alpha: Tensor) -> Tensor:
    """4,H,W: of the left, right, upper and lower neighbour; 0 where there is none."""
    weights = alpha.new_zeros((4, *alpha.shape))
    across = (alpha[:, 1:] - alpha[:, :-1]).abs() + float(REGULARISATION)
    down = (alpha[1:] - alpha[:-1]).abs() + float(REGULARISATION)
    weights[0, :, 1:], weights[1, :, :-1] = across, across
    weights[2, 1:], weights[3, :-1] = down, down
    return weights


def _enlarged(padded: Tensor, step: int, rows: slice, width: int) -> Tensor:
    """Layers of full rows of the photo, interpolated bilinearly between the samples."""
    if step == 1:
        return padded[..., rows, :width]
    near = slice(max(rows.start // step - 1, 0), rows.stop // step + 2)
    grown = functional.interpolate(
        padded[..., near, :], scale_factor=float(step), mode="bilinear", align_corners=False
    )
    top = rows.start - near.start * step
    return grown[..., top : top + rows.stop - rows.start, :width]


def _fused(means: Tensor, piece: _Piece, limits: Limits) -> Tensor:
    """As ``ops.blur_fusion.fused``."""
    first = torch.stack([_foreground(means, piece, limits), means[1]])
    shares = piece.shares
    second = (_box_mean(first * shares) + first * float(TINY)) / (_box_mean(shares) + float(TINY))
    return torch.stack([_foreground(second, piece, limits), second[1]])


def _foreground(means: Tensor, piece: _Piece, limits: Limits) -> Tensor:
    residual = piece.color - (piece.shares * means).sum(dim=0)
    return (means[0] + piece.alpha * residual).clamp(limits.low, limits.high)


def _box_mean(planes: Tensor) -> Tensor:
    """Means over squares, borders reflected as far as there is something to reflect."""
    height, width = planes.shape[2:]
    kind = "reflect" if min(height, width) > NARROW else "replicate"
    padded = functional.pad(planes, (NARROW,) * 4, mode=kind)
    return functional.avg_pool2d(padded, 2 * NARROW + 1, stride=1)


def _explained(layers: Tensor, piece: _Piece, limits: Limits) -> Tensor:
    """The foreground nearest to a guess that mixes to the photo exactly, kept in limits."""
    shares = piece.shares
    residual = piece.color - (shares * layers).sum(dim=0)
    exact = layers[0] + shares[0] / (shares * shares).sum(dim=0) * residual
    return exact.clamp(limits.low, limits.high)


def _painted(foreground: Tensor, piece: _Piece) -> Tensor:
    """Black farther than ``REACH`` from where the foreground is seen."""
    seen = (piece.alpha > float(CLEAR)).float()[None]
    side = 2 * REACH + 1
    near = functional.max_pool2d(seen, (side, 1), stride=1, padding=(REACH, 0))
    near = functional.max_pool2d(near, (1, side), stride=1, padding=(0, REACH))
    return foreground * near


def _like(strip: Tensor, kind: np.dtype[np.generic]) -> Array:
    """H,W,3 on the CPU, of the photo's type."""
    if np.issubdtype(kind, np.floating):
        return array_from_tensor(strip).astype(kind)
    levels = (strip * levels_max(kind)).round()
    exact = levels.to(torch.uint8 if kind == np.uint8 else torch.int32)
    return array_from_tensor(exact).astype(kind)
