"""Work folders of videos: what is journalled is there, also when the disk fills up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mattecli.errors import VideoWriteError
from mattecli.media.video.piece import Piece
from mattecli.media.video.workfolder import WorkFolder
from tests.faults import mounted

PAGE = 4096
PRINT = "f" * (PAGE - 32)
"""With it a journal's first line leaves no room for a second on its page."""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with mounted(tmp_path / "disk", "size=256k") as folder:
        yield folder


def piece_in(folder: WorkFolder, first: int, name: str) -> Piece:
    """A completed piece of two frames."""
    piece = Piece(name=name, first=first, frames=2, start=first, end=first + 1)
    (folder.path / name).write_bytes(b"frames")
    folder.add(piece)
    return piece


def part_of(target: Path, first: int) -> Path:
    """The folder of a part that another run has made."""
    part = WorkFolder(target, PRINT, resume=False, part=first)
    piece_in(part, first, f"{first:09d}.mov")
    part.close()
    return part.path


def fill(folder: Path) -> Path:
    """A file that takes what room there is."""
    path = folder / "ballast"
    with path.open("wb", buffering=0) as stream:
        try:
            while True:
                stream.write(bytes(PAGE))
        except OSError:
            return path


def test_parts_are_taken_over_in_their_order(tmp_path: Path) -> None:
    target = tmp_path / "o.mov"
    parts = [part_of(target, first) for first in (0, 2, 6)]
    folder = WorkFolder(target, PRINT, resume=True)
    folder.adopt()
    assert [piece.first for piece in folder.pieces] == [0, 2]  # from 4 on there is a gap
    assert folder.frames == 4
    assert not any(part.exists() for part in parts)
    folder.close()
    again = WorkFolder(target, PRINT, resume=True)
    assert [piece.name for piece in again.pieces] == ["000000000.mov", "000000002.mov"]
    again.remove()
    assert list(tmp_path.iterdir()) == []


def test_a_part_that_is_still_at_work_is_left_alone(tmp_path: Path) -> None:
    target = tmp_path / "o.mov"
    part = WorkFolder(target, PRINT, resume=False, part=0)
    piece_in(part, 0, "000000000.mov")
    folder = WorkFolder(target, PRINT, resume=True)
    folder.adopt()
    assert folder.pieces == []
    part.close()
    folder.adopt()
    assert folder.frames == 2
    folder.remove()


def test_a_full_disk_is_said_and_pieces_stay_with_their_part(disk: Path) -> None:
    target = disk / "o.mov"
    part = part_of(target, 0)
    folder = WorkFolder(target, PRINT, resume=True)
    ballast = fill(disk)
    with pytest.raises(VideoWriteError, match="the disk is full"):
        folder.adopt()
    assert (folder.pieces, folder.frames) == ([], 0)
    assert (part / "000000000.mov").exists()
    ballast.unlink()
    folder.adopt()
    assert folder.frames == 2
    folder.close()
    again = WorkFolder(target, PRINT, resume=True)
    assert again.frames == 2
    again.close()


def test_a_full_disk_leaves_no_half_line_and_lets_the_folder_go(disk: Path) -> None:
    folder = WorkFolder(disk / "o.mov", PRINT, resume=False)
    (folder.path / "000000000.mov").write_bytes(b"frames")
    journal = folder.path / "journal.jsonl"
    before = journal.read_bytes()
    fill(disk)
    with pytest.raises(VideoWriteError, match="the disk is full"):
        piece_in(folder, 0, "000000000.mov")
    assert journal.read_bytes() == before
    assert folder.frames == 0
    folder.close()
    assert not folder.path.exists()


def test_pieces_made_in_place_of_a_lost_one_are_found_again(tmp_path: Path) -> None:
    target = tmp_path / "o.mov"
    folder = WorkFolder(target, PRINT, resume=False)
    for first in (0, 2, 4):
        piece_in(folder, first, f"{first:09d}.mov")
    folder.close()
    (folder.path / "000000002.mov").unlink()
    again = WorkFolder(target, PRINT, resume=True)
    assert [piece.first for piece in again.pieces] == [0]
    for first in (2, 4):
        piece_in(again, first, f"{first:09d}.mov")
    again.close()
    third = WorkFolder(target, PRINT, resume=True)
    assert [piece.first for piece in third.pieces] == [0, 2, 4]
    third.remove()
