"""Multi-level foreground estimation.

Germer, Uelwer, Conrad, Harmeling, "Fast Multi-Level Foreground Estimation", ICPR 2020. The cost
of the paper's section III is minimised on the photo sampled ever more finely, each level starting
from the one before. Three things differ, and together they leave less error in a fraction of the
time: an iteration updates all pixels at once (Jacobi) with momentum, only what lies near mixed
pixels is solved, and a large photo's last levels are interpolated instead of solved, since the
layers are smooth; their detail comes from splitting the photo between them exactly.
"""

from __future__ import annotations

import numpy as np

from mattecli.ops.blocks import Slices, blocks
from mattecli.ops.pixels import Float32
from mattecli.ops.unmixing import CLEAR, Limits, MixedPhoto, Mixture, SampledLayers
from mattecli.records import Size

__all__ = [
    "ITERATIONS",
    "MOMENTUM",
    "REGULARISATION",
    "mean_colors",
    "multilevel_layers",
    "relaxed",
    "sampling_step",
]

REGULARISATION = np.float32(1e-5)  # the paper's epsilon; its omega is 1
MOMENTUM = np.float32(0.6)
ITERATIONS = 6  # even, so that blocks with their halo start on even pixels
_SIDE = 148  # with its halo a block's planes fit a processor's second-level cache
_ENOUGH_PIXELS = 800_000  # of the finest level that is solved: larger photos are sampled,
_SPARSEST = 4  # but not more sparsely than every fourth row and column,
_HUGE_PIXELS = 50_000_000  # or every eighth of photos larger than this


def multilevel_layers(photo: MixedPhoto) -> SampledLayers:
    """Layers of a photo at every pixel, or every second, fourth or eighth of a large one."""
    step = sampling_step(Size.of(photo.alpha))
    mixture = photo.sampled(step)
    layers = mean_colors(mixture)
    for power in range((max(mixture.alpha.shape) - 1).bit_length(), -1, -1):
        layers = _refined(mixture.every(1 << power), layers, photo.limits)
    return SampledLayers(layers, step)


def sampling_step(size: Size) -> int:
    """Every how many rows and columns of a photo are solved."""
    sparsest = _SPARSEST if size.pixels <= _HUGE_PIXELS else 2 * _SPARSEST
    step = 1
    while step < sparsest and size.pixels > _ENOUGH_PIXELS * step * step:
        step *= 2
    return step


def mean_colors(mixture: Mixture) -> Float32:
    """Mean colour of what is foreground and of what is background, as 2,3,1,1."""
    shares = mixture.shares[:, 0]
    totals = np.einsum("lhw,chw->lc", shares, mixture.color, dtype=np.float64)
    totals /= np.maximum(shares.sum(axis=(1, 2), dtype=np.float64), 1e-5)[:, None]
    means: Float32 = totals.reshape(2, 3, 1, 1).astype(np.float32)
    return means


def _refined(level: Mixture, coarse: Float32, limits: Limits) -> Float32:
    """Layers of a level from those of the one before; only blocks with mixed pixels are solved.

    Args:
        level: the photo at this level, H,W.
        coarse: 2,3,h,w; h and w are half of H and W, rounded up.
        limits: range of colours.
    """
    layers = np.empty((2, 3, *level.alpha.shape), np.float32)
    for block in blocks(Size.of(level.alpha), _SIDE, halo=ITERATIONS):
        piece = Mixture(level.color[:, *block.outer], level.alpha[block.outer])
        solved = _doubled(coarse, block.outer)
        if piece.alpha.min() < 1 - CLEAR and piece.alpha.max() > CLEAR:
            solved = relaxed(piece.every(1), solved, limits)
        layers[..., *block.inner] = solved[..., *block.core]
    return layers


def _doubled(coarse: Float32, part: Slices) -> Float32:
    """A part (from even pixels on) of the next level; samples fill two rows and columns each."""
    rows, columns = (slice(s.start // 2, -(-s.stop // 2)) for s in part)
    doubled = coarse[..., rows, columns].repeat(2, axis=2).repeat(2, axis=3)
    height, width = (s.stop - s.start for s in part)
    return np.ascontiguousarray(doubled[..., :height, :width])


def relaxed(mixture: Mixture, layers: Float32, limits: Limits) -> Float32:
    """Iterations towards the layers that explain a mixture and change only where its alpha does.

    With S the sum of the neighbours' weights and F', B' their weighted means, the cost of a pixel
    (paper, equation 4) is least at F = F' + a*r, B = B' + (1-a)*r with
    r = (I - a*F' - (1-a)*B') / (a^2 + (1-a)^2 + S).

    Args:
        mixture: the photo.
        layers: 2,3,H,W to start from; overwritten.
        limits: range of colours.

    Returns:
        2,3,H,W.
    """
    weights = _neighbour_weights(mixture.alpha)
    total = np.maximum(weights.sum(axis=0), REGULARISATION)  # a single pixel has no neighbour
    weights /= total
    # From here on rows lie end to end, so that the processor works on long runs.
    shares = mixture.shares.reshape(2, 1, -1)
    gains = shares / ((shares * shares).sum(axis=0) + total)
    color = mixture.color.reshape(3, -1)
    now = layers.reshape(2, 3, -1)
    before, after, spare = np.empty((3, *now.shape), np.float32)
    for iteration in range(ITERATIONS):
        _mean_of_neighbours(now, weights, mixture.alpha.shape[1], out=after, spare=spare)
        seen = np.multiply(shares, after, out=spare)
        residual = color - seen[0]
        residual -= seen[1]
        after += np.multiply(gains, residual, out=spare)
        if iteration > 0:
            step = np.subtract(after, before, out=spare)
            step *= MOMENTUM
            after += step
        np.clip(after, limits.low, limits.high, out=after)
        before, now, after = now, after, before
    return now.reshape(layers.shape)


def _neighbour_weights(alpha: Float32) -> Float32:
    """Weights of the left, right, upper and lower neighbour as 4,H*W; 0 where there is none."""
    weights = np.zeros((4, *alpha.shape), np.float32)
    left, right, above, below = weights
    left[:, 1:] = np.abs(alpha[:, 1:] - alpha[:, :-1]) + REGULARISATION
    right[:, :-1] = left[:, 1:]
    above[1:] = np.abs(alpha[1:] - alpha[:-1]) + REGULARISATION
    below[:-1] = above[1:]
    return weights.reshape(4, -1)


def _mean_of_neighbours(
    layers: Float32, weights: Float32, width: int, *, out: Float32, spare: Float32
) -> None:
    """The weighted sum over the four neighbours of each pixel, 2,3,H*W."""
    left, right, above, below = weights
    out[..., :1] = 0
    np.multiply(left[1:], layers[..., :-1], out=out[..., 1:])
    out[..., :-1] += np.multiply(right[:-1], layers[..., 1:], out=spare[..., 1:])
    out[..., width:] += np.multiply(above[width:], layers[..., :-width], out=spare[..., width:])
    out[..., :-width] += np.multiply(below[:-width], layers[..., width:], out=spare[..., width:])
