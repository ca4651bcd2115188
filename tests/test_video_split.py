"""Videos made in parts, in any order, and joined: the same bytes as in one run."""

from __future__ import annotations

import pickle
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import save

from mattecli.interruption import Hold
from mattecli.jobs.crew import WorkRecipe
from mattecli.jobs.runner import settle_here
from mattecli.jobs.video import matte_videos
from mattecli.jobs.video_plan import VideoTask
from mattecli.media.journal import FILE_NAME
from mattecli.records import Report
from mattecli.settings import EngineOptions, InputOptions, ModelOptions
from mattecli.settings.finish import FrameFinishOptions
from mattecli.settings.video import (
    ClipOptions,
    VideoOptions,
    VideoOutputOptions,
    VideoPixelOptions,
)
from tests.conftest import outputs_in
from tests.video_clips import Watcher, ffmpeg, make_clip

SIZE = (96, 64)
FRAMES = 90


class Elsewhere:
    """Does tasks in this process as another one would: all that it gets has been sent.

    Args:
        lost: parts, by first frame, whose worker dies.
        ends_after: how many parts are made before the run is interrupted.
    """

    def __init__(self, lost: Sequence[int] = (), ends_after: int | None = None) -> None:
        self.lost = lost
        self.ends_after = ends_after
        self.made: list[tuple[str, int | None]] = []

    def settle(
        self,
        recipe: WorkRecipe[VideoTask],
        tasks: Sequence[VideoTask],
        hold: Hold,
        facts: dict[str, object],
    ) -> Generator[VideoTask]:
        with pickle.loads(pickle.dumps(recipe)).open(1, len(tasks)) as bench:
            facts |= bench.facts
            for task in reversed(tasks):  # in an order that is not theirs
                first = task.part.first if task.part is not None else None
                if first in self.lost:
                    task.settled = replace(task.record("failed"), error="its worker died")
                    continue
                sent = pickle.loads(pickle.dumps(task))
                with closing(settle_here([sent], bench.stages, bench.pixels)) as ended:
                    next(ended)
                task.settled, task.thumbs = sent.settled, sent.thumbs
                self.made.append((task.source.path.name, first))
                if len(self.made) == self.ends_after:
                    raise KeyboardInterrupt
        yield from tasks


def options(clips: Sequence[Path], out: Path, **changed: object) -> VideoOptions:
    usual = VideoOptions(
        source=InputOptions(inputs=tuple(map(str, clips))),
        target=VideoOutputOptions(output=f"{out}/", format="mov"),
        pixels=VideoPixelOptions(write=("alpha",)),
        clip=ClipOptions(piece_frames=20),
        model=ModelOptions(model="modnet", size=32),
    )
    return replace(usual, **changed)


def in_parts(chosen: VideoOptions, crew: Elsewhere) -> tuple[Report, Watcher]:
    watcher = Watcher()
    away = replace(chosen, engine=EngineOptions(engine="ray"))
    return matte_videos(away, watcher, crew=crew), watcher


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in outputs_in(folder)}


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A long one, whose key frames do not lie where pieces begin, and a short one."""
    folder = tmp_path_factory.mktemp("clips")
    groups = ("-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "33")
    sound = ("-c:a", "aac")
    return [
        make_clip(folder / "long.mp4", *groups, frames=FRAMES, size=SIZE, sound=sound),
        make_clip(folder / "short.mp4", *groups, frames=9, size=SIZE),
    ]


@pytest.fixture(scope="module")
def undisturbed(clips: list[Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What one run here makes of them."""
    out = tmp_path_factory.mktemp("here")
    matte_videos(options(clips, out))
    return files(out)


@pytest.mark.parametrize("smooth", ["ofd", "flow"])  # off: with trimaps, below
def test_parts_are_joined_to_the_bytes_of_one_run(
    smooth: str, clips: list[Path], tmp_path: Path
) -> None:
    clip = ClipOptions(piece_frames=20, smooth=smooth)
    kinds = ("alpha", "foreground") if smooth == "off" else ("alpha",)
    asked = {"clip": clip, "pixels": VideoPixelOptions(write=kinds)}
    here = matte_videos(options(clips, tmp_path / "here", **asked))
    crew = Elsewhere()
    away, watcher = in_parts(options(clips, tmp_path / "away", **asked), crew)
    assert (here.done, away.done, away.failed) == (2, 2, 0)
    firsts = {first for name, first in crew.made if name == "long.mp4" and first is not None}
    assert firsts == {0, 20, 40, 60, 80}
    assert [first for name, first in crew.made if name == "short.mp4"] == [None]
    assert len(files(tmp_path / "here")) == 2 * len(kinds)
    assert files(tmp_path / "away") == files(tmp_path / "here")
    left = {path.name for path in (tmp_path / "away").iterdir()} - {FILE_NAME}
    assert left == set(files(tmp_path / "here"))
    assert [item.status for item in watcher.items] == ["done", "done"]
    assert watcher.items[0].seconds["network"] > 0


def test_parts_are_finished_and_their_screen_is_found(tmp_path: Path) -> None:
    mask = np.zeros((SIZE[1], SIZE[0]), np.uint8)
    mask[16:48, 32:64] = 255
    save(tmp_path / "mask.png", mask)
    for number in range(20):
        picture = np.full((*mask.shape, 3), (20, 200, 40), np.uint8)
        picture[mask > 0] = (120, 150, 120 + number)
        save(tmp_path / f"in/{number:02d}.png", picture)
    frames = ("-framerate", "25", "-i", tmp_path / "in/%02d.png")
    ffmpeg(*frames, "-c:v", "ffv1", "-pix_fmt", "bgr0", tmp_path / "green.mkv")
    asked = {
        "model": ModelOptions(model="closed-form", trimap=str(tmp_path / "mask.png")),
        "pixels": VideoPixelOptions(write=("foreground",), foreground="none"),
        "clip": ClipOptions(piece_frames=10),
    }
    clip, made = tmp_path / "green.mkv", []
    for name, finish in (
        ("auto", FrameFinishOptions()),
        ("soft", FrameFinishOptions(despill="off", choke=2, feather=1)),
    ):
        for place in ("here", "away"):
            chosen = options([clip], tmp_path / name / place, finish=finish, **asked)
            if place == "here":
                watcher = Watcher()
                matte_videos(chosen, watcher)
            else:
                _, watcher = in_parts(chosen, Elsewhere())
            notes = watcher.items[0].notes
            assert [note for note in notes if "green screen" in note] == (
                ["its background is a green screen, whose light is taken off"]
                if name == "auto"
                else []
            )
            made.append(files(tmp_path / name / place)["green-foreground.mov"])
    assert made[::2] == made[1::2]
    assert len(set(made)) == 2


def test_webm_and_mkv_with_a_trimap_for_each_frame(clips: list[Path], tmp_path: Path) -> None:
    masks = tmp_path / "masks"
    for number in range(FRAMES):
        mask = np.zeros((SIZE[1], SIZE[0]), np.uint8)
        mask[20:50, 5 + number // 2 : 45 + number // 2] = 255
        mask[20:50, 5 + number // 2] = 128
        save(masks / f"m{number:03d}.png", mask)
    model = ModelOptions(model="closed-form", trimap=str(masks))
    for suffix in ("webm", "mkv"):
        made = []
        for place, crew in (("here", None), ("away", Elsewhere())):
            target = VideoOutputOptions(output=str(tmp_path / f"{place}.{suffix}"))
            chosen = options(
                clips[:1], tmp_path, target=target, model=model,
                pixels=VideoPixelOptions(write=("foreground",), foreground="none"),
            )  # fmt: skip
            report = matte_videos(chosen) if crew is None else in_parts(chosen, crew)[0]
            assert report.done == 1
            made.append((tmp_path / f"{place}.{suffix}").read_bytes())
        assert made[0] == made[1]


def test_what_a_lost_worker_leaves_out_is_made_by_the_run_that_joins(
    clips: list[Path], undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    for lost in ((40,), (0, 20, 40, 60, 80)):
        away = tmp_path / f"away{len(lost)}{lost[0]}"
        report, _ = in_parts(options(clips, away), Elsewhere(lost))
        assert (report.done, report.failed) == (2, 0)
        assert files(away) == undisturbed
        assert len({path.name for path in away.iterdir()} - {FILE_NAME}) == 2


def test_an_interrupted_run_goes_on_with_the_parts_that_are_there(
    clips: list[Path], undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    stopped, told = in_parts(options(clips, tmp_path / "away"), Elsewhere(ends_after=3))
    assert stopped.interrupted
    assert told.notes == ["interrupted: completed pieces are kept; --resume goes on"]
    assert not list((tmp_path / "away").glob("*.mov"))
    kept = list((tmp_path / "away").glob(".*/0*"))  # pieces of the last three parts
    assert {path.stem for path in kept} == {"000000040", "000000060", "000000080"}
    again = VideoOutputOptions(output=f"{tmp_path / 'away'}/", format="mov", resume=True)
    before = {path: path.stat().st_ino for path in kept}
    crew = Elsewhere(ends_after=5)
    assert in_parts(options(clips, tmp_path / "away", target=again), crew)[0].interrupted
    assert {path: path.stat().st_ino for path in kept} == before
    report, _ = in_parts(options(clips, tmp_path / "away", target=again), Elsewhere())
    assert report.done == 2
    assert files(tmp_path / "away") == undisturbed


def test_a_damaged_video_is_told_about_as_in_one_run(clips: list[Path], tmp_path: Path) -> None:
    whole = bytearray(clips[0].read_bytes())
    rng = np.random.default_rng(1)
    for at in rng.integers(len(whole) // 4, len(whole) // 2, 40):
        whole[at] ^= 0xFF
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(whole)
    here, told = Watcher(), []
    matte_videos(options([broken], tmp_path / "here"), here)
    _, away = in_parts(options([broken], tmp_path / "away"), Elsewhere())
    for watcher in (here, away):
        told.append(
            [(i.status, i.notes, (i.error or "").split(": ", 1)[-1]) for i in watcher.items]
        )
    assert told[0] == told[1]
    assert (
        any("damaged" in note or "decoded" in note for note in here.items[0].notes) or told[0][0][2]
    )
    # What a decoder paints over damage is not the same twice, even on one thread.
    assert files(tmp_path / "away").keys() == files(tmp_path / "here").keys()
