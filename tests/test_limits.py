"""Bounds on files, frames, open files and room on the disk: each refused in one line."""

from __future__ import annotations

import json
import re
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mattecli.errors import ImageReadError
from mattecli.media.images import read_picture
from tests.conftest import Cli, outputs_in, photo, save
from tests.faults import mounted, program, run
from tests.media_samples import RGB, pil, tiff
from tests.video_clips import make_clip


def cutouts(folder: Path, count: int) -> Path:
    for number in range(count):
        color = photo(64, 64, seed=number)
        save(folder / f"p{number}.png", np.dstack([color, 255 - color[..., 0]]))
    return folder


def test_room_that_shall_stay_free_is_checked_before(cli: Cli, tmp_path: Path) -> None:
    cutouts(tmp_path / "in", 2)
    done = cli("composite", "in", "-o", "out/", "--min-free", "900TB")
    assert done.code == 1
    assert done.err.startswith("mattecli: out: its disk has ")
    assert "less than --min-free 900TB; free some space, or choose another" in done.err
    assert not (tmp_path / "out").exists()
    assert cli("composite", "in", "--min-free", "much").code == 2


def test_room_that_shall_stay_free_stays_free(tmp_path: Path) -> None:
    cutouts(tmp_path / "in", 40)
    with mounted(tmp_path / "disk", "size=400k") as disk:
        done = run(program("composite", "in", "-o", "disk/out/", "--min-free", "200k"), tmp_path)
        assert done.returncode == 1
        failed = [line for line in done.stderr.splitlines() if line.startswith("failed")]
        assert failed
        assert all("the disk is nearly full (--min-free); free some space" in x for x in failed)
        assert len(outputs_in(disk / "out")) == 40 - len(failed) > 0
        left = subprocess.run(
            ["df", "--output=avail", "-B1", disk], capture_output=True, text=True, check=True
        )
        assert (
            int(left.stdout.split()[1]) >= 200_000 - 40_000
        )  # the journal, and what was written meanwhile


def test_a_report_that_its_disk_cannot_hold_costs_no_photo(tmp_path: Path) -> None:
    cutouts(tmp_path / "in", 40)
    with mounted(tmp_path / "disk", "size=8k") as disk:
        command = program("composite", "in", "-o", "out/", "--json", "-q")
        done = run([*command, "--report", "disk/r.jsonl", "--report", "r.jsonl"], tmp_path)
        left = list(disk.iterdir())
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "failed: disk/r.jsonl: the report cannot be written (No space left on device)"
    ]
    assert len(outputs_in(tmp_path / "out")) == 40
    assert left == []
    *records, summary = [json.loads(line) for line in done.stdout.splitlines()]
    assert [record["status"] for record in records] == ["done"] * 40
    assert (summary["done"], summary["failed"], summary["exit_status"]) == (40, 0, 1)
    assert summary["unwritten"] == [done.stderr.strip().removeprefix("failed: ")]
    other = [json.loads(line) for line in (tmp_path / "r.jsonl").read_text().splitlines()]
    assert len(other) == 41


def test_what_is_there_already_does_not_hide_a_small_disk(tmp_path: Path) -> None:
    """What is skipped is not counted among what is done of the rest."""
    cutouts(tmp_path / "in", 90)
    command = program("composite", "in", "-o", "disk/")
    with mounted(tmp_path / "disk", "size=4m") as disk:
        for shard in ("0/3", "1/3"):
            assert run([*command, "--shard", shard], tmp_path).returncode == 0
        taken = sum(path.stat().st_blocks * 512 for path in disk.iterdir())
    with mounted(tmp_path / "disk", f"size={taken * 85 // 60}"):  # room for 25 more
        for shard in ("0/3", "1/3"):
            run([*command, "--shard", shard], tmp_path)
        rest = run([*command, "--existing", "skip", "--workers", "1"], tmp_path)
    assert "the disk will be full before the end" in rest.stderr
    assert "the 10 inputs that are left" in rest.stderr


def test_a_disk_that_will_not_do_is_told_early(tmp_path: Path) -> None:
    cutouts(tmp_path / "in", 60)
    with mounted(tmp_path / "disk", "size=400k"):
        done = run(program("composite", "in", "-o", "disk/", "--workers", "1"), tmp_path)
    lines = done.stderr.splitlines()
    (told,) = [line for line in lines if line.startswith("the disk will be full before the end")]
    assert lines.index(told) < [line.startswith("failed") for line in lines].index(True)


def test_a_video_leaves_the_room_that_shall_stay_free(
    cli: Cli, tmp_path: Path, modnet_weights: Path
) -> None:
    make_clip(tmp_path / "c.mp4", frames=4, size=(64, 48))
    common = ("video", "c.mp4", "-o", "o.mkv", "--size", "64", "--weights", modnet_weights)
    done = cli(*common, "--model", "modnet", "--min-free", "900TB")
    assert done.code == 1
    assert "failed: o.mkv: the disk is nearly full (--min-free); free some space" in done.err


@pytest.mark.parametrize("most", ["3", "7"])
def test_a_video_of_too_many_frames(
    cli: Cli, tmp_path: Path, modnet_weights: Path, most: str
) -> None:
    make_clip(tmp_path / "c.mkv", "-c:v", "ffv1", frames=8, size=(64, 48))
    common = ("video", "c.mkv", "-o", "o.mkv", "--size", "64", "--weights", modnet_weights)
    done = cli(*common, "--model", "modnet", "--max-frames", most)
    assert done.code == 1
    assert f"failed: c.mkv: it has more than {most} frames; raise --max-frames" in done.err
    assert not (tmp_path / "o.mkv").exists()
    assert cli(*common, "--model", "modnet", "--max-frames", "0").code == 2


@pytest.mark.parametrize("kind", ["png", "jpeg", "tiff"])
def test_a_file_far_larger_than_its_picture_is_refused_unread(tmp_path: Path, kind: str) -> None:
    data = tiff(RGB, photometric="rgb") if kind == "tiff" else pil(RGB, kind)
    path = tmp_path / "p"
    with path.open("wb") as stream:
        stream.write(data)
        stream.truncate(1 << 32)  # sparse: it takes no room
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ImageReadError, match="no picture of the permitted size needs"):
        read_picture(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


def test_too_many_open_files_are_said(tmp_path: Path) -> None:
    cutouts(tmp_path / "in", 8)
    script = (
        "import resource, sys\n"
        "from mattecli.cli.app import run\n"
        "import mattecli.jobs.composite, os\n"
        "held = [os.dup(2) for _ in range(20)]\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (max(held) + 1,) * 2)\n"
        "sys.exit(run(sys.argv[1:]))\n"
    )
    command = [sys.executable, "-c", script, "composite", "in", "-o", "out/", "--journal", "none"]
    done = run(command, tmp_path)
    assert done.returncode == 1
    assert re.search(r"^mattecli: .*too many (open )?files", done.stderr, re.I | re.M) or (
        "too many files are open; use fewer --workers, or raise 'ulimit -n'" in done.stderr
    )
    assert "Traceback" not in done.stderr


def test_few_open_files_suffice(tmp_path: Path) -> None:
    cutouts(tmp_path / "in", 30)
    command = ["sh", "-c", 'ulimit -n 32; exec "$@"', "sh", *program("composite", "in")]
    done = run(command, tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(outputs_in(tmp_path / "composites")) == 30
