"""``mattecli video`` on the command line: models, places, names, progress."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from mattecli.errors import UsageError
from mattecli.jobs.video_span import parse_time
from tests.conftest import PICTURES, Cli, load, save
from tests.video_clips import make_clip, read, run_video

TAGS = (
    "format=gbrp,zscale=matrixin=gbr:rangein=full:matrix=709:range=limited,format=yuv420p,"
    "setparams=colorspace=bt709:range=tv"
)
FAST = ("-c:v", "libx264", "-preset", "ultrafast")


def small_clip(path: Path, frames: int = 4) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return make_clip(path, *FAST, frames=frames, size=(96, 64), filters=TAGS)


def test_modnet_over_a_folder_with_reports(cli: Cli, modnet_weights: Path, tmp_path: Path) -> None:
    for name in ("clip2.mp4", "clip10.mp4", "sub/clip1.mkv"):
        small_clip(tmp_path / "in" / name)
    model = ("--model", "modnet", "--weights", modnet_weights, "--size", "64", "--smooth", "flow")
    result = cli(
        "video", "in", "-r", "-o", "out", "-w", "alpha,foreground", *model,
        "--json", "--report", "r.html", "-v",
    )  # fmt: skip
    assert result.code == 0, result.err
    records = [json.loads(line) for line in result.out.splitlines()]
    assert [Path(r["input"]).name for r in records[:-1]] == [
        "clip2.mp4",
        "clip10.mp4",
        "clip1.mkv",
    ]
    assert records[-1]["done"] == 3
    assert set(records[0]["seconds"]) >= {"decode", "network", "finish", "encode"}
    assert "device cpu" in result.err
    for stem in ("clip2", "clip10", "sub/clip1"):
        alpha, cutout = (read(tmp_path / f"out/{stem}-{k}.mov") for k in ("alpha", "foreground"))
        assert len(alpha.frames) == len(cutout.frames) == 4
        assert cutout.pixels.startswith("yuva444p")
    assert (tmp_path / "r.html").exists()


@pytest.mark.parametrize("refine", ["none", "guided"])
def test_alpha_is_what_matte_finds_for_the_frame(
    refine: str, cli: Cli, modnet_weights: Path, tmp_path: Path
) -> None:
    """The very frames as pictures, through ``mattecli matte``."""
    for number in range(3):
        picture = np.roll(load(PICTURES / "photos/astronaut.jpg")[:128, :192], number * 3, 1)
        save(tmp_path / f"f_{number}.png", np.ascontiguousarray(picture))
    model = ("--model", "modnet", "--weights", modnet_weights, "--size", "64", "--refine", refine)
    assert (
        cli("matte", *sorted(tmp_path.glob("f_*.png")), "-o", "m", "-w", "alpha", *model).code == 0
    )
    assert cli("video", "f_%d.png", "-o", "v/%d.png", "-w", "alpha", *model).code == 0
    for number in range(3):
        still = load(tmp_path / f"m/f_{number}-alpha.png")
        moving = load(tmp_path / f"v/{number + 1}.png")
        np.testing.assert_array_equal(moving, still)


@pytest.mark.slow
def test_a_solver_with_a_trimap_video(cli: Cli, tmp_path: Path) -> None:
    small_clip(tmp_path / "c.mp4", 2)
    trimap = np.zeros((64, 96), np.uint8)
    trimap[10:54, 20:76] = 128
    trimap[24:40, 36:60] = 255
    for number in range(2):
        save(tmp_path / f"t/{number}.png", trimap)
    result = cli("video", "c.mp4", "-o", "o.mov", "--model", "closed-form", "--trimap", "t")
    assert result.code == 0, result.err
    assert len(read(tmp_path / "o.mov").frames) == 2


def test_names_cannot_become_options_protocols_or_patterns(cli: Cli, tmp_path: Path) -> None:
    names = [
        "-vf.mp4", "a b'c\"d.mp4", "line\nbreak.mp4", "%d.mp4", "http:x.mp4", "concat:a|b.mp4",
        "[x].mp4", "é" * 100 + ".mp4", os.fsdecode(b"\xff\xfe.mp4"), "n" * 251 + ".mp4",
    ]  # fmt: skip
    master = small_clip(tmp_path / "master.mp4", 2)
    folder = tmp_path / "in"
    folder.mkdir()
    for name in names:
        (folder / name).write_bytes(master.read_bytes())
    done = run_video(folder, tmp_path / "out", ("alpha",))
    assert done.report.done == len(names), [item.error for item in done.watcher.items]
    assert len(list((tmp_path / "out").iterdir())) == len(names)
    for item in done.watcher.items:
        assert len(read(Path(item.outputs["alpha"])).frames) == 2


def test_what_is_planned_is_listed_and_nothing_done(cli: Cli, tmp_path: Path) -> None:
    small_clip(tmp_path / "a.mp4")
    small_clip(tmp_path / "a.mkv")
    result = cli(
        "video", "a.mp4", "a.mkv", "-o", "out", "-w", "foreground", "-w", "composite", "--dry-run"
    )
    assert result.code == 0
    for planned in ("a_mp4-foreground.mov", "a_mkv-foreground.mov", "a_mp4-composite.mp4"):
        assert planned in result.err
    assert not (tmp_path / "out").exists()


def test_what_is_there_is_skipped(tmp_path: Path) -> None:
    clip = small_clip(tmp_path / "a.mp4")
    out = tmp_path / "o.mov"
    assert run_video(clip, out, ("alpha",)).report.done == 1
    before = out.stat().st_mtime_ns
    assert run_video(clip, out, ("alpha",), existing="skip").report.skipped == 1
    assert run_video(clip, out, ("alpha",), existing="error").report.failed == 1
    assert out.stat().st_mtime_ns == before
    frames = tmp_path / "f" / "%d.png"
    assert run_video(clip, frames, ("alpha",)).report.done == 1
    assert run_video(clip, frames, ("alpha",), existing="skip").report.skipped == 1


def test_images_that_are_read_are_not_overwritten(tmp_path: Path) -> None:
    for number in range(3):
        save(tmp_path / f"f_{number}.png", np.full((32, 48, 3), 100, np.uint8))
    for given in (tmp_path, tmp_path / "f_%d.png"):
        with pytest.raises(UsageError, match="would overwrite"):
            run_video(given, tmp_path / "f_%d.png", ("alpha",))


def test_earlier_outputs_in_a_folder_are_no_inputs(tmp_path: Path) -> None:
    small_clip(tmp_path / "a.mp4")
    for _ in range(2):
        done = run_video(tmp_path, tmp_path, ("alpha",))
        assert [Path(item.source).name for item in done.watcher.items] == ["a.mp4"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("a.mp4", "-o", "a.mp4"), "would overwrite the input"),
        (("a.mp4", "-o", "x.avi"), "videos cannot be written as .avi"),
        (("a.mp4", "-o", "x.png"), "a video needs many images"),
        (("a.mp4", "a.mp4", "b.mp4", "-o", "x.mov"), "takes one video"),
        (
            ("a.mp4", "-o", "-", "-w", "alpha,fill"),
            "takes one video, there is 1 input and 2 kinds of output (alpha, fill)",
        ),
        (("a.mp4", "-o", "-", "--format", "mov"), "standard output cannot take .mov"),
        (("a.mp4", "-o", "x", "--format", "nut"), "is for standard output"),
        (("a.mp4", "-w", "mask"), "'mask' is not one of"),
        (("a.mp4", "--piece-frames", "0"), "makes no sense"),
        (("a.mp4", "-o", "x.mp4"), "or -w composite --background-fill COLOUR, or -w alpha"),
        (("a.mp4", "-o", "x/%d.jpg"), "frames are not written as jpeg; use png, tiff or exr"),
        (("a.mp4", "--start", "later"), "is no time"),
        (("a.mp4", "--start", "3", "--end", "2"), "--end lies before --start"),
        (("-", "-o", "x.mov", "--resume"), "--resume is not for standard input"),
        (("a.mp4", "-o", "-", "--resume"), "--resume is not for standard output"),
        (("a.mp4", "--crf", "99"), "makes no sense"),
        (("a.mp4", "--model", "modnet", "--refine", "dim"), "--refine dim is for photos"),
        (("a.mp4", "--model", "bgmv2"), "needs a photo of the empty background"),
        ((), "there is no input"),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...], reason: str, shell: Cli, tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).write_bytes(b"x")
    result = shell("video", *arguments)
    assert result.code == 2, result.err
    assert reason in " ".join(result.err.split())
    assert "Traceback" not in result.err


def test_weights_that_are_not_here(cli: Cli, tmp_path: Path) -> None:
    small_clip(tmp_path / "a.mp4")
    result = cli("video", "a.mp4", "-o", "o.mov", "--model", "modnet:webcam")
    assert result.code == 3
    assert "models pull" in result.err


@pytest.mark.parametrize(
    ("text", "seconds"), [("12.5", 12.5), ("1:02", 62), ("01:00:00.25", 3600.25)]
)
def test_times(text: str, seconds: float) -> None:
    assert float(parse_time(text, "--start")) == seconds


def test_help_needs_neither_torch_nor_ffmpeg(shell: Cli) -> None:
    result = shell("video", "--help")
    assert result.code == 0
    for word in ("--resume", "--smooth", "--background-end", "--start", "--stall-timeout"):
        assert word in result.out.decode()


def test_progress_in_a_log_says_rate_and_time_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from mattecli.cli import progress, video_progress
    from mattecli.jobs.video import Progress
    from mattecli.settings import RunOptions

    monkeypatch.setattr(progress, "_LOG_SECONDS", 0.0)
    console = video_progress.VideoConsole(RunOptions())
    console.frames(Progress(source="a.mp4", done=150, total=400, resumed=50, seconds=10.0))
    assert capsys.readouterr().err == "a.mp4: 150 of 400 frames, 10.0 a second, 25 s left\n"
    console.frames(Progress(source="-", done=30, total=None, seconds=10.0))
    assert capsys.readouterr().err == "-: 30 frames, 3.0 a second\n"
    quiet = video_progress.VideoConsole(RunOptions(quiet=True))
    quiet.frames(Progress(source="a.mp4", done=1, total=2, seconds=1.0))
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("command", ["video", "matte"])
def test_a_dry_run_tells_of_a_folder_with_nothing_in_it(
    command: str, cli: Cli, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    done = cli(command, "empty", "-o", "out/", "--dry-run")
    assert done.code == 1
    assert done.err.startswith("failed: empty: there is no ")
