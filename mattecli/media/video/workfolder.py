"""Where a video lies while it is made: a hidden folder beside it, with a journal."""

from __future__ import annotations

import errno
import fcntl
import glob
import hashlib
import json
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from mattecli.errors import VideoWriteError
from mattecli.media.video.piece import Piece, piece_of

__all__ = ["WorkFolder"]

_JOURNAL = "journal.jsonl"
_NAME_BYTES = 180
_DIGITS = 9
_MOST_BYTES = 255  # of a name on common file systems


class WorkFolder:
    """The pieces of one output.

    Args:
        target: the output.
        fingerprint: of all that decides what the pieces look like.
        resume: keep what an earlier run with this fingerprint completed.
        piece_frames: frames of a piece.
        keeps: what is complete stays for a later run when this one stops.
        part: the first frame of a part of the video that is made by itself; None for the run that
            joins all parts.

    Raises:
        VideoWriteError: it cannot be made, or another run is at work in it.
    """

    def __init__(
        self,
        target: Path,
        fingerprint: str,
        *,
        resume: bool,
        piece_frames: int = 250,
        keeps: bool = True,
        part: int | None = None,
    ) -> None:
        self.target = target
        self.piece_frames = piece_frames
        self._fingerprint = fingerprint
        self._keeps = keeps
        self._first = part or 0
        self.path = _place(target, part)
        self.pieces: list[Piece] = []
        self.was_other = False
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._journal = _opened(self.path)
        except OSError as error:
            raise VideoWriteError(
                f"it cannot be written ({error.strerror})",
                path=target,
                remedy="choose another output folder",
            ) from error
        self._lock()
        try:
            self._begin(resume)
        except BaseException:
            self._journal.close()
            raise

    def _begin(self, resume: bool) -> None:
        """Find what an earlier run completed, or begin anew."""
        earlier = self._read() if resume else None
        if earlier is not None and _fingerprint(earlier[0]) == self._fingerprint:
            self.pieces = self._sound(earlier[1:])
            self._cut_off(len(self.pieces))  # lines of lost pieces would hide those to come
        else:
            self.was_other = bool(earlier and len(earlier) > 1)
            self._clear()
            self._append({"fingerprint": self._fingerprint})

    @property
    def frames(self) -> int:
        """How many frames are complete."""
        return sum(piece.frames for piece in self.pieces)

    def keep(self, count: int) -> None:
        """Keep the first ``count`` pieces only."""
        if count < len(self.pieces):
            self._cut_off(count)
            self.pieces = self.pieces[:count]

    def _cut_off(self, count: int) -> None:
        """Keep the journal's lines of the first ``count`` pieces only."""
        places = [end for end, line in self._lines() if _is_entry(line)]
        if count < len(places):
            os.ftruncate(self._journal.fileno(), places[count])  # the first is no piece's

    def add(self, piece: Piece) -> None:
        """A piece is complete on disk.

        Raises:
            VideoWriteError: the journal cannot be written.
        """
        self._append(asdict(piece))
        self.pieces.append(piece)

    def adopt(self) -> None:
        """Take over the pieces of parts made elsewhere, as far as they follow each other.

        Raises:
            VideoWriteError: the journal cannot be written; the piece stays with its part.
        """
        for first in sorted(int(path.suffix[1:]) for path in self._parts()):
            part = self._part(first)
            if part is not None:
                self._take_over(part)

    def _part(self, first: int) -> WorkFolder | None:
        """The folder of a part; None while another run, given up meanwhile, is at work in it."""
        try:
            return WorkFolder(self.target, self._fingerprint, resume=True, part=first)
        except VideoWriteError:
            return None

    def _take_over(self, part: WorkFolder) -> None:
        try:
            for piece in part.pieces:
                if piece.first == self.frames:
                    self._take(piece, part.path)
        except BaseException:
            part.close()
            raise
        part.remove()

    def _take(self, piece: Piece, folder: Path) -> None:
        """Move a piece here from another folder; it goes back if the journal cannot be written."""
        (folder / piece.name).replace(self.path / piece.name)
        try:
            self.add(piece)
        except VideoWriteError:
            (self.path / piece.name).replace(folder / piece.name)
            raise

    def complete(self, temporary: str) -> None:
        """Give the finished file its name."""
        path = self.path / temporary
        try:
            _sync(path)
            path.replace(self.target)
        except OSError as error:
            raise VideoWriteError(
                f"it cannot be written ({error.strerror})", path=self.target
            ) from error
        self.partial.unlink(missing_ok=True)

    @property
    def partial(self) -> Path:
        """Where a stopped run leaves what can be played."""
        end = f".partial{self.target.suffix}"
        room = _MOST_BYTES - len(os.fsencode(end))
        stem = os.fsdecode(os.fsencode(self.target.stem)[:room])
        return self.target.with_name(stem + end)

    def remove(self) -> None:
        """Remove the folder and all that is in it, and those of parts."""
        self._journal.close()
        for path in (self.path, *self._parts()):
            shutil.rmtree(path, ignore_errors=True)

    def _parts(self) -> list[Path]:
        """The folders of parts."""
        pattern = glob.escape(self.path.name) + "." + "[0-9]" * _DIGITS
        return list(self.path.parent.glob(pattern))

    def close(self) -> None:
        """Leave the folder for a later run, if there can be one and it holds anything."""
        if self._keeps and self.pieces:
            self._journal.close()
        else:
            self.remove()

    def _lock(self) -> None:
        try:
            fcntl.flock(self._journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._journal.close()
            raise VideoWriteError(
                "another run is writing it", path=self.target, remedy="wait for it, or stop it"
            ) from error

    def _sound(self, entries: Sequence[Any]) -> list[Piece]:
        """The pieces that are there, up to the first that is missing, empty, or none of ours."""
        pieces: list[Piece] = []
        frames = self._first
        for piece in map(piece_of, entries):
            if piece is None or piece.first != frames or not self._holds(piece):
                break
            pieces.append(piece)
            frames += piece.frames
        return pieces

    def _holds(self, piece: Piece) -> bool:
        if not piece.name:
            return True
        try:
            status = (self.path / piece.name).lstat()
        except OSError:
            return False
        return stat.S_ISREG(status.st_mode) and status.st_size > 0

    def _read(self) -> list[Any]:
        return [json.loads(line) for _end, line in self._lines() if _is_entry(line)] or [{}]

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        """Each line of the journal, behind the place where it ends."""
        file, end = self._journal.fileno(), 0
        for line in os.pread(file, os.fstat(file).st_size, 0).splitlines(keepends=True):
            end += len(line)
            yield end, line

    def _append(self, entry: dict[str, Any]) -> None:
        """Write a line, or none of it; past the stream's buffer, which would try again later."""
        file, line = self._journal.fileno(), f"{json.dumps(entry)}\n".encode("ascii")
        size = os.fstat(file).st_size
        try:
            if os.write(file, line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(file)
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(file, size)
            raise VideoWriteError(
                f"the disk is full ({error.strerror})",
                path=self.target,
                remedy="free some space and run again with --resume",
            ) from error

    def _clear(self) -> None:
        self._journal.truncate(0)
        for entry in self.path.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            elif entry.name != _JOURNAL:
                entry.unlink()


def _is_entry(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):  # one that was cut off by a crash
        return False
    return line.endswith(b"\n")


def _place(target: Path, part: int | None) -> Path:
    digest = hashlib.blake2b(os.fsencode(target.name), digest_size=4).hexdigest()
    name = os.fsdecode(os.fsencode(target.name)[:_NAME_BYTES])
    suffix = "" if part is None else f".{part:0{_DIGITS}d}"
    return target.with_name(f".{name}.{digest}.mattecli{suffix}")


def _opened(folder: Path) -> IO[str]:
    """The journal of a folder; for neither of them a link is accepted."""
    own = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
        file = os.open(_JOURNAL, flags, 0o666, dir_fd=own)
    finally:
        os.close(own)
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise OSError(errno.EINVAL, "its work folder's journal is no file")
    return os.fdopen(file, "a+", encoding="utf-8", errors="replace")


def _fingerprint(header: Any) -> str:
    """What a journal's first line says of its pieces."""
    return str(header.get("fingerprint", "")) if isinstance(header, dict) else ""


def _sync(path: Path) -> None:
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
