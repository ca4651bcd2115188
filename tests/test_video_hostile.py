"""Videos, names and work folders of strangers: nothing leads elsewhere, and nothing is believed."""

from __future__ import annotations

import http.server
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Cli, photo, save
from tests.test_cli_journal import statuses
from tests.video_clips import make_clip, take_all

SIZE = (64, 64)


@pytest.fixture
def common(tmp_path: Path) -> tuple[str, ...]:
    """Arguments of a run without a network."""
    return (*take_all(tmp_path, SIZE), "-w", "alpha")


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return make_clip(tmp_path / "c.mp4", frames=7, size=SIZE)


@pytest.fixture
def asked() -> Iterator[tuple[str, list[str]]]:
    """Host and port of a server that remembers what it was asked for."""
    requests: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requests.append(self.path)
            self.send_error(404)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}", requests
        server.shutdown()


def test_a_folder_called_like_an_address_is_a_folder(
    cli: Cli, tmp_path: Path, common: tuple[str, ...], asked: tuple[str, list[str]]
) -> None:
    place, requests = asked
    inside = tmp_path / "in" / "http:" / place / "x"
    inside.mkdir(parents=True)
    make_clip(inside / "c.mp4", frames=3, size=SIZE)
    os.chdir(tmp_path)
    done = cli("video", "in", "-r", "-o", ".", *common)
    assert done.code == 0, done.err
    assert Path("http:", place, "x", "c-alpha.mov").is_file()
    assert requests == []


@pytest.mark.parametrize(
    "name",
    ["file:x.mov", "concat:a|b.mkv", "http:x.mp4", "data:,x.webm", "pipe:0.mov", "s3:x.gif",
     "tee:[f=mp4]z.mov", "concat:a.webp", "-y.mov", "a%d'b.mkv"],
)  # fmt: skip
def test_outputs_may_be_called_like_protocols(
    cli: Cli, tmp_path: Path, common: tuple[str, ...], clip: Path, name: str
) -> None:
    done = cli("video", clip, f"--output={name}", *common)
    assert done.code == 0, done.err
    assert (tmp_path / name).is_file()
    left = {path.name for path in tmp_path.iterdir()} - {name, "c.mp4", "all.png"}
    assert left == set()


@pytest.mark.parametrize("suffix", ["mov", "mp4", "mkv", "webm", "gif", "webp"])
def test_a_damaged_video_is_not_skipped(
    cli: Cli, tmp_path: Path, common: tuple[str, ...], clip: Path, suffix: str
) -> None:
    again = ("video", clip, "-o", f"o.{suffix}", *common, "--existing", "skip", "--json")
    assert statuses(cli(*again)) == ["done"]
    assert statuses(cli(*again)) == ["skipped"]
    whole = (tmp_path / f"o.{suffix}").read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], whole[:-5], b"\x8fjunk" * 500):
        (tmp_path / f"o.{suffix}").write_bytes(damaged)
        done = cli(*again)
        assert statuses(done) == ["done"], len(damaged)
        assert f"o.{suffix} was damaged, and is made again" in done.err
        assert (tmp_path / f"o.{suffix}").read_bytes() == whole


def test_a_damaged_frame_is_not_skipped(
    cli: Cli, tmp_path: Path, common: tuple[str, ...], clip: Path
) -> None:
    again = ("video", clip, "-o", "f/%03d.png", *common, "--existing", "skip", "--json")
    assert statuses(cli(*again)) == ["done"]
    whole = (tmp_path / "f" / "004.png").read_bytes()
    (tmp_path / "f" / "004.png").write_bytes(b"")
    assert statuses(cli(*again)) == ["done"]
    assert (tmp_path / "f" / "004.png").read_bytes() == whole
    assert statuses(cli(*again)) == ["skipped"]


def test_a_folder_of_videos_knows_what_is_stale_and_what_failed(
    cli: Cli, tmp_path: Path, common: tuple[str, ...]
) -> None:
    (tmp_path / "in").mkdir()
    for name in "ab":
        make_clip(tmp_path / "in" / f"{name}.mp4", frames=3, size=SIZE)
    (tmp_path / "in" / "c.mp4").write_bytes(b"no video")
    again = ("video", "in", "-o", "out", *common, "--json")
    assert statuses(cli(*again)) == ["done", "done", "failed"]
    skip = (*again, "--existing", "skip")
    assert statuses(cli(*skip)) == ["skipped", "skipped", "failed"]
    assert statuses(cli(*skip, "--smooth", "flow")) == ["done", "done", "failed"]
    make_clip(tmp_path / "in" / "b.mp4", frames=4, size=SIZE)
    assert statuses(cli(*skip, "--smooth", "flow")) == ["skipped", "done", "failed"]
    make_clip(tmp_path / "in" / "c.mp4", frames=3, size=SIZE)
    assert statuses(cli(*again, "--retry-failed")) == ["done"]
    assert cli(*again, "--journal", "in/a.mp4").code == 2


@pytest.mark.parametrize(
    "lines",
    [
        b"\xff\xfe\n",
        b"[1]\n",
        b"null\n" * 3,
        b"[" * 100_000,
        b'{"fingerprint": 3}\n{"name": "000000000.mov"}\n',
    ],
)
def test_a_journal_that_makes_no_sense_is_begun_anew(
    cli: Cli, tmp_path: Path, common: tuple[str, ...], clip: Path, lines: bytes
) -> None:
    assert cli("video", clip, "-o", "o/x.mov", *common).code == 0
    whole = (tmp_path / "o" / "x.mov").read_bytes()
    folder = left_over(tmp_path)
    (folder / "journal.jsonl").write_bytes(lines)
    (folder / "sub").mkdir()
    done = cli("video", clip, "-o", "o/x.mov", *common, "--resume")
    assert done.code == 0, done.err
    assert (tmp_path / "o" / "x.mov").read_bytes() == whole
    assert not folder.exists()


def left_over(tmp_path: Path) -> Path:
    """The work folder of ``o/x.mov``, as a killed run leaves it."""
    from mattecli.media.video.workfolder import WorkFolder

    folder = WorkFolder(tmp_path / "o" / "x.mov", "any", resume=False)
    folder._journal.close()
    return folder.path


@pytest.mark.parametrize(
    "change",
    [
        {"name": "../../outside.mov"},
        {"name": "/etc/passwd"},
        {"name": "000000003.mov\nfile '/etc/passwd'"},
        {"name": 3},
        {"frames": "x"},
        {"frames": -3},
        {"first": 4},
        {"context": [[1]]},
        {"start": 1.5},
        {"screen": "pink"},
        {"screen": ["green"]},
    ],
)
def test_a_piece_that_is_none_of_ours_is_made_again(
    tmp_path: Path, change: dict[str, object]
) -> None:
    from mattecli.media.video.piece import Piece
    from mattecli.media.video.workfolder import WorkFolder

    target = tmp_path / "x.mov"
    folder = WorkFolder(target, "print", resume=False)
    for number in range(3):
        name = f"{3 * number:09d}.mov"
        (folder.path / name).write_bytes(b"piece")
        folder.add(Piece(name=name, first=3 * number, frames=3, start=0, end=2, context=((0, 0),)))
    (tmp_path / "outside.mov").write_bytes(b"mine")
    folder._journal.close()  # as when its process is killed
    journal = folder.path / "journal.jsonl"
    entries = [json.loads(line) for line in journal.read_text().splitlines()]
    entries[2] |= change
    journal.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    found = WorkFolder(target, "print", resume=True)
    assert [piece.name for piece in found.pieces] == ["000000000.mov"]
    found.remove()


@pytest.mark.parametrize("damage", ["empty", "link", "missing"])
def test_a_piece_that_is_not_there_is_made_again(tmp_path: Path, damage: str) -> None:
    from mattecli.media.video.piece import Piece
    from mattecli.media.video.workfolder import WorkFolder

    folder = WorkFolder(tmp_path / "x.mov", "print", resume=False)
    for number in range(2):
        (folder.path / f"{number:09d}.mov").write_bytes(b"piece")
        folder.add(Piece(name=f"{number:09d}.mov", first=number, frames=1, start=0, end=0))
    folder._journal.close()
    piece = folder.path / "000000001.mov"
    if damage == "empty":
        piece.write_bytes(b"")
    else:
        piece.unlink()
    if damage == "link":
        piece.symlink_to(folder.path / "000000000.mov")
    found = WorkFolder(tmp_path / "x.mov", "print", resume=True)
    assert [one.first for one in found.pieces] == [0]
    found.remove()


def test_a_work_folder_whose_journal_is_a_pipe_is_refused(
    cli: Cli, tmp_path: Path, common: tuple[str, ...], clip: Path
) -> None:
    (tmp_path / "o").mkdir()
    folder = left_over(tmp_path)
    (folder / "journal.jsonl").unlink(missing_ok=True)
    os.mkfifo(folder / "journal.jsonl")
    done = cli("video", clip, "-o", "o/x.mov", *common)
    assert done.code == 1
    assert "journal is no file" in done.err


def test_a_background_may_be_called_like_a_pattern(cli: Cli, tmp_path: Path, clip: Path) -> None:
    save(tmp_path / "a%03d.png", photo(*SIZE))
    arguments = (*take_all(tmp_path, SIZE), "-w", "composite", "--background-fill", "a%03d.png")
    assert cli("video", clip, "-o", "o.mp4", *arguments).code == 0
