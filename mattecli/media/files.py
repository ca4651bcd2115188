"""Files on disk: reading whole ones, and writing so that nothing is ever half written."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

from mattecli.errors import ImageReadError, ImageWriteError
from mattecli.media.causes import read_words, write_words
from mattecli.media.leftovers import lock, temporary_name
from mattecli.media.paths import is_folder, is_ordinary_file, is_there
from mattecli.media.pipes import is_pipe, open_pipe
from mattecli.media.stores.path import StorePath

__all__ = ["atomic_path", "read_file", "read_start", "write_atomically"]

_PIPE_BYTES = 1 << 20


def read_file(
    path: Path, *, max_bytes: int, head_bytes: int, check_head: Callable[[bytes], object]
) -> bytes:
    """All bytes of a file or a pipe.

    Args:
        path: a regular file or a named pipe.
        max_bytes: more is refused, from a regular file before anything is read.
        head_bytes: how many bytes ``check_head`` is given.
        check_head: called with the first bytes before the rest is read; raises to refuse them.

    Raises:
        ImageReadError: it is missing, unreadable, a folder or device, or too large.
    """
    if isinstance(path, StorePath):
        return _read_object(path, max_bytes, head_bytes, check_head)
    with _opened(path) as stream:
        head = stream.read(head_bytes)
        check_head(head)
        size = os.fstat(stream.fileno()).st_size  # 0 for a pipe
        rest = b"" if size > max_bytes else _rest(stream, size, max_bytes)
    if max(size, len(head) + len(rest)) > max_bytes:
        raise _too_large(max_bytes)
    return head + rest


def _read_object(
    path: StorePath, max_bytes: int, head_bytes: int, check_head: Callable[[bytes], object]
) -> bytes:
    """All bytes of an object: one request, and one for its size if that is not known."""
    with _read_errors():
        size = path.stat().st_size
        if size > max_bytes:
            raise _too_large(max_bytes)
        data = path.read_bytes() if size else b""
    check_head(data[:head_bytes])
    return data


def _too_large(max_bytes: int) -> ImageReadError:
    return ImageReadError(
        f"it has more than {max_bytes:,} bytes, which no picture of the permitted size needs",
        remedy="raise --max-pixels if that is right",
    )


def _rest(stream: BinaryIO, size: int, most: int) -> bytes:
    """What is left of a file of ``size`` bytes, or of a pipe (0), up to ``most`` bytes.

    Never asks for more than is there: the whole of it would be reserved, and a shell's limit hit.
    """
    if size:
        return stream.read(size)
    parts: list[bytes] = []
    while most > 0 and (part := stream.read(min(most, _PIPE_BYTES))):
        parts.append(part)
        most -= len(part)
    return b"".join(parts)


def read_start(path: Path, count: int) -> bytes:
    """The first bytes of a regular file; all, if there are fewer than ``count``.

    Raises:
        ImageReadError: it is missing, unreadable, a folder or device, or a pipe, whose bytes could
            not be read again.
    """
    if isinstance(path, StorePath):
        with _read_errors():
            return path.service.read(path.key, count) if path.stat().st_size else b""
    with _opened(path) as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise ImageReadError("it is a pipe, which can only be read as a whole")
        return stream.read(count)


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """A regular file or pipe, open for reading."""
    with _read_errors(), open_pipe(path) if is_pipe(path) else path.open("rb") as stream:
        mode = os.fstat(stream.fileno()).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
            raise ImageReadError("it is a device, not a file", remedy="name a file")
        yield stream


@contextmanager
def _read_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        cause, remedy = read_words(error)
        raise ImageReadError(cause, remedy=remedy) from error
    except ValueError as error:  # a zero byte, or characters that no file name can have
        raise ImageReadError("there is no such file", remedy="check the name") from error


def write_atomically(path: Path, data: bytes, *, through_link: bool = True) -> None:
    """Write a file so that under its name there is the whole of it, or what was there before.

    Folders are made as needed; permissions are the usual ones (umask). A device or named pipe
    (``/dev/null``) is written to, not replaced.

    Args:
        path: the file.
        data: all of its bytes.
        through_link: where the name is a symbolic link, or a device, what it stands for is written;
            else the file takes the name, since nobody asked for what lies there.

    Raises:
        ImageWriteError: the disk is full, the place is read-only, the name too long, and the like;
            nothing is left behind.
    """
    with _write_errors(path):
        if isinstance(path, StorePath) or (through_link and _is_special(path)):
            path.write_bytes(data)
            return
        with atomic_path(path, through_link=through_link) as temporary:
            temporary.write_bytes(data)


@contextmanager
def atomic_path(path: Path, *, through_link: bool = True) -> Iterator[Path]:
    """A hidden, empty file in the folder of ``path`` that takes its name when the block ends well.

    It is removed when the block raises. While the block runs it is locked, by which
    ``leftovers.remove_leftovers`` tells it from one whose process was killed.

    Args:
        path: the file that shall come to be; its folders are made.
        through_link: where the name is a symbolic link, the file that it leads to is made.

    Yields:
        The temporary file; its name ends in ``.part``.

    Raises:
        ImageWriteError: it cannot be made or renamed.
    """
    if isinstance(path, StorePath):
        with _uploaded(path) as temporary:
            yield temporary
        return
    with _write_errors(path):
        if through_link and _is_special(path):
            raise ImageWriteError(
                "it is a device or pipe, not a file", path=path, remedy="name one"
            )
        target = Path(os.path.realpath(path)) if through_link and path.is_symlink() else path
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(temporary_name(target.name))
        descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    try:
        lock(descriptor)
        yield temporary
        with _write_errors(path):
            _sync(descriptor)
            temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)


@contextmanager
def _uploaded(path: StorePath) -> Iterator[Path]:
    """A file here that becomes an object when the block ends well."""
    with TemporaryDirectory(prefix="mattecli-") as folder:
        temporary = Path(folder, "object.part")
        temporary.touch()
        yield temporary
        with _write_errors(path):
            path.service.upload(path.key, temporary)


def _sync(descriptor: int) -> None:
    """Bring the bytes to the disk: some file systems report a full disk only now."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # this file system cannot
            raise


def _is_special(path: Path) -> bool:
    """Whether there is something under this name that is neither file nor folder."""
    return is_there(path) and not is_ordinary_file(path) and not is_folder(path)


@contextmanager
def _write_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        cause, remedy = write_words(error)
        raise ImageWriteError(cause, path=path, remedy=remedy) from error
    except ValueError as error:
        raise ImageWriteError(
            "no file can have this name", path=path, remedy="choose another"
        ) from error
