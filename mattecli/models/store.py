"""The folder where weights live: what was pulled or imported, with a record of each."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from mattecli.errors import CheckpointError, ModelUnavailableError, ResourceError
from mattecli.models.registry import network_specs
from mattecli.models.spec import ModelSpec

__all__ = [
    "Store",
    "StoredWeights",
    "built_in_weights",
    "disk_errors",
    "file_digest",
    "find_weights",
    "missing_weights",
    "new_file",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredWeights:
    """Weights in the store.

    Attributes:
        name: the model's name, or that of a published file.
        file: name of the weights file in the store's folder.
        size: in bytes.
        sha256: digest of the file in the store; what it is held to from then on.
        source: address or file name that it came from.
        source_sha256: digest of what it came from; the same for a pulled file.
        pulled: it is the published file itself, so that ``sha256`` pins what is published.
        licence: of the weights; "" where unknown.
        options: what the tensors do not tell about the network.
    """

    name: str
    file: str
    size: int
    sha256: str
    source: str
    source_sha256: str
    pulled: bool
    licence: str = ""
    options: Mapping[str, str] = field(default_factory=dict)


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
            fields: dict[str, Any] = json.loads(path.read_text("utf-8"))
            stored = StoredWeights(**fields)
            if Path(stored.file).name != stored.file or stored.name != name:
                raise ValueError("it names another file")
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError, TypeError) as error:
            raise ModelUnavailableError(
                f"the record of {name}'s weights is damaged ({error})",
                path=path,
                remedy=f"delete it and run 'mattecli models pull {name}' again",
            ) from error
        return stored

    def path(self, stored: StoredWeights) -> Path:
        """Where the weights file is."""
        return self.folder / stored.file

    def record_path(self, name: str) -> Path:
        """Where the record of ``name`` is."""
        return self.folder / f"{_slug(name)}.json"

    def part_path(self, name: str) -> Path:
        """Where a download of ``name`` grows."""
        return self.folder / f"{_slug(name)}.part"

    def install(self, finished: Path, stored: StoredWeights) -> StoredWeights:
        """Move a finished file of this folder into place and record it.

        The file's name holds its digest, so a new version never replaces the old one's bytes: the
        change happens when the record is renamed.

        Raises:
            ResourceError: the disk does not take it.
        """
        named = f"{_slug(stored.name)}-{stored.sha256[:12]}{Path(stored.file).suffix}"
        installed = replace(stored, file=named)
        earlier = self.find(stored.name)
        with disk_errors(self.folder):
            finished.replace(self.folder / named)
            text = json.dumps(asdict(installed), indent=2) + "\n"
            temporary = new_file(self.folder, ".json")
            temporary.write_text(text, "utf-8")
            temporary.replace(self.record_path(stored.name))
            if earlier is not None and earlier.file != named:
                self.path(earlier).unlink(missing_ok=True)
        return installed

    @contextlib.contextmanager
    def lock(self, name: str, on_wait: Callable[[], None]) -> Iterator[None]:
        """Keeps other processes from putting weights called ``name`` into the store meanwhile.

        Args:
            on_wait: called where another process has the lock, before waiting for it.
        """
        from filelock import FileLock, Timeout

        with disk_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.folder / f"{_slug(name)}.lock")
            try:
                lock.acquire(timeout=0)
            except Timeout:
                on_wait()
                lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def check(self, stored: StoredWeights) -> None:
        """Read the weights file again and compare its digest.

        Raises:
            CheckpointError: it is no longer the file that was put here.
        """
        found = file_digest(self.path(stored))
        if found != stored.sha256:
            raise CheckpointError(
                f"has changed: its SHA-256 is {found} instead of {stored.sha256}",
                path=self.path(stored),
                remedy="delete it, and pull or import it again",
            )


def built_in_weights(spec: ModelSpec) -> Path | None:
    """The weights inside the package, None where ``spec`` has none."""
    if not spec.built_in:
        return None
    path = Path(__file__).parent / "built_in" / spec.built_in
    return path if path.is_file() else None


def find_weights(spec: ModelSpec, store: Store | None = None) -> Path | None:
    """The weights that ``spec`` would run on: those of the store, else those of the package."""
    store = store or Store()
    stored = store.find(spec.name)
    return store.path(stored) if stored is not None else built_in_weights(spec)


def new_file(folder: Path, suffix: str) -> Path:
    """A new, empty file with a name of its own, for a rename later on; the folder is made."""
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f".{uuid.uuid4().hex}{suffix}"
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


def missing_weights(spec: ModelSpec, name: str) -> ModelUnavailableError:
    """The error for weights called ``name`` that are not here, with the way to get them."""
    cause = f"there are no weights for {name} here"
    if spec.weights:
        remedy = f"run 'mattecli models pull {name}', or give --weights FILE"
        return ModelUnavailableError(cause, remedy=remedy)
    for kin in network_specs():
        if kin.system == spec.system and kin.weights:
            remedy = f"run 'mattecli models pull {kin.name}' and use --model {kin.name}"
            return ModelUnavailableError(cause, remedy=f"{remedy}, or give --weights FILE")
    remedy = "none are published: give --weights FILE, or run 'mattecli models import FILE'"
    return ModelUnavailableError(cause, remedy=remedy)


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turns a disk that is full or cannot be written into one line about ``path``."""
    try:
        yield
    except OSError as error:
        raise ResourceError(
            f"cannot be written ({error.strerror or error})",
            path=error.filename or path,
            remedy="free some space, or set MATTECLI_HOME to a folder that can be written",
        ) from error


def _default_folder() -> Path:
    home = os.environ.get("MATTECLI_HOME")
    if home:
        return Path(home).expanduser().absolute() / "weights"
    import platformdirs

    return Path(platformdirs.user_cache_dir("mattecli", appauthor=False)) / "weights"


def _slug(name: str) -> str:
    return name.replace(":", "-")
