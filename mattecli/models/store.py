"""The folder where weights live: what was pulled or imported, with a record of each."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

from mattecli.errors import CheckpointError, ModelUnavailableError, ResourceError
from mattecli.models.published import PUBLISHED
from mattecli.models.stored import RECORD_ERRORS, StoredWeights, read_record, slug

__all__ = [
    "Store",
    "StoredWeights",
    "disk_errors",
    "file_digest",
    "new_file",
]


class Store:
    """Weights by name. Each has a weights file, and a record that is put in place after it.

    Args:
        folder: made when something is put into it. None: ``weights`` in ``MATTECLI_HOME`` or, where
            that is not set, in the platform's cache folder.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or _default_folder()

    def find(self, name: str) -> StoredWeights | None:
        """The record of ``name``'s weights, None where they are not here."""
        stored = self.pin(name)
        return stored if stored is not None and self.path(stored).is_file() else None

    def pin(self, name: str) -> StoredWeights | None:
        """The record of ``name``, kept even where its weights file has been deleted.

        Raises:
            ModelUnavailableError: the record is damaged.
        """
        path = self.record_path(name)
        try:
            return read_record(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except RECORD_ERRORS as error:
            raise ModelUnavailableError(
                f"the record of {name}'s weights is damaged ({error})",
                path=path,
                remedy=f"run '{_way_here(name)}', which replaces it",
            ) from error

    def readable(self, name: str) -> StoredWeights | None:
        """As `pin`, but a damaged record, which the next `install` overwrites, counts as none."""
        try:
            return self.pin(name)
        except ModelUnavailableError:
            return None

    def pinned(self, name: str) -> str:
        """The digest that a pull of ``name`` must have, "" for any."""
        stored = self.readable(name)
        return stored.pinned if stored is not None else ""

    def record_of(self, path: Path, sha256: str) -> StoredWeights | None:
        """The record of a weights file, found by its place, else by its digest.

        Args:
            path: of the file, which need not be in the store.
            sha256: in hex; of the stored file, or of the one that it was imported from.
        """
        records = []
        for place in sorted(self.folder.glob("[!.]*.json")):
            with contextlib.suppress(*RECORD_ERRORS):  # a damaged record speaks for no file
                records.append(read_record(place))
        for stored in records:
            if self.holds(path, stored):
                return stored
        same = (row for row in records if sha256 in (row.sha256, row.source_sha256))
        return next(same, None)

    def holds(self, path: Path, stored: StoredWeights) -> bool:
        """Whether ``path`` is the weights file of ``stored``."""
        own = self.path(stored)
        return own.is_file() and path.is_file() and own.samefile(path)

    def path(self, stored: StoredWeights) -> Path:
        """Where the weights file is."""
        return self.folder / stored.file

    def record_path(self, name: str) -> Path:
        """Where the record of ``name`` is."""
        return self.folder / f"{slug(name)}.json"

    def part_path(self, name: str) -> Path:
        """Where a download of ``name`` grows."""
        return self.folder / f"{slug(name)}.part"

    def install(self, finished: Path, stored: StoredWeights) -> StoredWeights:
        """Move a finished file of this folder into place and record it.

        The file's name holds its digest, so a new version never replaces the old one's bytes: the
        change happens when the record is renamed. A pulled file is pinned; the pin of an earlier
        one stays when another kind of file takes its place.

        Raises:
            ResourceError: the disk does not take it.
        """
        named = f"{slug(stored.name)}-{stored.sha256[:12]}{Path(stored.file).suffix}"
        earlier = self.readable(stored.name)
        pinned = stored.sha256 if stored.pulled else self.pinned(stored.name)
        installed = replace(stored, file=named, pinned=pinned)
        with disk_errors(self.folder):
            finished.replace(self.folder / named)
            text = json.dumps(asdict(installed), indent=2) + "\n"
            temporary = self.new_file(stored.name, ".json")
            temporary.write_text(text, "utf-8")
            temporary.replace(self.record_path(stored.name))
            if earlier is not None and earlier.file != named:
                self.path(earlier).unlink(missing_ok=True)
        return installed

    def remove(self, name: str) -> int:
        """Delete ``name``'s weights, its record (even a damaged one) and its part file.

        Call it with the lock held.

        Returns:
            How many bytes of weights were deleted.

        Raises:
            ResourceError: a file cannot be deleted.
        """
        with disk_errors(self.folder, "deleted", "see who may write to that folder"):
            left = self._files_of(name)
            sizes = [path.lstat().st_size for path in left]
            self.record_path(name).unlink(missing_ok=True)  # first: it speaks of the others
            for path in left:
                path.unlink(missing_ok=True)
        return sum(sizes)

    def has_any(self, name: str) -> bool:
        """Whether anything of ``name`` is here.

        Raises:
            ResourceError: the folder cannot be read.
        """
        with disk_errors(self.folder, "read", "see who may read that folder"):
            if not self.folder.exists():
                return False
            list(self.folder.iterdir())  # raises if unreadable; what follows would see it empty
            return os.path.lexists(self.record_path(name)) or bool(self._files_of(name))

    def _files_of(self, name: str) -> list[Path]:
        """Weights files, even those that lost their record, and the part file of a download."""
        named = {*self.folder.glob(f"{slug(name)}-{'[0-9a-f]' * 12}.*"), self.part_path(name)}
        stored = self.readable(name)
        if stored is not None:
            named.add(self.path(stored))
        return sorted(path for path in named if os.path.lexists(path))

    def new_file(self, name: str, suffix: str) -> Path:
        """A new, empty file for ``name``; call it with the lock held.

        If the process is killed, the next one that has the lock removes the file.
        """
        return new_file(self.folder, f".{slug(name)}", suffix)

    @contextlib.contextmanager
    def lock(self, name: str, on_wait: Callable[[], None]) -> Iterator[None]:
        """While entered, no other process can put weights called ``name`` into the store.

        Args:
            on_wait: called where another process has the lock, before waiting for it.
        """
        from filelock import FileLock, Timeout

        with disk_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.folder / f"{slug(name)}.lock")
            try:
                lock.acquire(timeout=0)
            except Timeout:
                on_wait()
                lock.acquire()
        try:
            with disk_errors(self.folder):
                for leftover in self.folder.glob(f".{slug(name)}.{'[0-9a-f]' * 32}.*"):
                    leftover.unlink(missing_ok=True)
            yield
        finally:
            lock.release()

    def check(self, stored: StoredWeights) -> None:
        """Read the weights file again and compare its digest.

        Raises:
            CheckpointError: it is missing, or no longer the file that was put here.
        """
        if not self.path(stored).is_file():
            raise CheckpointError(
                "is missing", path=self.path(stored), remedy="pull or import it again"
            )
        found = file_digest(self.path(stored))
        if found != stored.sha256:
            raise CheckpointError(
                f"has changed: its SHA-256 is {found} instead of {stored.sha256}",
                path=self.path(stored),
                remedy="delete it, and pull or import it again",
            )


def new_file(folder: Path, stem: str, suffix: str) -> Path:
    """A new, empty file, to be renamed later; the folder is made if need be.

    Args:
        stem: what its name begins with, before a part that no other file has.
        suffix: what its name ends with.
    """
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{stem}.{uuid.uuid4().hex}{suffix}"
        path.touch(exist_ok=False)  # with the usual rights, unlike what tempfile makes
    return path


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hex.

    Raises:
        CheckpointError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise CheckpointError(f"cannot be read ({error.strerror or error})", path=path) from error


@contextlib.contextmanager
def disk_errors(
    path: Path,
    done: str = "written",
    remedy: str = "free some space, or set MATTECLI_HOME to a folder that can be written",
) -> Iterator[None]:
    """Turn errors of the disk (full, read-only ...) into one-line errors about ``path``.

    Args:
        path: named where the error names none.
        done: what was to be done with it.
        remedy: what to do about it.
    """
    try:
        yield
    except OSError as error:
        raise ResourceError(
            f"cannot be {done} ({error.strerror or error})",
            path=error.filename or path,
            remedy=remedy,
        ) from error


def _default_folder() -> Path:
    home = os.environ.get("MATTECLI_HOME")
    if home:
        return Path(home).expanduser().absolute() / "weights"
    import platformdirs

    return Path(platformdirs.user_cache_dir("mattecli", appauthor=False)) / "weights"


def _way_here(name: str) -> str:
    """The command that puts weights called ``name`` into the store."""
    published = PUBLISHED.get(name)
    if published is not None and published.addresses:
        return f"mattecli models pull {name}"
    return f"mattecli models import FILE --as {name}"
