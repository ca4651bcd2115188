"""Hostile and damaged weights files: refused in one line, with nothing run."""

from __future__ import annotations

import importlib
import io
import json
import os
import pickle
import re
import struct
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mattecli.errors import CheckpointError
from mattecli.models.checkpoint import read_checkpoint
from mattecli.models.formats.names import RefusedNameError
from mattecli.models.registry import find_spec
from mattecli.models.shm import SHM
from mattecli.models.weights import load_network
from tests.conftest import Cli

State = dict[str, Tensor]
CANARY = "canary"


class Calls:
    """Pickles as the call of a function."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.reduced = (function, arguments)

    def __reduce__(self) -> object:
        return self.reduced


def attacks(canary: Path) -> dict[str, tuple[Calls, str]]:
    """What a pickle may try, with the name that must be said."""
    touch = f"touch {canary}"
    return {
        "a shell command": (Calls(os.system, touch), f"{os.name}.system"),
        "a written file": (Calls(io.open, str(canary), "w"), "io.open"),
        "an imported module": (
            Calls(importlib.import_module, "antigravity"),
            "importlib.import_module",
        ),
        "code": (Calls(exec, f"open({str(canary)!r}, 'w')"), "exec"),
        "a process": (Calls(subprocess.Popen, ["touch", str(canary)]), "Popen"),
        "another unpickling": (Calls(torch.load, str(canary)), "torch.serialization.load"),
    }


@pytest.fixture(scope="session")
def good() -> State:
    torch.manual_seed(4)
    return {key: value.clone() for key, value in SHM().state_dict().items()}


def saved(path: Path, content: object, *, zipped: bool = True) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    return path


def refusal(path: Path) -> CheckpointError:
    with pytest.raises(CheckpointError) as caught:
        load_network(find_spec("shm"), path)
    line = str(caught.value)
    assert line.isprintable()
    assert str(path) in line
    return caught.value


@pytest.mark.parametrize("attack", attacks(Path(CANARY)))
@pytest.mark.parametrize("place", ["zip", "stream", "bare", "bare, as text"])
def test_a_pickle_that_wants_to_act_is_refused_by_name(
    attack: str, place: str, good: State, tmp_path: Path
) -> None:
    canary = tmp_path / CANARY
    act, name = attacks(canary)[attack]
    file = tmp_path / "a.pth"
    if place.startswith("bare"):
        file.write_bytes(pickle.dumps(act, protocol=0 if "text" in place else 4))
    else:
        saved(file, {"state_dict": good, "epoch": act}, zipped=place == "zip")
    error = refusal(file)
    assert isinstance(error, RefusedNameError)
    assert name.rpartition(".")[2] in error.cause
    assert not canary.exists()


def test_a_module_that_is_only_named_is_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "side_effect.py").write_text(f"open({str(tmp_path / CANARY)!r}, 'w')")
    monkeypatch.syspath_prepend(tmp_path)
    file = tmp_path / "a.pth"
    file.write_bytes(b"\x80\x02cside_effect\nThing\n.")
    assert "names side_effect.Thing" in refusal(file).cause
    assert "side_effect" not in sys.modules
    assert not (tmp_path / CANARY).exists()


def test_a_class_of_a_network_may_be_named_but_not_called(tmp_path: Path) -> None:
    file = tmp_path / "a.pth"
    file.write_bytes(b"\x80\x02cmodels\nDIMModel\n)R.")
    assert "calls models.DIMModel" in refusal(file).cause


def test_a_global_cannot_be_changed(tmp_path: Path) -> None:
    file = tmp_path / "a.pth"
    file.write_bytes(b"\x80\x02ccollections\nOrderedDict\n}X\x01\x00\x00\x00aK\x01sb.")
    assert "changes collections.OrderedDict" in refusal(file).cause


def compressed(path: Path, good: State) -> None:
    """A zip bomb: a storage of a gigabyte in a megabyte."""
    saved(path, {"state_dict": good})
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, data in parts.items():
            archive.writestr(name, bytes(2**28) if name.endswith("data/0") else data)


def without_entry(path: Path, good: State) -> None:
    lost = "m_net.conv.weight"
    saved(path, {key: value for key, value in good.items() if key != lost})


def with_nan(path: Path, good: State) -> None:
    spoilt = dict(good) | {"m_net.conv.weight": good["m_net.conv.weight"] * float("nan")}
    saved(path, spoilt)


def claims_four_gigabytes(path: Path, good: State) -> None:
    header = {"a": {"dtype": "F32", "shape": [2**30], "data_offsets": [0, 2**32]}}
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(64))


def claims_four_gigabytes_in_a_stream(path: Path, good: State) -> None:
    saved(path, {"a": torch.zeros(3)}, zipped=False)
    data = path.read_bytes()
    path.write_bytes(data[:-20] + struct.pack("<q", 2**30) + data[-12:])


BAD: dict[str, tuple[Callable[[Path, State], object], str]] = {
    "zip bomb": (compressed, "compressed"),
    "cut zip": (lambda p, s: p.write_bytes(saved(p, s).read_bytes()[:9_000_000]), "cut short"),
    "cut stream": (
        lambda p, s: p.write_bytes(saved(p, s, zipped=False).read_bytes()[:-5]),
        "claims .* bytes and .* are there",
    ),
    "stream cut in its pickle": (
        lambda p, s: p.write_bytes(saved(p, s, zipped=False).read_bytes()[:5000]),
        "cut short",
    ),
    "wrong network": (lambda p, s: saved(p, {"fc.weight": torch.ones(2, 2)}), "no network that"),
    "missing key": (without_entry, "entries are missing: m_net.conv.weight"),
    "extra key": (
        lambda p, s: saved(p, s | {"m_net.more": torch.ones(1)}),
        "entries are unknown: m_net.more",
    ),
    "other shape": (
        lambda p, s: saved(p, s | {"m_net.conv.weight": torch.ones(1, 16, 3, 3)}),
        "entries have another shape: m_net.conv.weight",
    ),
    "NaN": (with_nan, "entries are not finite: m_net.conv.weight"),
    "folder": (lambda p, s: p.mkdir(), "is a folder"),
    "text": (lambda p, s: p.write_text("these are no weights\n"), "is no weights file"),
    "web page": (lambda p, s: p.write_text("<!DOCTYPE html><html>"), "is no weights file"),
    "empty": (lambda p, s: p.write_bytes(b""), "is empty"),
    "missing file": (lambda p, s: None, "cannot be read"),
    "pipe": (lambda p, s: os.mkfifo(p), "is no ordinary file"),
    "4 GB claimed by a header": (claims_four_gigabytes, "damaged"),
    "4 GB header": (
        lambda p, s: p.write_bytes(struct.pack("<Q", 2**32) + b'{"a":1}'),
        "damaged",
    ),
    "4 GB claimed by a stream": (claims_four_gigabytes_in_a_stream, "claims 1,073,741,824"),
    "other archive": (lambda p, s: zipfile.ZipFile(p, "w").writestr("a", "b"), "none that PyTorch"),
    "entry names with control characters": (
        lambda p, s: saved(p, s | {"a\x1b[2J\n": torch.ones(1)}),
        "an entry's name",
    ),
    "endless tensors": (
        lambda p, s: saved(p, {k: v.flatten()[0].expand(2**22) for k, v in s.items()}),
        "more than any network",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_file_is_refused_with_its_reason(kind: str, good: State, tmp_path: Path) -> None:
    make, reason = BAD[kind]
    path = tmp_path / "a.pth"
    make(path, good)
    assert re.search(reason, str(refusal(path)))


ON_THE_COMMAND_LINE = [
    "zip bomb",
    "cut zip",
    "wrong network",
    "missing key",
    "extra key",
    "NaN",
    "folder",
    "text",
]


@pytest.mark.parametrize(
    "kind", [*ON_THE_COMMAND_LINE, "4 GB claimed by a header", "a shell command"]
)
def test_import_says_one_line_and_ends_with_3(
    kind: str, good: State, cli: Cli, tmp_path: Path
) -> None:
    path, canary = tmp_path / "a.pth", tmp_path / CANARY
    if kind in BAD:
        BAD[kind][0](path, good)
    else:
        saved(path, {"state_dict": good, "epoch": attacks(canary)[kind][0]})
    done = cli("models", "import", path)
    assert (done.code, done.out) == (3, b"")
    assert done.err.count("\n") == 1
    assert done.err.startswith("mattecli: ")
    assert str(path) in done.err
    assert not canary.exists()
    assert not list((tmp_path / "mattecli-home").rglob("*.safetensors"))


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
    saved(path, {"a": torch.ones(1)})
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
    assert "is no weights file" in refusal(path).cause


@pytest.fixture(scope="module")
def small_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("small")
    state = {"a": torch.arange(6.0).view(2, 3), "b": torch.ones(4, dtype=torch.float16)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        saved(folder / "zip", {"epoch": 1, "state_dict": state})
        saved(folder / "stream", {"epoch": 1, "state_dict": state}, zipped=False)
        saved(folder / "module", torch.nn.Linear(2, 2), zipped=False)
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
        assert str(error).isprintable()
    else:
        assert found.state
