"""Trimaps, plates, masks and backdrops of videos; steadying, measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from mattecli.engine.estimator import Estimator, Matte, Photo, Prepared
from mattecli.ops.motion import FLOW_RADIUS, Seen, steadied
from mattecli.ops.shots import ShotDetector
from mattecli.ops.temporal import one_frame_delays
from mattecli.records import Size
from tests.conftest import photo, save
from tests.video_clips import Identity, ffmpeg, make_clip, read, run_video

TAGS = (
    "format=gbrp,zscale=matrixin=gbr:rangein=full:matrix=709:range=limited,format=yuv420p,"
    "setparams=colorspace=bt709:range=tv"
)
LOSSLESS = ("-c:v", "libx264", "-qp", "0", "-preset", "ultrafast")
Float32 = npt.NDArray[np.float32]


class Recording(Estimator):
    """Keeps what it is given with each frame; alpha is 1."""

    def __init__(self) -> None:
        self.photos: list[Photo] = []

    def prepare(self, photo: Photo) -> Prepared:
        self.photos.append(photo)
        return Prepared(color=photo.color, inner=photo.full, full=photo.full)

    def estimate(self, group: Sequence[Prepared]) -> list[Matte]:
        return [Matte(alpha=np.ones(item.color.shape[:2], np.float32)) for item in group]

    def describe(self) -> dict[str, object]:
        return {}

    def in_order(self) -> list[Photo]:
        """By time: several threads prepare."""
        return sorted(self.photos, key=lambda one: float(one.color[..., 1].mean()))


def write_frames(path: Path, frames: Sequence[npt.NDArray[np.uint8]], *encoding: str) -> Path:
    """RGB frames as a video."""
    height, width = frames[0].shape[:2]
    given = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", "25"]
    data = b"".join(np.ascontiguousarray(frame).tobytes() for frame in frames)
    ffmpeg(
        *given,
        "-i",
        "pipe:0",
        *(encoding or ("-c:v", "ffv1", "-pix_fmt", "bgr0")),
        path,
        stdin=data,
    )
    return path


def numbered(count: int, width: int = 96, height: int = 64) -> list[npt.NDArray[np.uint8]]:
    """Frames whose green grows from one to the next."""
    base = photo(width, height, seed=3) // 3
    frames = []
    for number in range(count):
        frame = base.copy()
        frame[..., 1] = 20 + 4 * number
        frames.append(frame)
    return frames


def moving_trimap(number: int, width: int = 96, height: int = 64) -> npt.NDArray[np.uint8]:
    trimap = np.zeros((height, width), np.uint8)
    trimap[10:50, 10 + number : 60 + number] = 128
    trimap[20:40, 20 + number : 50 + number] = 255
    return trimap


@pytest.mark.parametrize("form", ["lossless video", "lossy video", "images", "one image"])
def test_trimaps_go_frame_by_frame(form: str, tmp_path: Path) -> None:
    clip = write_frames(tmp_path / "c.mkv", numbered(8))
    trimaps = [moving_trimap(number) for number in range(8)]
    given = tmp_path / "t"
    rgb = [np.dstack([trimap] * 3) for trimap in trimaps]
    if form == "lossless video":
        given = write_frames(tmp_path / "t.mkv", rgb)
    elif form == "lossy video":
        given = write_frames(
            tmp_path / "t.mp4", rgb, "-c:v", "libx264", "-crf", "18", "-pix_fmt", "yuv420p"
        )
    elif form == "images":
        for number, trimap in enumerate(trimaps):
            save(given / f"t_{number:03d}.png", trimap)
    else:
        given = save(tmp_path / "t.png", trimaps[0])
        trimaps = [trimaps[0]] * 8
    recording = Recording()
    done = run_video(clip, tmp_path / "o.mkv", ("alpha",), recording, trimap=str(given))
    assert done.report.done == 1, done.item.error
    for one, trimap in zip(recording.in_order(), trimaps, strict=True):
        assert one.trimap is not None
        assert set(np.unique(one.trimap)) <= {0, 128, 255}
        assert (one.trimap != trimap).mean() <= (0.05 if form == "lossy video" else 0)
    # What the trimap is certain of holds, whatever the model says.
    alpha = read(tmp_path / "o.mkv").frames[7].to_ndarray(format="gray")
    assert (alpha[trimaps[7] == 0] == 0).mean() > 0.97


def test_a_trimap_that_is_too_short_or_of_another_size_is_named(tmp_path: Path) -> None:
    clip = write_frames(tmp_path / "c.mkv", numbered(8))
    short = write_frames(tmp_path / "t.mkv", [np.dstack([moving_trimap(n)] * 3) for n in range(5)])
    done = run_video(clip, tmp_path / "o.mkv", ("alpha",), trimap=str(short))
    assert "the trimap has only 5 frames" in str(done.item.error)
    small = save(tmp_path / "s.png", moving_trimap(0)[:32])
    done = run_video(clip, tmp_path / "o.mkv", ("alpha",), trimap=str(small))
    assert "the trimap is 96x32, the video 96x64" in str(done.item.error)


def test_a_part_of_a_clip_gets_its_part_of_the_trimap(tmp_path: Path) -> None:
    clip = write_frames(tmp_path / "c.mkv", numbered(12))
    trimaps = write_frames(
        tmp_path / "t.mkv", [np.dstack([moving_trimap(n)] * 3) for n in range(12)]
    )
    recording = Recording()
    done = run_video(
        clip, tmp_path / "o.mkv", ("alpha",), recording, trimap=str(trimaps), start="5f", end="9f"
    )
    assert done.report.done == 1, done.item.error
    for number, one in enumerate(recording.in_order(), 5):
        np.testing.assert_array_equal(one.trimap, moving_trimap(number))


def test_a_plate_video_goes_frame_by_frame_and_is_held(tmp_path: Path) -> None:
    clip = write_frames(tmp_path / "c.mkv", numbered(8))
    plates = numbered(5)
    given = write_frames(tmp_path / "p.mkv", plates)
    recording = Recording()
    done = run_video(clip, tmp_path / "o.mkv", ("alpha",), recording, background=str(given))
    assert done.report.done == 1, done.item.error
    for number, one in enumerate(recording.in_order()):
        np.testing.assert_array_equal(one.background, plates[min(number, 4)])
    assert any("its last frame is held" in note for note in done.item.notes)


def scene(seed: int, shift: int, width: int = 320, height: int = 200) -> npt.NDArray[np.uint8]:
    """A part of a scene full of features."""
    rng = np.random.default_rng(seed)
    wide = cv2.GaussianBlur(rng.integers(0, 256, (height + 40, width + 40, 3), np.uint8), (0, 0), 2)
    wide = cv2.normalize(wide, None, 20, 230, cv2.NORM_MINMAX)  # type: ignore[call-overload]
    return np.asarray(wide[20 : 20 + height, 20 + shift : 20 + shift + width], np.uint8)


def test_a_plate_is_registered_once_a_shot(tmp_path: Path) -> None:
    """Two shots of one scene, framed differently, and one plate."""
    shots = [scene(5, 4).copy() for _ in range(5)]
    shots += [cv2.convertScaleAbs(scene(5, 12), alpha=0.62, beta=60) for _ in range(5)]
    for frame in shots:
        cv2.ellipse(frame, (160, 100), (50, 70), 0, 0, 360, (250, 10, 10), -1)
    clip = write_frames(tmp_path / "c.mkv", [np.asarray(frame) for frame in shots])
    plate = save(tmp_path / "plate.png", scene(5, 0))
    recording = Recording()
    done = run_video(
        clip, tmp_path / "o.mkv", ("alpha",), recording, background=str(plate), align=True
    )
    assert done.report.done == 1, done.item.error
    for one in recording.photos:
        assert one.background is not None
        apart = np.abs(one.background.astype(int) - one.color)[10:-10, 210:-30]
        assert np.median(apart) <= 3


def test_a_cut_is_told_from_motion() -> None:
    detector = ShotDetector()
    begins = [detector.begins(scene(1, shift)) for shift in range(0, 16, 2)]
    assert begins == [True] + [False] * 7
    other = cv2.convertScaleAbs(scene(9, 0), alpha=0.5)
    assert detector.begins(other)
    assert not detector.begins(other)


def test_a_fast_pan_is_one_shot() -> None:
    wide = np.hstack([scene(seed, 0) for seed in range(4)])
    detector = ShotDetector()
    views = [wide[:, 40 * step : 40 * step + 320] for step in range(20)]
    assert sum(detector.begins(np.ascontiguousarray(view)) for view in views) <= 2


@pytest.mark.parametrize(
    ("end", "wanted"),
    [
        ("loop", [0, 1, 2, 3, 0, 1, 2, 3, 0, 1]),
        ("hold", [0, 1, 2, 3, 3, 3, 3, 3, 3, 3]),
        ("trim", [0, 1, 2, 3]),
    ],
)
def test_a_video_behind_the_composite(end: str, wanted: list[int], tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "c.mp4", *LOSSLESS, frames=10, size=(96, 64), filters=TAGS)
    behind = [np.full((64, 96, 3), 40 + 50 * n, np.uint8) for n in range(4)]
    video = write_frames(tmp_path / "b.mkv", behind)
    nothing = Identity(lambda color: np.zeros(color.shape[:2], np.float32))
    out = tmp_path / "o.mkv"
    done = run_video(
        clip, out, ("composite",), nothing, background_fill=str(video), background_end=end
    )
    assert done.report.done == 1, done.item.error
    seen = [int(frame.to_ndarray(format="gray")[30, 40]) for frame in read(out).frames]
    assert [round((level - 40) / 50) for level in seen] == wanted


def test_a_slower_video_behind_shows_each_frame_for_its_time(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "c.mp4", *LOSSLESS, frames=10, size=(96, 64), filters=TAGS)
    behind = write_frames(
        tmp_path / "b.mkv", [np.full((64, 96, 3), 40 + 50 * n, np.uint8) for n in range(4)]
    )
    slow = tmp_path / "slow.mkv"
    ffmpeg("-itsscale", "2.5", "-i", behind, "-c", "copy", slow)  # ten frames a second
    nothing = Identity(lambda color: np.zeros(color.shape[:2], np.float32))
    run_video(clip, tmp_path / "o.mkv", ("composite",), nothing, background_fill=str(slow))
    seen = [int(f.to_ndarray(format="gray")[30, 40]) for f in read(tmp_path / "o.mkv").frames]
    assert [round((level - 40) / 50) for level in seen] == [0, 0, 0, 1, 1, 2, 2, 2, 3, 3]


@pytest.mark.parametrize("fill", ["#204060", "picture", "blur"])
def test_still_backgrounds(fill: str, tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "c.mp4", *LOSSLESS, frames=3, size=(96, 64), filters=TAGS)
    if fill == "picture":
        fill = str(save(tmp_path / "b.png", np.full((100, 300, 3), (32, 64, 96), np.uint8)))
    half = Identity(
        lambda color: np.repeat((np.arange(96) > 47).astype(np.float32)[None], 64, axis=0)
    )
    done = run_video(clip, tmp_path / "o.mkv", ("composite",), half, background_fill=fill)
    assert done.report.done == 1, done.item.error
    frame = read(tmp_path / "o.mkv").frames[1].to_ndarray(format="rgb24").astype(int)
    own = read(clip).frames[1].to_ndarray(format="rgb24").astype(int)
    assert np.abs(frame[:, 52:] - own[:, 52:]).mean() < 3
    if fill != "blur":
        assert np.abs(frame[:, :44] - (32, 64, 96)).max() <= 3


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
    assert Size.of(wanted[0]) == Size(96, 64)
