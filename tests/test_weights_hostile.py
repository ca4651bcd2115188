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
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from mattecli.errors import CheckpointError
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

    def __reduce__(self) -> tuple[object, ...]:
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
