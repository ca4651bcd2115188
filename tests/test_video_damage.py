"""Videos that are damaged, cut off, or none."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

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
