"""Background Matting V2's refiner: it computes 4x4 cells of the full picture anew.

Lin et al., "Real-Time High-Resolution Background Matting", CVPR 2021, section 3.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the usual name

from mattecli.models.parts.refine_options import RefineOptions

__all__ = ["Coarse", "Refined", "Refiner", "Rows", "resize"]

_CELL = 4  # side of a cell in pixels of the full picture

_WINDOWS_AT_A_TIME = 4096  # these two bound the memory: about 100 MB of float32
_BAND_CELLS = 16_384
_HALO = 8  # three rows at half size, rounded up to whole cells
_DENSE_SHARE = 0.2  # windows overlap: a cell alone costs five times its share of the whole


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
class Rows:
    """Some rows of a picture, from ``top`` to before ``bottom``, both multiples of 4.

    Attributes:
        top, bottom: as above.
        height: of the whole picture.
    """

    top: int
    bottom: int
    height: int

    @property
    def with_halo(self) -> slice:
        """These rows and those around them that influence their refinement."""
        return slice(max(self.top - _HALO, 0), min(self.bottom + _HALO, self.height))


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
        """Refine a coarse estimate, in bands of rows (whole in training, for batch norm).

        Args:
            src: photo, N,3,H,W, RGB, 0..1; H and W are multiples of 4.
            bgr: its empty background, same shape and range.
            coarse: what to refine.
            options: which cells.
        """
        height, width = src.shape[-2:]
        ref = self.chosen_cells(coarse, (height, width), options)
        step = height if self.training else self.band_height(width)
        parts = []
        for top in range(0, height, step):
            rows = Rows(top, min(top + step, height), height)
            halo = rows.with_halo
            parts.append(self.band(src[:, :, halo], bgr[:, :, halo], coarse, ref, rows))
        out = torch.cat(parts, dim=2)
        return Refined(pha=out[:, :1], fres=out[:, 1:], ref=ref)

    @staticmethod
    def chosen_cells(coarse: Coarse, size: tuple[int, int], options: RefineOptions) -> Tensor:
        """1 for each cell to compute anew, else 0; N,1,H/4,W/4 of a picture of (height, width)."""
        cells = (size[0] // _CELL, size[1] // _CELL)
        err = resize(coarse.err, cells)
        return torch.ones_like(err) if options.mode == "full" else _chosen_cells(err, options)

    @staticmethod
    def band_height(width: int) -> int:
        """Rows of the picture that are refined at once, so that memory is bounded."""
        return max(1, _BAND_CELLS * _CELL // width) * _CELL

    def band(self, src: Tensor, bgr: Tensor, coarse: Coarse, ref: Tensor, rows: Rows) -> Tensor:
        """Alpha and foreground residual of some rows, N,4,h,W, not clamped.

        Args:
            src: the photo's rows ``rows.with_halo``, N,3,h,W.
            bgr: likewise.
            coarse: of the whole picture.
            ref: which cells of the whole picture to compute anew.
            rows: which rows are wanted.
        """
        width = src.shape[-1]
        own = ref[:, :, rows.top // _CELL : rows.bottom // _CELL]
        chosen = own[:, 0].nonzero()
        if len(chosen) == own.numel():
            return self._convolve(*self._padded_maps(src, bgr, coarse, rows))
        out = torch.cat(
            [
                _resized_rows(part, (rows.top, rows.bottom), (rows.height, width))
                for part in (coarse.pha, coarse.fres)
            ],
            dim=1,
        )
        if not len(chosen):
            return out
        half, full = self._padded_maps(src, bgr, coarse, rows)
        if len(chosen) > _DENSE_SHARE * own.numel() and not self.training:
            new = self._convolve(half, full)
            everywhere = F.interpolate(own, scale_factor=_CELL, mode="nearest") > 0
            return torch.where(everywhere, new, out)
        return self._replace_cells(out, chosen, half, full)

    def _padded_maps(
        self, src: Tensor, bgr: Tensor, coarse: Coarse, rows: Rows
    ) -> tuple[Tensor, Tensor]:
        """42 channels at half size, 6 at full size, with the border that convolutions consume.

        The border is the picture's own rows where there are some, else zeros.
        """
        width = src.shape[-1]
        halo = rows.with_halo
        half_rows, half_size = (halo.start // 2, halo.stop // 2), (rows.height // 2, width // 2)
        small = [
            _resized_rows(part, half_rows, half_size)
            for part in (coarse.hid, coarse.pha, coarse.fres)
        ]
        small += [resize(image, (src.shape[-2] // 2, width // 2)) for image in (src, bgr)]
        above = halo.start - rows.top
        return (
            _stacked(small, above // 2, (rows.bottom - rows.top) // 2, border=3 * self.reach),
            _stacked([src, bgr], above, rows.bottom - rows.top, border=2 * self.reach),
        )

    def _convolve(self, half: Tensor, full: Tensor) -> Tensor:
        """Padded maps, or windows of them, to alpha and foreground residual, N,4,H,W."""
        x = F.relu(self.bn1(self.conv1(half)))
        x = F.relu(self.bn2(self.conv2(x)))
        x = F.interpolate(x, scale_factor=2, mode="nearest")
        x = F.relu(self.bn3(self.conv3(torch.cat((x, full), dim=1))))
        y: Tensor = self.conv4(x)
        return y

    def _replace_cells(self, out: Tensor, chosen: Tensor, half: Tensor, full: Tensor) -> Tensor:
        """``out`` (N,4,h,W) with new values in the cells (K,3: picture, row, column)."""
        # In training batch norm takes its statistics over all chosen cells, and only over these.
        step = len(chosen) if self.training else _WINDOWS_AT_A_TIME
        for part in torch.split(chosen, step):
            new = self._convolve(
                _windows(half, part, side=2 + 6 * self.reach, step=2),
                _windows(full, part, side=_CELL + 4 * self.reach, step=_CELL),
            ).to(out.dtype)
            target = _positions(part, side=_CELL, step=_CELL)
            out.permute(0, 2, 3, 1)[target] = new.permute(0, 2, 3, 1)
        return out


def _stacked(parts: Sequence[Tensor], first: int, count: int, *, border: int) -> Tensor:
    """Rows of maps, stacked inside a border of zeros at the left and right.

    Channels lie innermost in memory: windows are then gathered and convolved twice as fast.

    Args:
        parts: N,C,h,W; their row 0 is row ``first`` (not above 0) of the rows that are wanted.
        first: as above.
        count: rows that are wanted; ``border`` more are added above and below, zeros where the maps
            have none.
        border: width of the border.
    """
    height, width = parts[0].shape[-2:]
    channels = sum(part.shape[1] for part in parts)
    shape = (len(parts[0]), channels, count + 2 * border, width + 2 * border)
    padded = torch.empty(
        shape, dtype=parts[0].dtype, device=parts[0].device, memory_format=torch.channels_last
    ).zero_()
    low, high = max(first, -border), min(first + height, count + border)
    inner = padded[:, :, low + border : high + border, border : border + width]
    start = 0
    for part in parts:
        stop = start + part.shape[1]
        inner[:, start:stop] = part[:, :, low - first : high - first]
        start = stop
    return padded


def _resized_rows(maps: Tensor, rows: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """Rows ``rows[0]`` to ``rows[1]`` of the maps as `resize` to (height, width) gives them."""
    have = maps.shape[-2]
    places = torch.arange(*rows, device=maps.device, dtype=torch.float32) + 0.5
    places = (places * (have / size[0]) - 0.5).clamp_(min=0)
    above = places.floor().long().clamp_(max=have - 1)
    below = (above + 1).clamp_(max=have - 1)
    share = (places - above)[:, None].to(maps.dtype)
    between = maps[:, :, above] * (1 - share) + maps[:, :, below] * share
    return resize(between, (rows[1] - rows[0], size[1]))


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
