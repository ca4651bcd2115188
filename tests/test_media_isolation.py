"""Decoders that crash, hang or take all memory cost one file, not the run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from mattecli.errors import ImageReadError, ResourceError
from mattecli.media import isolation
from mattecli.media.decode import decode_planes
from mattecli.media.headers import read_header
from mattecli.media.images import probe, read_picture
from tests.conftest import ROOT, outputs_in, photo, save
from tests.leftovers import children, open_files
from tests.media_samples import HAS_AVIF, RGB, RGBA, pil, tiff
from tests.video_runs import wait_for

SABOTAGE = """
import sys
if "mattecli.media.decoding_process" in sys.orig_argv:
    import os, time
    from PIL.GifImagePlugin import GifImageFile as Gif
    prepare = Gif.load_prepare
    Gif.load_prepare = lambda self: ({act}, prepare(self))
"""
CRASH = 'os.kill(os.getpid(), 11) if self.info.get("comment") else 0'


def sabotaged(folder: Path, act: str = CRASH) -> dict[str, str]:
    """An environment in which decoders of GIFs with a comment do something else."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(SABOTAGE.format(act=act))
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}


@pytest.fixture(autouse=True)
def _fresh() -> None:
    """Children know only of their own test."""
    isolation.end_children()


def test_a_decoder_that_crashes_costs_one_file(tmp_path: Path) -> None:
    for number in range(12):
        comment = {"comment": b"boom"} if number in (3, 7) else {}
        (tmp_path / f"m{number}.gif").write_bytes(pil(photo(40, 30)[..., 0], "GIF", **comment))
    done = subprocess.run(
        [sys.executable, "-m", "mattecli", "trimap", "*.gif", "-o", "out/"],
        cwd=tmp_path, env=sabotaged(tmp_path / "site"), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    *others, summary = done.stderr.splitlines()
    assert [line for line in others if line.startswith("failed")] == [
        f"failed: m{number}.gif: its decoder was ended by signal 11: the file is damaged, or made"
        " to do that; copy or export it again"
        for number in (3, 7)
    ]
    assert summary.startswith("10 done, 2 failed, of 12")
    assert len(outputs_in(tmp_path / "out")) == 10


def test_a_decoder_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = sabotaged(tmp_path / "site", "time.sleep(60)")
    monkeypatch.setenv("PYTHONPATH", environment["PYTHONPATH"])
    monkeypatch.setattr(isolation, "_PATIENCE", 1)
    begin = time.monotonic()
    with pytest.raises(ImageReadError, match=r"its decoder was ended by signal 14"):
        read_picture(pil(RGB, "GIF"))
    assert time.monotonic() - begin < 20


def test_memory_that_ran_out_there_is_said_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = sabotaged(tmp_path / "site", "bytearray(1 << 60)")
    monkeypatch.setenv("PYTHONPATH", environment["PYTHONPATH"])
    with pytest.raises(ResourceError, match="memory does not suffice for this image"):
        read_picture(pil(RGB, "GIF"))


def test_a_child_that_cannot_be_started_is_no_fault_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "PIL.py").write_text("broken = ")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(ResourceError, match="no process can be started to decode this image"):
        read_picture(pil(RGB, "GIF"))


def test_a_child_that_does_not_get_ready_is_ended_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text("import time; time.sleep(60)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(isolation, "_START", 0.5)
    before = open_files(), children()
    begin = time.monotonic()
    with pytest.raises(ResourceError, match=r"decodes this image was not ready after 0\.5 seconds"):
        read_picture(pil(RGB, "GIF"))
    assert time.monotonic() - begin < 20
    assert (open_files(), children()) == before


@pytest.mark.parametrize(
    "data",
    [pil(RGB, "BMP")[:-500], b"BM", b"GIF89a" + bytes(40)],
    ids=["cut off", "no header", "no frame"],
)
def test_files_that_cannot_be_read_leave_nothing_open_on_either_side(data: bytes) -> None:
    read_picture(pil(RGB, "BMP"))
    (child,) = isolation.idle_children()
    before = open_files()
    for _ in range(3):
        with pytest.raises(ImageReadError):
            isolation.decode_apart(data)
    assert isolation.idle_children() == [child]
    assert open_files() == before
    # The child closes what it sent after sending it.
    wait_for(lambda: not any("memfd" in name for name in open_files(child)), 10)


def test_a_child_that_was_killed_in_between_costs_nothing_more() -> None:
    data = pil(RGB, "BMP")
    read_picture(data)
    (child,) = isolation.idle_children()
    os.kill(child, signal.SIGKILL)
    with pytest.raises(ImageReadError, match="ended by signal 9"):
        read_picture(data)
    np.testing.assert_array_equal(read_picture(data).color, RGB)


def test_pixels_are_those_that_are_decoded_here() -> None:
    files = [pil(RGBA, "TIFF"), tiff(RGB.astype(np.uint16) * 200), pil(RGB, "BMP"), pil(RGB, "GIF")]
    for data in files:
        here, there = decode_planes(data, read_header(data)), isolation.decode_apart(data)
        np.testing.assert_array_equal(there.color, here.color)
        assert there.color.dtype == here.color.dtype
        assert (there.alpha is None) == (here.alpha is None)
        there.color[0, 0] = 0  # they are the caller's own
    assert len(isolation.idle_children()) == 1


@pytest.mark.skipif(not HAS_AVIF, reason="this Pillow has no AVIF")
def test_an_avif_s_header_is_read_by_a_child(tmp_path: Path) -> None:
    path = tmp_path / "p.avif"
    path.write_bytes(pil(RGB, "AVIF"))
    assert probe(path).size == (52, 36)
    assert len(isolation.idle_children()) == 1


def test_common_photos_need_no_child(tmp_path: Path) -> None:
    for suffix in (".jpg", ".png", ".webp"):
        read_picture(save(tmp_path / f"p{suffix}", RGB))
    assert isolation.idle_children() == []


def test_threads_have_children_of_their_own() -> None:
    data = tiff(np.full((400, 400, 3), 1000, np.uint16))

    def work() -> None:
        for _ in range(5):
            read_picture(data)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 <= len(isolation.idle_children()) <= 3


def test_a_way_there_and_back_takes_less_than_five_milliseconds() -> None:
    data = pil(RGB, "BMP")
    read_picture(data)
    times = []
    for _ in range(50):
        begin = time.perf_counter()
        read_picture(data)
        times.append(time.perf_counter() - begin)
    assert min(times) < 0.005
