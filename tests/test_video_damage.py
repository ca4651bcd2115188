"""Videos that are damaged, cut off, or none."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from mattecli.errors import VideoWriteError
from mattecli.media.video.clip import Clip
from mattecli.media.video.containers import CONTAINERS, choose_codec
from mattecli.media.video.encode import EncoderPlan, FrameEncoder
from tests.video_clips import ffmpeg, make_clip, read, rgb_of, run_video

TAGS = (
    "scale=out_color_matrix=bt709:out_range=tv,format=yuv420p,setparams=colorspace=bt709:range=tv"
)


def damaged(path: Path, number: int) -> Path:
    """A copy of an intra-only file one of whose frames is noise."""
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    data = bytearray(path.read_bytes())
    victim = bytes(packets[number])
    at = data.find(victim)
    noise = np.random.default_rng(0).integers(0, 256, len(victim), np.uint8).tobytes()
    data[at : at + len(victim)] = noise
    copy = path.with_name(f"damaged{path.suffix}")
    copy.write_bytes(data)
    return copy


def test_a_frame_that_cannot_be_decoded_is_reported_and_repeated(tmp_path: Path) -> None:
    clip = make_clip(
        tmp_path / "c.mov", "-c:v", "prores_ks", frames=12, filters="format=yuv422p10le"
    )
    broken = damaged(clip, 5)
    done = run_video(broken, tmp_path / "out.mkv", ("fill",))
    assert done.report.done == 1
    assert any("1 frame could not be decoded and repeat" in note for note in done.item.notes)
    found, whole = read(tmp_path / "out.mkv"), read(clip)
    assert len(found.frames) == 12
    assert [float(time) for time in found.times] == [float(time) for time in whole.times]
    colours = [rgb_of(frame, "smpte170m", full=False) for frame in found.frames]
    assert np.abs(colours[5] - colours[4]).max() == 0
    assert np.abs(colours[6] - colours[5]).max() > 1


def test_a_video_that_ends_early_fails_and_what_there_is_is_written(tmp_path: Path) -> None:
    clip = make_clip(
        tmp_path / "c.mp4", "-c:v", "libx264", "-movflags", "faststart", "-g", "10",
        frames=60, filters=TAGS,
    )  # fmt: skip
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(clip.read_bytes()[: clip.stat().st_size * 2 // 3])
    done = run_video(cut, tmp_path / "out.mov", ("alpha",))
    assert done.report.failed == 1
    found = read(tmp_path / "out.mov")
    assert f"it ends early; its {len(found.frames)} frames of 60 are written" in str(
        done.item.error
    )
    assert done.item.outputs == {"alpha": str(tmp_path / "out.mov")}
    assert 20 < len(found.frames) < 60


def sound_with_cover(path: Path) -> None:
    """A song with its picture, as players show it."""
    given = ("-f", "lavfi", "-i", "sine=d=0.2", "-f", "lavfi", "-i", "color=red:s=32x32:d=0.04")
    ffmpeg(*given, "-c:v", "mjpeg", "-frames:v", "1", "-disposition:v:0", "attached_pic", path)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: path.write_bytes(b""), "no video that can be read"),
        (lambda path: path.write_bytes(os.urandom(5000)), "no video that can be read"),
        (lambda path: path.write_text("ffconcat version 1.0\nfile '/etc/passwd'\n"), "no video"),
        (lambda path: ffmpeg("-f", "lavfi", "-i", "sine=d=0.2", path), "it has no video stream"),
        (sound_with_cover, "no video stream, only a cover picture, audio"),
        (lambda path: None, "it cannot be opened"),
    ],
    ids=["empty", "noise", "playlist", "sound alone", "sound with a cover", "missing"],
)
def test_what_is_no_video_is_named_and_the_rest_goes_on(
    make: Callable[[Path], object], reason: str, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.mp4"
    make(bad)
    good = make_clip(tmp_path / "good.mp4", frames=3, filters=TAGS)
    done = run_video([bad, good], tmp_path / "out", ("alpha",))
    assert (done.report.done, done.report.failed) == (1, 1)
    error = str(done.watcher.items[0].error)
    assert error.startswith(str(bad))
    assert reason in error
    assert (tmp_path / "out" / "good-alpha.mov").exists()
    assert not list((tmp_path / "out").glob("bad*"))


@pytest.mark.parametrize("seed", range(6))
def test_damage_that_gives_times_anew_neither_stops_nor_fails_a_run(
    seed: int, tmp_path: Path
) -> None:
    """Decoders show frames twice or late; no two frames of a file may have one time."""
    suffix = (".mkv", ".mp4")[seed % 2]
    clip = make_clip(
        tmp_path / f"c{suffix}", "-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "30",
        frames=90, size=(96, 64), filters=TAGS,
    )  # fmt: skip
    data = bytearray(clip.read_bytes())
    at = len(data) * (2 + seed) // 10
    data[at : at + 400] = b"\x55" * 400
    broken = tmp_path / f"broken{suffix}"
    broken.write_bytes(data)
    done = run_video(broken, tmp_path / "out.mov", ("fill",))
    times = read(tmp_path / "out.mov").times
    assert all(before < after for before, after in pairwise(times))
    assert done.item.notes or done.item.error
    if len(times) < 65:
        assert "it ends early" in str(done.item.error)
    else:
        assert done.report.done == 1


def test_a_frame_that_the_encoder_cannot_take_fails_the_run_at_once(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "c.mov", "-c:v", "prores_ks", frames=2)
    with Clip(clip, max_pixels=10**6) as source:
        codec = choose_codec(CONTAINERS["mov"], source.info, "grey", "auto", None)
        plan = EncoderPlan(info=source.info, codec=codec, muxer="mov")
        image = np.zeros((source.info.size.height, source.info.size.width), np.uint8)
        encoder = FrameEncoder(plan, image, "out.mov", tmp_path)
        with pytest.raises(VideoWriteError, match="a frame does not fit"):  # noqa: PT012
            for _ in range(20):
                encoder.put(5, image)
            encoder.finish()
