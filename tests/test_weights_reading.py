"""Reading weights files: every container, wrapper and prefix gives the same tensors."""

from __future__ import annotations

import collections
import io
import json
import pickle
import struct
import sys
import types
import warnings
import zlib
from argparse import Namespace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from parity.core import parity_folder
from safetensors.torch import save_file
from torch import Tensor, nn

from mattecli.errors import CheckpointError
from mattecli.models.checkpoint import read_checkpoint

ZIP, LEGACY = True, False
PARITY = parity_folder()


class Part(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.register_buffer("passing", torch.ones(2), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.norm(self.conv(x))
        return found


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> nn.Module:
    """A network whose own class lives where published projects have theirs."""
    project = types.ModuleType("models")
    project.Part = Part  # type: ignore[attr-defined]  # a module made up for the test
    monkeypatch.setitem(sys.modules, "models", project)
    monkeypatch.setattr(Part, "__module__", "models")
    torch.manual_seed(3)
    return nn.Sequential(Part(), nn.Linear(3, 2))


@pytest.fixture(params=[ZIP, LEGACY], ids=["zip", "legacy"])
def container(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def written(path: Path, content: object, container: bool, protocol: int = 2) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about sources of the test's own classes
        torch.save(
            content, path, _use_new_zipfile_serialization=container, pickle_protocol=protocol
        )
    return path


def assert_same(found: object, wanted: dict[str, Tensor]) -> None:
    assert isinstance(found, dict)
    assert list(found) == list(wanted)
    for name, value in wanted.items():
        assert found[name].dtype == value.dtype
        assert torch.equal(found[name], value), name


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_state_dict_is_read_whatever_the_pickle_protocol(
    network: nn.Module, container: bool, protocol: int, tmp_path: Path
) -> None:
    file = written(tmp_path / "a.pth", network.state_dict(), container, protocol)
    found = read_checkpoint(file)
    assert_same(found.state, network.state_dict())
    assert found.format == ("pytorch" if container else "pytorch-legacy")
    assert (found.wrapper, found.whole_module) == ("", False)


def test_a_safetensors_file_is_read_with_its_metadata(network: nn.Module, tmp_path: Path) -> None:
    file = tmp_path / "a.safetensors"
    save_file(network.state_dict(), file, {"model": "shm"})
    found = read_checkpoint(file)
    assert found.state.keys() == network.state_dict().keys()
    assert all(torch.equal(found.state[k], v) for k, v in network.state_dict().items())
    assert (found.format, found.metadata) == ("safetensors", {"model": "shm"})


@pytest.mark.parametrize("prefix", ["module.", "module.module.", "model.", "_orig_mod.module."])
def test_wrappers_prefixes_are_taken_off(network: nn.Module, prefix: str, tmp_path: Path) -> None:
    state = {prefix + name: value for name, value in network.state_dict().items()}
    assert_same(
        read_checkpoint(written(tmp_path / "a.pth", state, ZIP)).state, network.state_dict()
    )


def test_a_prefix_that_not_every_entry_has_stays(tmp_path: Path) -> None:
    state = {"module.a": torch.ones(1), "b": torch.ones(1)}
    assert list(read_checkpoint(written(tmp_path / "a.pth", state, ZIP)).state) == list(state)


@pytest.mark.parametrize("wrapper", ["state_dict", "model", "model_state"])
def test_a_training_checkpoint_gives_its_networks_weights_alone(
    network: nn.Module, wrapper: str, container: bool, tmp_path: Path
) -> None:
    optimiser = torch.optim.Adam(network.parameters())
    network(torch.rand(2, 3, 5, 5)).sum().backward()
    optimiser.step()
    content = {
        "epoch": 3,
        "best_sad": np.float64(52.9),
        "args": Namespace(rate=0.1),
        "counts": collections.Counter("aab"),
        "optimizer": optimiser,
        "optimizer_state": optimiser.state_dict(),
        wrapper: network.state_dict(),
    }
    found = read_checkpoint(written(tmp_path / "a.pth", content, container))
    assert_same(found.state, network.state_dict())
    assert found.wrapper == wrapper


@pytest.mark.parametrize("parallel", [False, True])
def test_a_whole_network_gives_what_its_state_dict_would(
    network: nn.Module, parallel: bool, container: bool, tmp_path: Path
) -> None:
    content = {"model": nn.DataParallel(network)} if parallel else network
    found = read_checkpoint(written(tmp_path / "a.pth", content, container))
    assert_same(found.state, network.state_dict())  # without the buffer that is not persistent
    assert found.whole_module


def test_views_strides_and_types_come_out_as_they_were(container: bool, tmp_path: Path) -> None:
    base = torch.arange(20.0)
    state = {
        "step": base[3:9:2],
        "turned": base.view(4, 5).t(),
        "empty": base[2:2],
        "number": torch.tensor(5),
        "wide": torch.tensor(2.5).expand(3, 1000),
        "half": torch.tensor([1.5], dtype=torch.float16),
        "brain": torch.tensor([1.5, -2.0], dtype=torch.bfloat16),
        "flag": torch.tensor([True, False]),
    }
    assert_same(read_checkpoint(written(tmp_path / "a.pth", state, container)).state, state)


def test_torchscript_is_read_without_its_code(tmp_path: Path) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).eval()
    wrapper = nn.ModuleDict({"model": network})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated; published files stay
        scripted = torch.jit.trace(wrapper["model"], torch.rand(1, 3, 5, 5))
        outer = torch.jit.script(_Outer(scripted))
        outer.save(tmp_path / "a.pth")
    found = read_checkpoint(tmp_path / "a.pth")
    assert found.format == "torchscript"
    assert_same(found.state, network.state_dict())


class _Outer(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.scale = 0.25

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.model(x)
        return found


class _Python2Pickler(pickle._Pickler):
    """Writes byte strings for text and lists of pairs for ordered dictionaries, as Python 2."""

    dispatch: ClassVar = dict(pickle._Pickler.dispatch)

    def save_text(self, text: str) -> None:
        data = text.encode("latin-1")
        self.write(pickle.SHORT_BINSTRING + bytes([len(data)]) + data)
        self.memoize(text)

    dispatch[str] = save_text

    def persistent_id(self, item: object) -> object:
        return item.pid if isinstance(item, _Storage) else None


class _Storage:
    def __init__(self, *pid: object) -> None:
        self.pid = pid


class _Call:
    """Pickles as a call of the function of that name."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.reduced = (function, arguments)

    def __reduce__(self) -> tuple[object, ...]:
        return self.reduced


def test_a_file_of_python_2_is_read(tmp_path: Path) -> None:
    stream = io.BytesIO()
    storage = _Storage("storage", torch.FloatStorage, "1", "cuda:0", 6, None)
    tensor = _Call(torch._utils._rebuild_tensor, storage, 0, (2, 3), (3, 1))
    state = _Call(collections.OrderedDict, [["conv1.weight", tensor]])
    machine = {"protocol_version": 1001, "little_endian": True}
    content = {"epoch": 1, "state_dict": state}
    for part in (0x1950A86A20F9469CFC6C, 1001, machine, content, ["1"]):
        _Python2Pickler(stream, protocol=2).dump(part)
    stream.write(struct.pack("<q6f", 6, *range(6)))
    (tmp_path / "a.pth").write_bytes(stream.getvalue())
    found = read_checkpoint(tmp_path / "a.pth")
    assert_same(found.state, {"conv1.weight": torch.arange(6.0).view(2, 3)})


def test_a_view_of_a_storage_begins_where_it_says(tmp_path: Path) -> None:
    stream = io.BytesIO()
    view = _Storage("storage", torch.FloatStorage, "1", "cpu", 6, ("2", 2, 4))
    tensor = _Call(torch._utils._rebuild_tensor, view, 1, (2,), (1,))
    for part in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}, {"a": tensor}, ["1"]):
        _Python2Pickler(stream, protocol=2).dump(part)
    stream.write(struct.pack("<q6f", 6, *range(6)))
    (tmp_path / "a.pth").write_bytes(stream.getvalue())
    assert read_checkpoint(tmp_path / "a.pth").state["a"].tolist() == [3.0, 4.0]


@pytest.fixture(params=["dim_segnet_checkpoint.tar", "shm_model_obj.pth"])
def sample(request: pytest.FixtureRequest) -> Path:
    path = PARITY / str(request.param)
    if not path.exists():
        pytest.skip("the samples of published checkpoints are not here")
    return path


def test_the_pickled_samples_give_every_number(sample: Path) -> None:
    model = "dim_segnet" if sample.suffix == ".tar" else "shm"
    fixture = json.loads((PARITY / f"{model}.json").read_text())
    found = read_checkpoint(sample)
    assert found.whole_module
    assert list(found.state) == [entry["key"] for entry in fixture["manifest"]]
    for entry in fixture["manifest"]:
        key, value = entry["key"], found.state[entry["key"]]
        number = zlib.crc32((fixture["prefix"] + key).encode()) % 1000 / 1000
        wanted = 0 if key.endswith("num_batches_tracked") else number
        assert list(value.shape) == entry["shape"]
        assert torch.equal(value, torch.full(value.shape, wanted, dtype=value.dtype)), key


def test_reading_imports_nothing_that_the_file_names(sample: Path) -> None:
    before = set(sys.modules)
    read_checkpoint(sample)
    assert not {"models", "model", "model.network", "torch.nn.backends.thnn"} & (
        set(sys.modules) - before
    )


def test_a_checkpoint_without_a_network_is_refused(container: bool, tmp_path: Path) -> None:
    file = written(tmp_path / "a.pth", {"epoch": 3}, container)
    with pytest.raises(CheckpointError, match="holds no network's weights"):
        read_checkpoint(file)


def test_a_state_dict_with_more_than_tensors_is_refused(tmp_path: Path) -> None:
    file = written(tmp_path / "a.pth", {"a": torch.ones(1), "epoch": 3}, ZIP)
    with pytest.raises(CheckpointError, match="entries are no tensors: epoch"):
        read_checkpoint(file)
