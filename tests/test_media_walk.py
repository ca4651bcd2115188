"""Walks through folders: order, links, cycles, and folders that cannot be read."""

from __future__ import annotations

from pathlib import Path, PurePath

from mattecli.media.patterns import real_name
from mattecli.media.walk import Folder, visible_entries, walk
from tests.faults import program, run


def make(top: Path, *names: str) -> Path:
    for name in names:
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return top


def below(*folders: Folder) -> list[str]:
    return [folder.below.as_posix() for folder in folders]


def test_folders_come_in_natural_order_each_before_its_subfolders(tmp_path: Path) -> None:
    top = make(tmp_path, "f10/x", "f2/deep/x", "f2/x", "F3/x", ".hidden/x", "b.txt", ".c")
    folders = list(walk(top, recursive=True))
    assert below(*folders) == [".", "f2", "f2/deep", "F3", "f10"]
    assert [entry.name for entry in folders[0].entries] == ["b.txt", "f2", "F3", "f10"]
    assert [entry.name for entry in visible_entries(top)] == ["b.txt", "f2", "F3", "f10"]
    assert below(*walk(top, recursive=False)) == ["."]
    assert below(*walk(top / "f2", PurePath("f2"), recursive=True)) == ["f2", "f2/deep"]


def test_links_are_followed_and_cycles_end(tmp_path: Path) -> None:
    top = make(tmp_path / "in", "a/x", "b/x")
    make(tmp_path / "elsewhere", "deep/x")
    (top / "a" / "up").symlink_to("..", target_is_directory=True)
    (top / "b" / "a again").symlink_to("../a", target_is_directory=True)
    (top / "c").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (top / "itself").symlink_to("itself")
    (top / "nowhere").symlink_to("gone")
    assert below(*walk(top, recursive=True)) == [".", "a", "b", "c", "c/deep"]


def test_folders_may_be_left_out(tmp_path: Path) -> None:
    top = make(tmp_path, "a/x", "b/x", "c/x")
    (top / "link").symlink_to("a", target_is_directory=True)
    out = {real_name(top / "a")}
    assert below(*walk(top, recursive=True, excluded=out)) == [".", "b", "c"]
    assert below(*walk(top / "a", recursive=True, excluded=out)) == ["."]
    last = list(walk(top, recursive=True, entered=lambda folder: folder.entries[-2:]))
    assert below(*last) == [".", "c", "link"]


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    (folder,) = walk(tmp_path / "gone", recursive=True)
    assert isinstance(folder.error, FileNotFoundError)
    assert not folder.entries


_WALK = """
import sys
from pathlib import Path
from mattecli.media.walk import walk
for folder in walk(Path(sys.argv[1]), recursive=True):
    print(folder.below, len(folder.entries), folder.error and folder.error.strerror)
"""


def test_a_folder_that_may_not_be_read_does_not_end_the_walk(tmp_path: Path) -> None:
    top = make(tmp_path / "in", "a/x", "listed/deep/x", "locked/x", "z/x")
    (top / "locked").chmod(0)
    (top / "listed").chmod(0o444)  # names may be read, but not what they stand for
    python = program()[:-2]
    try:
        done = run([*python, "-c", _WALK, str(top)], tmp_path)
    finally:
        for name in ("locked", "listed"):
            (top / name).chmod(0o755)
    assert done.stdout.splitlines() == [
        ". 4 None",
        "a 1 None",
        "listed 1 None",
        "locked 0 Permission denied",
        "z 1 None",
    ], done.stderr
