"""Trimaps, plates, masks and backdrops of videos; steadying, measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from mattecli.engine.estimator import Estimator, Matte, Photo, Prepared
from mattecli.jobs.video_frames import FrameItem
from mattecli.jobs.video_steps import FrameSteps
from mattecli.media.video.outputs import Stamp
from mattecli.ops.shots import ShotDetector
from mattecli.ops.trimap import TrimapOptions, make_trimap
from mattecli.settings import ModelOptions
from mattecli.settings.video import VideoOptions, VideoPixelOptions
from tests.conftest import load, photo, save
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


def test_companions_may_be_file_urls(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "c.mp4", frames=4, size=(96, 64))
    behind = [np.full((64, 96, 3), 40 + 50 * n, np.uint8) for n in range(4)]
    video = write_frames(tmp_path / "a b.mkv", behind)
    nothing = Identity(lambda color: np.zeros(color.shape[:2], np.float32))
    url = f"file://{str(video).replace(' ', '%20')}"
    out = tmp_path / "o.mkv"
    done = run_video(clip, out, ("composite",), nothing, background_fill=url)
    assert done.report.done == 1, done.item.error
    seen = [int(frame.to_ndarray(format="gray")[30, 40]) for frame in read(out).frames]
    assert [round((level - 40) / 50) for level in seen] == [0, 1, 2, 3]

    plate = save(tmp_path / "plate.png", photo(96, 64, seed=3))
    asked = Recording()
    done = run_video(clip, tmp_path / "p.mkv", ("alpha",), asked, background=f"file://{plate}")
    assert done.report.done == 1, done.item.error
    assert all(np.array_equal(one.background, load(plate)) for one in asked.photos)


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


@pytest.mark.parametrize("made", ["trimap", "segmentation"])
def test_the_portrait_model_goes_first_where_something_has_to_be_made(made: str) -> None:
    def disk(color: npt.NDArray[np.uint8]) -> Float32:
        y, x = np.mgrid[0 : color.shape[0], 0 : color.shape[1]]
        return (np.hypot(x - 48, y - 32) < 20).astype(np.float32)

    options = VideoOptions(
        model=ModelOptions(trimap="auto" if made == "trimap" else None),
        pixels=VideoPixelOptions(write=("foreground",)),
    )
    recording = Recording()
    steps = FrameSteps(recording, Identity(disk), options, 1)
    items = [
        FrameItem(stamp=Stamp(number, number), is_context=False, color=frame)
        for number, frame in enumerate(numbered(3))
    ]
    done = list(steps.run(items))
    assert [item.stamp.index for item in done] == [0, 1, 2]
    assert all("foreground" in item.images for item in done)
    truth = disk(items[0].color)
    for one in recording.photos:
        if made == "trimap":
            np.testing.assert_array_equal(one.trimap, make_trimap(truth, TrimapOptions()))
        else:
            np.testing.assert_array_equal(one.mask, truth * 255)
