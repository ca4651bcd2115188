"""Links in the output folder lead no output elsewhere; pipes and strange files hold no run up."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import Cli, load, photo, save
from tests.faults import mounted
from tests.test_bad_surroundings import started
from tests.test_cli_journal import statuses
from tests.video_clips import make_clip

MASK = np.zeros((20, 30), np.uint8)
MASK[5:15, 8:20] = 255
JOURNAL = ".mattecli-journal.jsonl"


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A file and folders that no command is told of."""
    for name in ("folder/sub", "out"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "folder" / "mine.txt").write_text("mine")
    return tmp_path / "folder"


@pytest.fixture
def masks(tmp_path: Path) -> Path:
    for name in ("a.png", "sub/b.png"):
        save(tmp_path / "masks" / name, MASK)
    return tmp_path / "masks"


def untouched(folder: Path) -> bool:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return files == [folder / "mine.txt"] and files[0].read_text() == "mine"


def test_a_link_under_an_outputs_name_is_replaced(cli: Cli, masks: Path, elsewhere: Path) -> None:
    output = Path("out", "a-trimap.png")
    output.symlink_to(elsewhere / "mine.txt")
    assert cli("trimap", masks / "a.png", "-o", "out").code == 0
    assert not output.is_symlink()
    assert load(output).shape == MASK.shape
    assert untouched(elsewhere)


def test_a_pipe_under_an_outputs_name_is_replaced(cli: Cli, masks: Path, elsewhere: Path) -> None:
    output = Path("out", "a-trimap.png")
    os.mkfifo(output)
    assert cli("trimap", masks / "a.png", "-o", "out").code == 0
    assert output.is_file()


def test_a_linked_subfolder_is_not_written_to(cli: Cli, masks: Path, elsewhere: Path) -> None:
    Path("out", "sub").symlink_to(elsewhere / "sub")
    done = cli("trimap", masks, "-r", "-o", "out")
    assert done.code == 1
    assert "out/sub/b-trimap.png: a symbolic link in the output folder leads out of it" in done.err
    assert load(Path("out", "a-trimap.png")).shape == MASK.shape
    assert untouched(elsewhere)


def test_a_linked_subfolder_within_the_folder_is_written_to(
    cli: Cli, masks: Path, elsewhere: Path
) -> None:
    Path("out", "real").mkdir()
    Path("out", "sub").symlink_to("real")
    assert cli("trimap", masks, "-r", "-o", "out").code == 0
    assert load(Path("out", "real", "b-trimap.png")).shape == MASK.shape


def test_what_the_user_named_may_be_a_link(cli: Cli, masks: Path, elsewhere: Path) -> None:
    Path("linked").symlink_to("out")
    assert cli("trimap", masks, "-o", "linked").code == 0
    assert Path("out", "a-trimap.png").is_file()
    Path("one.png").symlink_to(Path("out", "two.png"))
    assert cli("trimap", masks / "a.png", "-o", "one.png").code == 0
    assert Path("one.png").is_symlink()
    assert load(Path("out", "two.png")).shape == MASK.shape


def test_a_folders_journal_is_kept_in_it(cli: Cli, masks: Path, elsewhere: Path) -> None:
    Path("out", JOURNAL).symlink_to(elsewhere / "mine.txt")
    done = cli("trimap", masks, "-o", "out")
    assert done.code == 0
    assert "journal" in done.err
    assert untouched(elsewhere)


def test_videos_stay_in_their_folder(cli: Cli, tmp_path: Path, elsewhere: Path) -> None:
    (tmp_path / "clips" / "sub").mkdir(parents=True)
    clip = make_clip(tmp_path / "clips" / "sub" / "c.mp4", frames=2, size=(64, 64))
    Path("out", "sub").symlink_to(elsewhere / "sub")
    done = cli("video", "clips", "-r", "-o", "out", "-w", "alpha", "--size", "64")
    assert done.code == 1
    assert "leads out of it" in done.err
    frames = Path("out", "c-alpha")
    frames.symlink_to(elsewhere / "sub")
    done = cli("video", clip, "-o", "out", "-w", "alpha", "--size", "64", "--format", "png")
    assert done.code == 1
    frames.unlink()
    frames.mkdir()
    (frames / "000001.png").symlink_to(elsewhere / "mine.txt")
    done = cli("video", clip, "-o", "out", "-w", "alpha", "--size", "64", "--format", "png")
    assert done.code == 0, done.err
    assert not (frames / "000001.png").is_symlink()
    assert untouched(elsewhere)


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("masks/a.png", "the journal would take the place of an image"),
        ("out/a-trimap.png", "the journal would take the place of an image"),
        ("run.jsonl", "the journal would take the place of the report"),
        ("folder/mine.txt", "it is there, and is no journal"),
        ("pipe", "the journal cannot be used ("),
        ("/dev/zero", "the journal cannot be used ("),
        ("folder", "the journal cannot be used ("),
    ],
)
def test_a_journal_takes_nothings_place(
    cli: Cli, masks: Path, elsewhere: Path, name: str, cause: str
) -> None:
    os.mkfifo("pipe")
    before = (masks / "a.png").read_bytes()
    again = ("trimap", masks, "-o", "out", "--journal", name, "--report", "run.jsonl")
    for more in ((), ("--existing", "skip")):
        done = cli(*again, *more)
        assert (done.code, cause in done.err) == (2, True), done.err
    assert (masks / "a.png").read_bytes() == before
    assert untouched(elsewhere)


def test_two_reports_take_two_places(cli: Cli, masks: Path) -> None:
    done = cli("trimap", masks, "-o", "out", "--report", "r.jsonl", "--report", "./r.jsonl")
    assert done.code == 2
    assert "would take the place of the report" in done.err


def test_damage_to_a_journal_is_said(cli: Cli, masks: Path) -> None:
    again = ("trimap", masks, "-o", "out", "--existing", "skip")
    cli(*again)
    journal = Path("out", JOURNAL)
    journal.write_bytes(b"\xff junk\n" + journal.read_bytes() + b'{"input": "torn')
    assert f"out/{JOURNAL}: 2 lines of the journal make no sense" in cli(*again).err


def test_nothing_to_do_is_said(cli: Cli, masks: Path) -> None:
    assert cli("trimap", masks, "-o", "out").code == 0
    done = cli("trimap", masks, "-o", "out", "--retry-failed")
    assert (done.code, "there was nothing to do" in done.err) == (0, True)


@pytest.fixture
def cutout(tmp_path: Path) -> Path:
    rgba = np.dstack([np.repeat(MASK[..., None], 3, axis=2), MASK])
    return save(tmp_path / "cutouts" / "a.png", rgba)


def kept(cutout: Path, format: str) -> list[str | Path]:
    """A command line that leaves a sound output as it is."""
    where = ["-b", "red", "-o", "out", "--format", format]
    return ["composite", cutout, *where, "--existing", "skip"]


@pytest.mark.parametrize("damage", ["empty", "junk", "cut off"])
@pytest.mark.parametrize("format", ["png", "jpg", "webp", "tiff"])
def test_what_was_damaged_since_is_made_again(
    cli: Cli, cutout: Path, damage: str, format: str
) -> None:
    again = kept(cutout, format)
    assert cli(*again).code == 0
    output = Path("out", f"a-composite.{format}")
    whole = output.read_bytes()
    less = len(whole) // 2 if format == "tiff" else len(whole) - 3
    output.write_bytes({"empty": b"", "junk": b"junk" * 99, "cut off": whole[:less]}[damage])
    done = cli(*again)
    assert f"{output} was damaged, and is made again" in done.err
    assert output.read_bytes() == whole
    save(Path("mine.png"), np.flipud(MASK))
    mine = Path("mine.png").read_bytes()
    output.write_bytes(mine)  # whoever changes a picture by hand keeps it
    cli(*again)
    assert output.read_bytes() == mine


@pytest.mark.parametrize("format", ["png", "jpg", "webp"])
def test_what_others_add_to_a_picture_is_no_damage(cli: Cli, cutout: Path, format: str) -> None:
    again = kept(cutout, format)
    assert cli(*again).code == 0
    output = Path("out", f"a-composite.{format}")
    output.write_bytes(output.read_bytes() + bytes(999))
    longer = output.read_bytes()
    assert "damaged" not in cli(*again).err
    assert output.read_bytes() == longer


def test_a_folder_that_may_not_be_written_costs_no_work(cli: Cli, tmp_path: Path) -> None:
    save(tmp_path / "in" / "a.png", photo(64, 64))
    with mounted(tmp_path / "disk", "ro"):
        done = cli("matte", "in", "--size", "64", "-o", "disk/mattes", "--json")
    assert done.code == 1
    record = json.loads(done.out.splitlines()[0])
    assert "the file system is read-only" in record["error"]
    assert "network" not in record["seconds"]


def test_a_place_without_a_size_is_not_full(cli: Cli, masks: Path) -> None:
    done = cli("trimap", masks, "-o", "/proc/trimaps")
    assert done.code == 1
    assert "full" not in done.err


def test_a_pipe_nobody_writes_to_ends_with_the_first_signal(masks: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    inputs = ("trimap", masks / "a.png", "pipe.png", "-o", "out", "--json")
    with started(tmp_path, *inputs) as process:
        deadline = time.monotonic() + 60
        while not (tmp_path / "out" / "a-trimap.png").exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "interrupted" in err
    assert json.loads(out.splitlines()[0])["status"] == "done"


def test_standard_input_that_never_ends_ends_with_the_first_signal(tmp_path: Path) -> None:
    import subprocess
    import sys

    with subprocess.Popen(
        [sys.executable, "-m", "mattecli", "trimap", "-", "-o", "out.png"],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        time.sleep(2)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130


def test_a_slow_writer_is_waited_for(cli: Cli, masks: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    data = (masks / "a.png").read_bytes()

    def write() -> None:
        time.sleep(0.5)
        with (tmp_path / "pipe.png").open("wb", buffering=0) as pipe:
            for part in (data[:30], data[30:]):
                pipe.write(part)
                time.sleep(0.3)

    writer = threading.Thread(target=write)
    writer.start()
    assert cli("trimap", "pipe.png", "-o", "out.png").code == 0
    writer.join()
    assert load(tmp_path / "out.png").shape == MASK.shape


def test_a_pipe_is_given_up_in_time(cli: Cli, masks: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    inputs = ("trimap", "pipe.png", masks / "a.png", "-o", "out", "--json", "--timeout", "1")
    assert statuses(cli(*inputs)) == ["failed", "done"]
