"""Which videos and sequences of images are taken from arguments, folders and lists."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path, PurePath

import pytest

from mattecli.errors import UsageError
from mattecli.jobs.video_inputs import find_videos
from mattecli.media.sources import Source
from mattecli.settings import InputOptions
from mattecli.settings.video import VideoOptions
from tests.conftest import save
from tests.faults import program, run
from tests.video_clips import make_clip, picture, take_all

SIZE = (96, 64)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def make(*names: str) -> None:
    for name in names:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def sources(*inputs: str, recursive: bool = True, files_from: str | None = None) -> list[Source]:
    options = InputOptions(inputs=inputs, recursive=recursive, files_from=files_from)
    return find_videos(VideoOptions(source=options), "out")


def found(*inputs: str, recursive: bool = True) -> list[tuple[str, str]]:
    listed = sources(*inputs, recursive=recursive)
    assert all(source.error is None for source in listed)
    return [(str(source.path), source.folder.as_posix()) for source in listed]


def test_videos_come_with_their_folders_in_natural_order() -> None:
    make("in/b10.mp4", "in/b2.mp4", "in/a/deep/c.mov", "in/a/c.mkv", "in/.h/x.mp4", "in/x.txt")
    make("out/old.mp4", "in/b2-alpha.mp4", "in/b2-fill.partial.mov", "in/other-alpha.mp4")
    Path("in/folder.mp4").mkdir()
    assert found("in", recursive=False) == [
        ("in/b2.mp4", "."),
        ("in/b10.mp4", "."),
        ("in/other-alpha.mp4", "."),
    ]
    assert found("in")[3:] == [("in/a/c.mkv", "a"), ("in/a/deep/c.mov", "a/deep")]
    assert ("out/old.mp4", "out") not in found(".")


def test_sequences_are_taken_where_there_is_no_video() -> None:
    make("in/s2/1.png", "in/s10/1.jpg", "in/s2-alpha/1.png", "in/empty/x.txt", "in/deep/t/1.exr")
    assert found("in") == [("in/deep/t", "deep"), ("in/s2", "."), ("in/s10", ".")]
    assert found("in/s2", recursive=False) == [("in/s2", ".")]
    (nothing,) = sources("in", recursive=False)
    assert "there is no video and no image in this folder" in str(nothing.error)
    make("in/clip.mp4")
    assert found("in") == [("in/clip.mp4", ".")]


@pytest.mark.parametrize("name", ["clip.mp4", "1.png"])
def test_linked_folders_are_searched_once(name: str) -> None:
    make(f"in/a/{name}", f"in/b/{name}", f"elsewhere/{name}")
    Path("in/a/up").symlink_to("..", target_is_directory=True)
    Path("in/b/again").symlink_to("../a", target_is_directory=True)
    Path("in/c").symlink_to("../elsewhere", target_is_directory=True)
    taken = [str(source.path) for source in sources("in")]
    folders = ["in/a", "in/b", "in/c"]
    assert taken == (folders if name == "1.png" else [f"{folder}/{name}" for folder in folders])


def test_what_is_named_and_matched() -> None:
    make("a.mp4", "b.mp4", "b.txt", "[c].mp4", "c.mp4")
    assert [path for path, _ in found("gone.mp4", "a.mp4", "[c].mp4", "?.mp4")] == [
        *("gone.mp4", "a.mp4", "[c].mp4", "b.mp4", "c.mp4"),
    ]
    (nothing,) = sources("x*.mp4")
    assert "no video matches" in str(nothing.error)
    for name in ("", "a\0b"):
        with pytest.raises(UsageError):
            sources(name)


@pytest.mark.parametrize("command", [("trimap", "--dilate", "3"), ("video", "-o", "x.mov")])
def test_standard_input_is_not_both_a_list_and_an_input(
    command: tuple[str, ...], tmp_path: Path
) -> None:
    done = subprocess.run(
        [*program(*command), "-", "--files-from", "-"],
        input="a.mp4\n", cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "standard input cannot be both an input and the list of files" in done.stderr


def test_a_list_names_files_and_folders() -> None:
    make("in/a.mp4", "b.mp4")
    Path("list.txt").write_text("b.mp4\nin\nin/a.mp4\n")
    listed = sources(files_from="list.txt")
    assert [(str(source.path), source.folder) for source in listed] == [
        ("b.mp4", PurePath()),
        ("in/a.mp4", PurePath()),
    ]


@pytest.mark.parametrize("content", ["clip.mkv", "1.png", ""])
def test_a_folder_that_may_not_be_read_fails_alone(content: str, tmp_path: Path) -> None:
    make("in/a/x", "in/locked/x", "in/z/x")
    for folder in ("in/a", "in/z"):
        if content.endswith(".mkv"):
            make_clip(Path(folder, content), "-c:v", "ffv1", frames=2, size=SIZE)
        elif content:
            save(Path(folder, content), picture(1, *SIZE))
    words = ("-w", "alpha", *take_all(tmp_path, SIZE), "--json")
    Path("in/locked").chmod(0)
    try:
        done = run(program("video", "in", "-r", "-o", "made/", *words), tmp_path)
    finally:
        Path("in/locked").chmod(0o755)
    *records, summary = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1
    errors = {record["input"]: record["error"] for record in records}
    cause = "in/locked: the folder cannot be read (Permission denied); change its permissions"
    assert errors.pop("in/locked") == cause
    ends = {"clip.mkv": "/clip.mkv", "1.png": ""}
    assert errors == ({f"in/{name}{ends[content]}": None for name in "az"} if content else {})
    assert (summary["done"], summary["failed"]) == (2 if content else 0, 1)
