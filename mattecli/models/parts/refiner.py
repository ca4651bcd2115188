"""Background Matting V2's refiner: it computes 4x4 cells of the full picture anew.

Lin et al., "Real-Time High-Resolution Background Matting", CVPR 2021, section 3.2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the usual name

from mattecli.errors import CheckpointError

__all__ = [
    "Coarse",
    "RefineMode",
    "RefineOptions",
    "Refined",
    "Refiner",
    "parsed_options",
    "resize",
]

RefineMode = Literal["full", "sampling", "thresholding"]

_CELL = 4  # side of a cell in pixels of the full picture

_HD_PIXELS = 1920 * 1080
_HD_SAMPLES = 80_000
_WINDOWS_AT_A_TIME = 4096  # these two bound the memory: about 100 MB of float32
_BAND_CELLS = 65_536
_DENSE_SHARE = 0.2  # windows overlap: a cell alone costs five times its share of the whole


@dataclass(frozen=True, slots=True, kw_only=True)
class RefineOptions:
    """How much of the picture is refined.

    Attributes:
        mode: ``full`` every cell; ``sampling`` the cells with the largest expected error, as many
            as ``sample_pixels`` fills; ``thresholding`` those with an error above ``threshold``.
        backbone_scale: coarse size / full size, at most 0.5.
        sample_pixels: full-resolution pixels to refine in each picture (``sampling``).
        threshold: expected error of alpha, 0..1 (``thresholding``).
        prevent_oversampling: never refine a cell whose expected error is 0 (``sampling``).
    """

    mode: RefineMode = "sampling"
    backbone_scale: float = 0.25
    sample_pixels: int = _HD_SAMPLES
    threshold: float = 0.1
    prevent_oversampling: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.backbone_scale <= 0.5:
            raise ValueError(f"backbone_scale is {self.backbone_scale}, not above 0 and up to 0.5")
        if self.mode not in get_args(RefineMode):
            raise ValueError(f"mode is {self.mode}, not one of {', '.join(get_args(RefineMode))}")
        if not self.threshold >= 0:  # also NaN; above 1 refines nothing
            raise ValueError(f"threshold is {self.threshold}, not 0 or more")
        if self.sample_pixels < 0:
            raise ValueError(f"sample_pixels is {self.sample_pixels}, below 0")

    @classmethod
    def for_size(cls, width: int, height: int) -> RefineOptions:
        """The authors' advice for HD (0.25, 80,000) and 4K (0.125, 320,000), and between.

        The scale halves with every fourfold of the pixels, so that the coarse network always sees
        about the 480x270 pixels of that advice; the refined share of the picture stays, but not
        below 80,000 pixels, since a smaller picture has relatively more border.
        """
        pixels = width * height
        scale = 0.5
        while pixels * scale**2 > 2 * _HD_PIXELS * 0.25**2:
            scale /= 2
        samples = max(_HD_SAMPLES, round(_HD_SAMPLES * pixels / _HD_PIXELS))
        return cls(backbone_scale=scale, sample_pixels=samples)


def parsed_options(options: Mapping[str, str]) -> dict[str, Any]:
    """Fields of `RefineOptions` as a command line has them.

    Raises:
        CheckpointError: another name, or a value that makes no sense.
    """
    kinds = {field.name: type(field.default) for field in fields(RefineOptions)}
    choices = f"choose among {', '.join(kinds)}"
    unknown = [name for name in options if name not in kinds]
    if unknown:
        raise CheckpointError(f"Background Matting V2 has no option {unknown[0]}", remedy=choices)
    try:
        found = {name: _parsed(kinds[name], text) for name, text in options.items()}
        RefineOptions(**found)  # judges the values
    except ValueError as error:
        raise CheckpointError(str(error), remedy=choices) from None
    return found


def _parsed(kind: type[Any], text: str) -> Any:
    if kind is not bool:
        return kind(text)
    if text not in ("yes", "no"):
        raise ValueError(f"{text} is neither yes nor no")
    return text == "yes"


@dataclass(frozen=True, slots=True)
class Coarse:
    """The coarse network's estimate, at its own size.

    Attributes:
        pha: alpha, N,1,h,w, 0..1.
        fres: foreground minus photo, N,3,h,w, not clamped.
        err: expected absolute error of ``pha``, N,1,h,w, 0..1.
        hid: hidden features, N,32,h,w, not negative.
    """

    pha: Tensor
    fres: Tensor
    err: Tensor
    hid: Tensor


@dataclass(frozen=True, slots=True)
class Refined:
    """What the refiner returns.

    Attributes:
        pha: alpha, N,1,H,W, not clamped.
        fres: foreground minus photo, N,3,H,W, not clamped.
        ref: 1 for cells that were computed anew, else 0; N,1,H/4,W/4.
    """

    pha: Tensor
    fres: Tensor
    ref: Tensor


@dataclass(frozen=True, slots=True)
class _Maps:
    """The refiner's inputs: 42 channels at half size, 6 at full size."""

    half: Tensor
    full: Tensor


class Refiner(nn.Module):
    """Two convolutions at half and two at full resolution, over all cells or over chosen ones.

    The result for a cell does not depend on how many others are computed.

    Args:
        kernel_size: 3, or 1 for the variant that has no published weights.
    """

    def __init__(self, kernel_size: int = 3) -> None:
        super().__init__()
        self.reach = kernel_size // 2
        self.conv1 = nn.Conv2d(32 + 1 + 3 + 3 + 3, 24, kernel_size, bias=False)
        self.bn1 = nn.BatchNorm2d(24)
        self.conv2 = nn.Conv2d(24, 16, kernel_size, bias=False)
        self.bn2 = nn.BatchNorm2d(16)
        self.conv3 = nn.Conv2d(16 + 3 + 3, 12, kernel_size, bias=False)
        self.bn3 = nn.BatchNorm2d(12)
        self.conv4 = nn.Conv2d(12, 1 + 3, kernel_size)

    def forward(self, src: Tensor, bgr: Tensor, coarse: Coarse, options: RefineOptions) -> Refined:
        """Refine a coarse estimate.

        Args:
            src: photo, N,3,H,W, RGB, 0..1; H and W are multiples of 4.
            bgr: its empty background, same shape and range.
            coarse: what to refine.
            options: which cells.
        """
        height, width = src.shape[-2:]
        cells = (height // _CELL, width // _CELL)
        if options.mode == "full":
            out = self._all_cells(self._padded_maps(src, bgr, coarse))
            ref = torch.ones_like(out[:, :1, ::_CELL, ::_CELL])
        else:
            ref = _chosen_cells(resize(coarse.err, cells), options)
            out = resize(torch.cat((coarse.pha, coarse.fres), dim=1), (height, width))
            if ref.any():
                out = self._replace_cells(out, ref, self._padded_maps(src, bgr, coarse))
        return Refined(pha=out[:, :1], fres=out[:, 1:], ref=ref)

    def _padded_maps(self, src: Tensor, bgr: Tensor, coarse: Coarse) -> _Maps:
        """Maps with the border of zeros that the convolutions consume."""
        height, width = src.shape[-2:]
        small = (coarse.hid, coarse.pha, coarse.fres, src, bgr)
        return _Maps(
            half=_stacked(small, (height // 2, width // 2), border=3 * self.reach),
            full=_stacked((src, bgr), (height, width), border=2 * self.reach),
        )

    def _convolve(self, half: Tensor, full: Tensor) -> Tensor:
        """Padded maps, or windows of them, to alpha and foreground residual, N,4,H,W."""
        x = F.relu(self.bn1(self.conv1(half)))
        x = F.relu(self.bn2(self.conv2(x)))
        x = F.interpolate(x, scale_factor=2, mode="nearest")
        x = F.relu(self.bn3(self.conv3(torch.cat((x, full), dim=1))))
        y: Tensor = self.conv4(x)
        return y

    def _all_cells(self, maps: _Maps) -> Tensor:
        """Everything anew, in bands of cell rows (whole in training: batch norm); N,4,H,W."""
        margin = 4 * self.reach
        rows = (maps.full.shape[2] - margin) // _CELL
        columns = (maps.full.shape[3] - margin) // _CELL
        step = rows if self.training else max(1, _BAND_CELLS // columns)
        bands = []
        for top in range(0, rows, step):
            bottom = min(top + step, rows)
            half = maps.half[:, :, 2 * top : 2 * bottom + 6 * self.reach]
            full = maps.full[:, :, _CELL * top : _CELL * bottom + margin]
            bands.append(self._convolve(half, full))
        return torch.cat(bands, dim=2)

    def _replace_cells(self, out: Tensor, ref: Tensor, maps: _Maps) -> Tensor:
        """``out`` (N,4,H,W) with new values in the cells that ``ref`` marks."""
        chosen = ref[:, 0].nonzero()
        if len(chosen) > _DENSE_SHARE * ref.numel() and not self.training:
            everywhere = F.interpolate(ref, scale_factor=_CELL, mode="nearest") > 0
            return torch.where(everywhere, self._all_cells(maps), out)
        # In training batch norm takes its statistics over all chosen cells, and only over these.
        step = len(chosen) if self.training else _WINDOWS_AT_A_TIME
        for part in torch.split(chosen, step):
            half = _windows(maps.half, part, side=2 + 6 * self.reach, step=2)
            full = _windows(maps.full, part, side=_CELL + 4 * self.reach, step=_CELL)
            new = self._convolve(half, full).to(out.dtype)
            target = _positions(part, side=_CELL, step=_CELL)
            out.permute(0, 2, 3, 1)[target] = new.permute(0, 2, 3, 1)
        return out


def _stacked(parts: Sequence[Tensor], size: tuple[int, int], *, border: int) -> Tensor:
    """Maps resized to (height, width) and stacked inside a border of zeros; one at a time.

    Channels lie innermost in memory: windows are then gathered and convolved twice as fast.
    """
    height, width = size
    channels = sum(part.shape[1] for part in parts)
    shape = (len(parts[0]), channels, height + 2 * border, width + 2 * border)
    padded = torch.empty(
        shape, dtype=parts[0].dtype, device=parts[0].device, memory_format=torch.channels_last
    ).zero_()
    inner = padded[:, :, border : border + height, border : border + width]
    start = 0
    for part in parts:
        stop = start + part.shape[1]
        inner[:, start:stop] = part if part.shape[-2:] == size else resize(part, size)
        start = stop
    return padded


def _positions(cells: Tensor, *, side: int, step: int) -> tuple[Tensor, ...]:
    """Where the windows of cells (K,3: picture, row, column) lie: index of pictures, y and x.

    Indexing N,H,W,C with it gives K,side,side,C.
    """
    picture, row, column = cells[:, :, None, None].unbind(dim=1)
    offset = torch.arange(side, device=cells.device)
    return picture, row * step + offset[:, None], column * step + offset


def _windows(maps: Tensor, cells: Tensor, *, side: int, step: int) -> Tensor:
    """The windows of cells (K,3) in padded maps N,C,H,W, as K,C,side,side.

    Indexed rather than unfolded, so that a gradient takes no more memory than the maps.
    """
    return maps.permute(0, 2, 3, 1)[_positions(cells, side=side, step=step)].permute(0, 3, 1, 2)


def _chosen_cells(err: Tensor, options: RefineOptions) -> Tensor:
    """1 for each cell to refine, else 0; like ``err``, N,1,rows,columns."""
    if options.mode == "thresholding":
        return (err > options.threshold).to(err.dtype)
    flat = err.flatten(1)
    count = min(options.sample_pixels // _CELL**2, flat.shape[1])
    best = flat.topk(count, dim=1, sorted=False).indices
    ref = torch.zeros_like(flat).scatter_(1, best, 1.0).view_as(err)
    return ref * (err > 0) if options.prevent_oversampling else ref


def resize(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear to (height, width): half-pixel centres, no antialiasing."""
    return F.interpolate(maps, size=size, mode="bilinear", align_corners=False)
