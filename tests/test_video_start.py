"""What helpers of a video hold is let go when one of them cannot be started."""

from __future__ import annotations

import io
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from mattecli.errors import ResourceError
from mattecli.media.video import packets, process
from mattecli.media.video.clip import Clip
from mattecli.media.video.containers import CONTAINERS, choose_codec
from mattecli.media.video.decode import ClipReader
from mattecli.media.video.encode import EncoderPlan, FrameEncoder
from mattecli.media.video.packets import PacketTimes
from mattecli.media.video.stream import StreamClip
from tests.leftovers import children, open_files
from tests.video_clips import FFMPEG, make_clip
from tests.video_runs import wait_for

LIMIT = 10**6


@pytest.fixture
def gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Removes the ffmpeg, which has been there so far."""
    program = tmp_path / "ffmpeg"
    program.symlink_to(FFMPEG)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(program))
    process.ffmpeg_path.cache_clear()
    assert process.ffmpeg_path() == str(program)
    yield program.unlink
    process.ffmpeg_path.cache_clear()


def test_a_reader_whose_decoder_cannot_be_started(gone: Callable[[], None], tmp_path: Path) -> None:
    with Clip(make_clip(tmp_path / "c.mkv", "-c:v", "ffv1", frames=2), max_pixels=LIMIT) as clip:
        assert len(list(ClipReader(clip))) == 2
        gone()
        before = open_files(), children()
        with pytest.raises(ResourceError, match=r"the decoder \(ffmpeg\) cannot be started"):
            list(ClipReader(clip))
        assert (open_files(), children()) == before


def test_a_reader_that_is_left_early_ends_its_helpers(tmp_path: Path) -> None:
    with Clip(make_clip(tmp_path / "c.mkv", "-c:v", "ffv1", frames=50), max_pixels=LIMIT) as clip:
        before = open_files(), children()
        frames = iter(ClipReader(clip))
        next(frames)
        assert len(children() - before[1]) == 2
        frames.close()
        assert children() == before[1]
        wait_for(lambda: open_files() == before[0], 10)  # the thread that reads ffmpeg's words


def test_packets_whose_reader_cannot_be_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Clip(make_clip(tmp_path / "c.mkv", "-c:v", "ffv1", frames=2), max_pixels=LIMIT) as clip:
        before = open_files(), children()
        monkeypatch.setattr(sys, "executable", str(tmp_path / "no python"))
        with pytest.raises(ResourceError, match=r"no process can be started .* \(No such file"):
            PacketTimes(clip.another())
        with pytest.raises(ResourceError, match="no process can be started"):
            packets.pts_of_frame(clip, 0)
        with pytest.raises(ResourceError, match="no process can be started"):
            list(ClipReader(clip))
        assert (open_files(), children()) == before


def test_an_encoder_that_cannot_be_started(gone: Callable[[], None], tmp_path: Path) -> None:
    with Clip(make_clip(tmp_path / "c.mkv", "-c:v", "ffv1", frames=2), max_pixels=LIMIT) as clip:
        codec = choose_codec(CONTAINERS["mkv"], clip.info, "grey")
        plan = EncoderPlan(info=clip.info, codec=codec, muxer="matroska")
        image = np.zeros((clip.info.size.height, clip.info.size.width), np.uint8)
        gone()
        before = open_files(), children()
        with pytest.raises(ResourceError, match=r"the encoder \(ffmpeg\) cannot be started"):
            FrameEncoder(plan, image, "out.mkv", tmp_path)
        assert (open_files(), children()) == before
        assert "encode" not in [thread.name for thread in threading.enumerate()]


def test_a_stream_that_is_closed_ends_what_it_feeds(tmp_path: Path) -> None:
    path, noise = tmp_path / "c.mkv", "noise=alls=99:allf=t"
    make_clip(path, "-c:v", "ffv1", filters=noise, frames=20, size=(640, 360))
    assert path.stat().st_size > 6 << 20  # more than the beginning that is kept
    before = open_files()
    clip = StreamClip(max_pixels=LIMIT, stream=io.BytesIO(path.read_bytes()))
    assert not clip.is_whole
    reading = clip.another()
    assert os.read(reading, 100) == path.read_bytes()[:100]
    time.sleep(0.1)  # the pipe is full by now
    clip.close()
    end = threading.Thread(target=_read_to_the_end, args=(reading,), daemon=True)
    end.start()
    end.join(20)
    assert not end.is_alive()
    os.close(reading)
    wait_for(lambda: open_files() == before, 10)


def _read_to_the_end(descriptor: int) -> None:
    while os.read(descriptor, 1 << 20):
        pass
