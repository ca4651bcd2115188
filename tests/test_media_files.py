"""Writing files: whole or not at all, with nothing left behind."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mattecli.errors import ImageWriteError
from mattecli.media.files import atomic_path, write_atomically
from mattecli.media.leftovers import remove_leftovers, temporary_name
from mattecli.media.stores.place import as_path

needs_locks = pytest.mark.skipif(
    not Path("/proc/sys/kernel/random/boot_id").exists(), reason="this system has no id of its own"
)


def test_a_file_is_written_with_its_folders(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folders" / "file.png"
    write_atomically(path, b"data")
    assert path.read_bytes() == b"data"
    assert [entry.name for entry in path.parent.iterdir()] == ["file.png"]


def test_an_earlier_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"longer than the new one")
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_permissions_follow_the_umask(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        write_atomically(tmp_path / "file", b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o666 & ~mask


@pytest.mark.parametrize(
    "name",
    [
        "x" * 255,
        "é" * 127 + "x",
        os.fsdecode(b"\xff" * 255),
        "-rf",
        "new\nline",
        " ",
        "%s",
        "..x",
        ".part",
    ],
)
def test_hostile_names(tmp_path: Path, name: str) -> None:
    write_atomically(tmp_path / name, b"data")
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


@settings(deadline=None)
@given(st.text(st.characters(exclude_characters="/\0"), min_size=1, max_size=300))
def test_temporary_names_always_fit(name: str) -> None:
    try:
        length = len(os.fsencode(name))
    except UnicodeEncodeError:  # characters that no file name has
        return
    temporary = temporary_name(name)
    assert temporary.startswith(".")
    assert len(os.fsencode(temporary)) <= min(255, length + 24)


def test_the_file_appears_only_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"earlier")
    with atomic_path(path) as temporary:
        temporary.write_bytes(b"half")
        assert path.read_bytes() == b"earlier"
        assert temporary.parent == tmp_path
        assert temporary.name.startswith(".file.")
        assert temporary.suffix == ".part"
    assert path.read_bytes() == b"half"


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_what_goes_wrong_leaves_the_earlier_file(
    tmp_path: Path, error: type[BaseException]
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"earlier")

    def interrupted() -> None:
        with atomic_path(path) as temporary:
            temporary.write_bytes(b"half")
            raise error

    with pytest.raises(error):
        interrupted()
    assert path.read_bytes() == b"earlier"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ENOSPC, r"the disk is full; free some space"),
        (errno.EDQUOT, "quota"),
        (errno.EROFS, "read-only; choose another output folder"),
        (errno.EIO, "Input/output error"),
    ],
)
@pytest.mark.parametrize("call", ["write", "fsync", "replace"])
def test_a_failing_disk_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, reason: str, call: str
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"earlier")

    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    if call == "write":
        monkeypatch.setattr(Path, "write_bytes", fail)
    elif call == "fsync":
        monkeypatch.setattr(os, "fsync", fail)
    else:
        monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(ImageWriteError, match=reason) as caught:
        write_atomically(path, b"new")
    assert str(caught.value).startswith(f"{path}: ")
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
    assert path.read_bytes() == b"earlier"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_really_full_device() -> None:
    with pytest.raises(ImageWriteError, match="the disk is full"):
        write_atomically(Path("/dev/full"), b"data")


def test_a_file_system_that_cannot_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.EINVAL, "cannot")

    monkeypatch.setattr(os, "fsync", fail)
    write_atomically(tmp_path / "file", b"data")
    assert (tmp_path / "file").read_bytes() == b"data"


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    cases = {
        tmp_path / "file" / "below": "a part of its path is a file",
        tmp_path / "file" / "far" / "below": "a part of its path is a file",
        tmp_path / "folder": "it is a folder",
        tmp_path / ("x" * 256): "its name is too long",
        tmp_path / "nul\0": "no file can have this name",
    }
    for path, reason in cases.items():
        with pytest.raises(ImageWriteError, match=reason):
            write_atomically(path, b"data")
    assert {entry.name for entry in tmp_path.iterdir()} == {"file", "folder"}


def test_a_symbolic_link_is_written_through(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "elsewhere" / "target")
    for data in (b"first", b"second"):
        write_atomically(link, data)
        assert link.is_symlink()
        assert (tmp_path / "elsewhere" / "target").read_bytes() == data


def test_a_device_is_written_to_and_stays() -> None:
    write_atomically(Path(os.devnull), b"data")
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)


def test_a_device_does_not_become_a_file() -> None:
    with pytest.raises(ImageWriteError, match="device"), atomic_path(Path(os.devnull)):
        pytest.fail("a temporary file was made")


def test_a_pipe_gets_the_data(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=write_atomically, args=(path, b"data"))
    writer.start()
    assert path.read_bytes() == b"data"
    writer.join()
    assert list(tmp_path.iterdir()) == [path]


def test_many_writers_of_one_name(tmp_path: Path) -> None:
    path = tmp_path / "file"
    whole = [bytes([number]) * 100_000 for number in range(8)]
    threads = [threading.Thread(target=write_atomically, args=(path, data)) for data in whole]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_bytes() in whole
    assert list(tmp_path.iterdir()) == [path]


_WRITER = """
import sys
from pathlib import Path
from mattecli.media.files import atomic_path
with atomic_path(Path(sys.argv[1])) as temporary:
    temporary.write_bytes(b"half")
    print("writing", flush=True)
    sys.stdin.read()
"""


def old(path: Path) -> Path:
    os.utime(path, (0, 0))
    return path


@needs_locks
def test_leftovers_of_killed_runs_go_and_live_ones_stay(tmp_path: Path) -> None:
    bystanders = [".hidden", "file.part", ".file.part", ".file.xyz.part", "file.0123abcd.part"]
    for name in bystanders:
        (tmp_path / name).write_bytes(b"not ours")
        old(tmp_path / name)
    with subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(tmp_path / "out.png")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"writing\n"
        (left,) = tmp_path.glob(".out.png.*.part")
        assert remove_leftovers(old(left).parent) == []
        writer.kill()
    assert left.read_bytes() == b"half"
    assert remove_leftovers(tmp_path) == [left]
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted(bystanders)


@needs_locks
def test_what_is_young_or_of_another_machine_stays(tmp_path: Path) -> None:
    young = tmp_path / temporary_name("out.png")
    young.touch()
    elsewhere = tmp_path / ".out.png.01234567-89abcdef.part"
    elsewhere.touch()
    old(elsewhere)
    folder = tmp_path / temporary_name("folder")
    folder.mkdir()
    old(folder)
    link = tmp_path / temporary_name("link")
    link.symlink_to(elsewhere)
    os.utime(link, (0, 0), follow_symlinks=False)
    assert remove_leftovers(tmp_path) == []
    old(young)
    assert remove_leftovers(tmp_path) == [young]
    assert {entry.name for entry in tmp_path.iterdir()} == {
        *(elsewhere.name, folder.name, link.name)
    }


def test_where_there_is_nothing_nothing_is_removed(tmp_path: Path) -> None:
    assert remove_leftovers(tmp_path / "gone") == []
    assert remove_leftovers(as_path("s3://bucket/out")) == []
