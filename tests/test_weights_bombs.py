"""Weights files made to waste time or memory, and files damaged at random."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mattecli.errors import CheckpointError
from mattecli.models.checkpoint import read_checkpoint


def written(path: Path, content: object, *, zipped: bool = True) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    return path


def bomb_of_tuples() -> bytes:
    """A key whose hash takes 2**200 steps."""
    return b"\x80\x02})q\x01" + b"h\x01h\x01\x86q\x01" * 200 + b"Ns."


def bomb_of_copies() -> bytes:
    """A list of 100,000 pairs that is made into a dictionary again and again."""
    head = b"\x80\x02ccollections\nOrderedDict\nq\x000](" + b"K\x01K\x01\x86" * 100_000 + b"eq\x01"
    return head + b"0h\x00h\x01\x85R" * 100_000 + b"."


def bomb_of_modules() -> bytes:
    """Forty modules, each twice inside the next: 2**40 paths."""
    head = b"\x80\x02cmodels\nM\n)\x81q\x00"
    name = b"X\x08\x00\x00\x00_modules"
    step = (
        b"cmodels\nM\n)\x81}" + name + b"}(X\x01\x00\x00\x00ah\x00X\x01\x00\x00\x00bh\x00usbq\x00"
    )
    return head + step * 40 + b"."


@pytest.mark.parametrize("bomb", [bomb_of_tuples, bomb_of_copies, bomb_of_modules])
def test_small_pickles_that_would_take_for_ever_are_given_up(
    bomb: Callable[[], bytes], tmp_path: Path
) -> None:
    path = tmp_path / "a.pth"
    written(path, {"a": torch.ones(1)})
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, bomb() if name.endswith("data.pkl") else data)
    with pytest.raises(CheckpointError):
        read_checkpoint(path)


def test_a_memo_index_of_two_thousand_million_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    path.write_bytes(b"\x80\x02Nr\xff\xff\xff\x7f.")
    with pytest.raises(CheckpointError, match="is no weights file"):
        read_checkpoint(path)


@pytest.fixture(scope="module")
def small_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("small")
    state = {"a": torch.arange(6.0).view(2, 3), "b": torch.ones(4, dtype=torch.float16)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        written(folder / "zip", {"epoch": 1, "state_dict": state})
        written(folder / "stream", {"epoch": 1, "state_dict": state}, zipped=False)
        written(folder / "module", torch.nn.Linear(2, 2), zipped=False)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@settings(max_examples=500, deadline=None)
@given(data=st.data(), kind=st.sampled_from(["zip", "stream", "module"]))
def test_whatever_happens_to_a_file_it_is_read_or_refused(
    small_files: dict[str, bytes],
    tmp_path_factory: pytest.TempPathFactory,
    data: st.DataObject,
    kind: str,
) -> None:
    content = bytearray(small_files[kind])
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        length = data.draw(st.integers(0, 8))
        content[place : place + length] = data.draw(st.binary(max_size=8))
    path = tmp_path_factory.mktemp("fuzz") / "a.pth"
    path.write_bytes(content)
    try:
        found = read_checkpoint(path)
    except CheckpointError as error:
        line = str(error)
    else:
        line = ", ".join(found.state)
    assert line
    assert line.isprintable()
