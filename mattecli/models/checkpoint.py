"""Reads weights files of every format that networks are published in, running nothing in them."""

from __future__ import annotations

import hashlib
import json
import mmap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import safetensors
from safetensors.torch import load
from torch import Tensor

from mattecli.errors import CheckpointError
from mattecli.models.formats.container import Format
from mattecli.models.formats.legacy import read_legacy
from mattecli.models.formats.modules import find_state, without_prefix
from mattecli.models.formats.names import shown_name
from mattecli.models.formats.tensors import materialise
from mattecli.models.formats.zipformat import read_zip

__all__ = ["Checkpoint", "read_checkpoint"]

_MOST_BYTES = 2**31  # the largest published file has 300 MB
_LONGEST_NAME = 300
_REMEDY = "copy or download the file again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The weights in a file.

    Attributes:
        path: the file.
        state: tensors by name, in the file's order, without ``module.`` and the like. They may
            share memory with the file and with each other, and may have stride 0: copy, do not
            change them.
        format: the container it came in.
        wrapper: key of the dictionary that the state dict was wrapped in, or "".
        whole_module: it was collected from a pickled network object.
        sha256: of the whole file, in hex.
        metadata: what a safetensors file says about itself.
    """

    path: Path
    state: Mapping[str, Tensor]
    format: Format
    wrapper: str = ""
    whole_module: bool = False
    sha256: str
    metadata: Mapping[str, str] = field(default_factory=dict)


def read_checkpoint(path: Path) -> Checkpoint:
    """The weights in ``path``: safetensors, PyTorch's formats old and new, or TorchScript.

    State dicts may be bare, wrapped, or inside a pickled network object. Nothing in the file is
    executed or imported (`mattecli.models.formats.unpickle`).

    Raises:
        CheckpointError: no weights file, cut short, damaged, or with more in it than tensors.
    """
    try:
        checkpoint = _read(path, _mapped(path))
        _check_names(checkpoint.state)
    except CheckpointError as error:
        error.path = path
        error.remedy = error.remedy or _REMEDY
        raise
    return checkpoint


def _mapped(path: Path) -> mmap.mmap:
    """The file's bytes, copy-on-write."""
    try:
        if path.is_dir():
            raise CheckpointError("is a folder", remedy="name the weights file in it")
        if path.exists() and not path.is_file():  # opening a pipe could wait for ever
            raise CheckpointError("is no ordinary file")
        with path.open("rb") as file:
            size = file.seek(0, 2)
            if not 0 < size <= _MOST_BYTES:
                what = "is empty" if size == 0 else f"has {size:,} bytes; no weights are that large"
                raise CheckpointError(what)
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    except OSError as error:
        raise CheckpointError(
            f"cannot be read ({error.strerror or error})", remedy="check its name and permissions"
        ) from error


def _read(path: Path, data: mmap.mmap) -> Checkpoint:
    sha256 = hashlib.sha256(data).hexdigest()
    if data[8:9] == b"{":
        return _read_safetensors(path, bytes(data), sha256)
    container = read_zip(data) if data[:4] == b"PK\x03\x04" else read_legacy(data)
    found = find_state(container.root)
    return Checkpoint(
        path=path,
        state=materialise(found.entries, container, data),
        format=container.format,
        wrapper=found.wrapper,
        whole_module=found.whole_module,
        sha256=sha256,
    )


def _read_safetensors(path: Path, data: bytes, sha256: str) -> Checkpoint:
    # From bytes: the library opens no path that is not UTF-8.
    try:
        state = load(data)
    except safetensors.SafetensorError as error:
        raise CheckpointError(f"cut short or damaged ({shown_name(error)})") from error
    except KeyError as error:  # an element type that the library knows and PyTorch does not
        raise CheckpointError(f"holds numbers of type {shown_name(error.args[0])}") from error
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    if not state:
        raise CheckpointError("holds no network's weights")
    return Checkpoint(
        path=path,
        state=without_prefix(state),
        format="safetensors",
        sha256=sha256,
        metadata=header.get("__metadata__", {}),
    )


def _check_names(names: Iterable[str]) -> None:
    """Names end up in messages and files: they must be one printable, short line."""
    for name in names:
        if not name.isprintable() or not 0 < len(name) <= _LONGEST_NAME:
            raise CheckpointError(f"an entry's name is no name: {shown_name(name)!r}")
