"""Steadying over time: flicker and lag on composites whose alpha is known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from mattecli.ops.motion import FLOW_RADIUS, Seen, steadied
from mattecli.ops.temporal import one_frame_delays
from tests.test_video_companions import numbered, scene, write_frames
from tests.video_clips import Identity, read, run_video

Float32 = npt.NDArray[np.float32]


def synthetic(speed: int, count: int = 16) -> tuple[list[npt.NDArray[np.uint8]], list[Float32]]:
    """A textured subject with hairs that moves over a textured background, and its true alpha."""
    width, height = 320, 180
    rng = np.random.default_rng(0)
    blurred = [cv2.GaussianBlur(rng.random((height, width, 3)), (0, 0), s) for s in (3, 2)]
    back, front = (cv2.normalize(b, None, 0, 255, cv2.NORM_MINMAX) for b in blurred)  # type: ignore[call-overload]
    base = np.zeros((height, width), np.float32)
    cv2.ellipse(base, (width // 3, height // 2), (40, 60), 0, 0, 360, 1, -1)
    for angle in rng.random(30) * 2 * np.pi:
        end = (int(width // 3 + 75 * np.cos(angle)), int(height // 2 + 75 * np.sin(angle)))
        cv2.line(base, (width // 3, height // 2), end, 1, 2, cv2.LINE_AA)
    base = cv2.GaussianBlur(base, (0, 0), 1).astype(np.float32)
    frames, alphas = [], []
    for number in range(count):
        move = np.array([[1, 0, speed * number], [0, 1, 0]], np.float32)
        alpha = cv2.warpAffine(base, move, (width, height))
        colour = cv2.warpAffine(front, move, (width, height), borderMode=cv2.BORDER_REFLECT)
        mixed = alpha[..., None] * colour + (1 - alpha[..., None]) * back
        noisy = mixed + rng.normal(0, 2, mixed.shape)
        frames.append(np.clip(noisy, 0, 255).astype(np.uint8))
        alphas.append(alpha.astype(np.float32))
    return frames, alphas


def flickering(alphas: Sequence[Float32]) -> list[Float32]:
    """Estimates that wobble along the edge, and lose or invent a blob now and then."""
    rng = np.random.default_rng(1)
    found = []
    for alpha in alphas:
        soft = ((alpha > 0.02) & (alpha < 0.98)).astype(np.float32)
        edge = np.minimum(cv2.GaussianBlur(soft, (0, 0), 4) * 3, 1)
        wobble = cv2.GaussianBlur(rng.normal(0, 1, alpha.shape).astype(np.float32), (0, 0), 4)
        wrong = alpha + 0.15 * edge * wobble / wobble.std()
        for chance, level in ((0.2, 0.0), (0.2, 0.8)):
            if rng.random() < chance:
                centre = (int(rng.integers(60, 260)), int(rng.integers(40, 140)))
                cv2.circle(wrong, centre, 12, level, -1)
        found.append(np.clip(wrong, 0, 1).astype(np.float32))
    return found


def dtssd(found: Sequence[Float32], truth: Sequence[Float32]) -> float:
    """Erofeev et al., BMVC 2015, without its scale: how alpha's changes differ from the true."""
    steps = [
        np.sqrt(np.mean(((found[t + 1] - found[t]) - (truth[t + 1] - truth[t])) ** 2))
        for t in range(len(found) - 1)
    ]
    return float(np.mean(steps))


def lag(found: Sequence[Float32], truth: Sequence[Float32]) -> float:
    """Frames by which the truth has to be delayed to explain what was found best."""
    best = (np.inf, 0.0)
    for delay in np.arange(-2, 2.01, 0.25):
        error = 0.0
        for t in range(3, len(truth) - 3):
            whole = int(np.floor(t - delay))
            part = np.float32(t - delay - whole)
            late = (1 - part) * truth[whole] + part * truth[min(whole + 1, len(truth) - 1)]
            error += float(np.mean((found[t] - late) ** 2))
        best = min(best, (error, float(delay)))
    return best[1]


def along_the_motion(
    frames: Sequence[npt.NDArray[np.uint8]], alphas: Sequence[Float32]
) -> list[Float32]:
    steadied_ones = []
    for t in range(len(alphas)):
        first, last = max(0, t - FLOW_RADIUS), min(len(alphas), t + FLOW_RADIUS + 1)
        window = [Seen(frames[i], alphas[i]) for i in range(first, last)]
        steadied_ones.append(steadied(window, t - first))
    return steadied_ones


@pytest.mark.parametrize("speed", [0, 3, 8])
def test_flow_lowers_flicker_more_than_ofd_and_does_not_trail(speed: int) -> None:
    frames, truth = synthetic(speed)
    raw = flickering(truth)
    delayed = list(one_frame_delays(raw))
    flowing = along_the_motion(frames, raw)
    averaged = [raw[0]]
    for alpha in raw[1:]:
        averaged.append((averaged[-1] + alpha) / np.float32(2))
    flicker = [dtssd(one, truth) for one in (raw, delayed, flowing)]
    assert flicker[2] < 0.9 * flicker[0]
    assert flicker[2] < flicker[1]
    errors = [float(np.mean([np.abs(a - b).mean() for a, b in zip(one, truth, strict=True)]))
              for one in (raw, flowing)]  # fmt: skip
    assert errors[1] < errors[0]
    if speed:  # what an average over time does, and this does not
        assert lag(flowing, truth) == 0
        assert lag(averaged, truth) >= 0.25


def test_steadying_leaves_a_still_and_sound_matte_alone() -> None:
    frames, truth = synthetic(0, count=5)
    for found in along_the_motion(frames, truth):
        assert np.abs(found - truth[0]).max() < 0.02


def test_a_cut_within_the_window_does_not_mix_shots() -> None:
    one, other = scene(1, 0), cv2.flip(scene(2, 0), 1)
    full, empty = np.ones((200, 320), np.float32), np.zeros((200, 320), np.float32)
    window = [Seen(one, full), Seen(one, full), Seen(other, empty), Seen(other, empty)]
    assert steadied(window, 1).mean() > 0.9
    assert steadied(window, 2).mean() < 0.1


def test_ofd_in_a_clip_is_the_operation(tmp_path: Path) -> None:
    """Frames of alpha through the command's own steps, against the operation on its own."""
    clip = write_frames(tmp_path / "c.mkv", numbered(9))
    rng = np.random.default_rng(4)
    raw = [np.rint(rng.random((64, 96)) * 255).astype(np.float32) / 255 for _ in range(9)]

    def alpha(color: npt.NDArray[np.uint8]) -> Float32:
        return raw[round((float(color[..., 1].mean()) - 20) / 4)]

    run_video(clip, tmp_path / "o.mkv", ("alpha",), Identity(alpha), smooth="ofd")
    wanted = list(one_frame_delays(raw))
    for frame, expected in zip(read(tmp_path / "o.mkv").frames, wanted, strict=True):
        np.testing.assert_array_equal(
            frame.to_ndarray(format="gray"), np.rint(expected * 255).astype(np.uint8)
        )
