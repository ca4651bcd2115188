"""What files, records and servers may not do to the store, the network and the terminal."""

from __future__ import annotations

import io
import os
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save, save_file
from torch import nn
from weights_server import Script, serving

from mattecli.errors import CheckpointError, MattecliError, ModelUnavailableError, UsageError
from mattecli.models.base import load_strictly
from mattecli.models.checkpoint import read_checkpoint
from mattecli.models.dim import DIM
from mattecli.models.download import fetch
from mattecli.models.modnet import MODNet
from mattecli.models.order import Order
from mattecli.models.registry import find_spec
from mattecli.models.store import Store, StoredWeights, file_digest
from mattecli.models.weights import facts_in, load_network
from tests.conftest import Cli


class Silent:
    def transferred(self, done: int, total: int | None) -> None:
        """Of no interest here."""

    def note(self, text: str) -> None:
        """Of no interest here."""


@pytest.fixture(scope="module")
def dim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("dim") / "dim.safetensors"
    save_file(DIM.fresh().state_dict(), path)
    return path


def put(store: Store, file: Path, name: str, *, pulled: bool = True) -> StoredWeights:
    temporary = store.new_file(name, file.suffix)
    temporary.write_bytes(file.read_bytes())
    digest = file_digest(file)
    return store.install(
        temporary,
        StoredWeights(
            name=name,
            file=file.name,
            size=file.stat().st_size,
            sha256=digest,
            source="somewhere",
            source_sha256=digest,
            pulled=pulled,
            options={"additions": "no"},
        ),
    )


def test_a_file_of_the_store_keeps_its_options_when_it_is_named(tmp_path: Path, dim: Path) -> None:
    store = Store(tmp_path / "store")
    stored = put(store, dim, "dim@v1.4")
    for path in (store.path(stored), dim):
        network = load_network(find_spec("dim"), path, store=store).network
        assert isinstance(network, DIM)
        assert not network.additions


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (torch.full((2,), 1e300, dtype=torch.float64), "are not finite: weight"),
        (torch.zeros(2).to(torch.float8_e4m3fn), "weight is float8_e4m3fn instead of float32"),
        (torch.zeros(2, dtype=torch.complex64), "weight is complex64"),
        (torch.zeros(2, dtype=torch.bool), "weight is bool"),
        (torch.zeros(2, dtype=torch.int64), "weight is int64"),
    ],
)
def test_numbers_that_the_network_cannot_hold_are_refused(value: torch.Tensor, reason: str) -> None:
    norm = nn.BatchNorm1d(2)
    with pytest.raises(CheckpointError, match=reason):
        load_strictly(norm, {**norm.state_dict(), "weight": value})


def test_metadata_that_is_nested_without_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"a": torch.zeros(1)}, path, {"mattecli": "[" * 200_000})
    with pytest.raises(CheckpointError, match="its metadata makes no sense"):
        facts_in(read_checkpoint(path))


def test_text_of_others_cannot_steer_the_terminal() -> None:
    error = MattecliError("a\nb\x1b[2J ordinary ä", remedy="c\rd")
    assert str(error) == "a\\nb\\x1b[2J ordinary ä; c\\rd"


def test_a_path_that_is_no_utf_8_is_read(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"\xff.safetensors")
    path.write_bytes(save({"a": torch.ones(3)}))
    assert torch.equal(read_checkpoint(path).state["a"], torch.ones(3))


def test_half_a_second_backbone_is_refused() -> None:
    state = MODNet().state_dict()
    twins = {f"lr_branch.{key}": state[key] for key in state if key.startswith("backbone.")}
    MODNet.from_state({**state, **twins})
    counters = [key for key in twins if key.endswith("num_batches_tracked")]
    without = {key: value for key, value in twins.items() if key not in counters}
    MODNet.from_state({**state, **without})  # as old files lack them
    del twins["lr_branch.backbone.model.features.0.0.weight"]
    with pytest.raises(CheckpointError, match="one of its two copies of the backbone lacks"):
        MODNet.from_state({**state, **twins})


def test_a_bit_that_flipped_in_a_zip_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    torch.save({"a": torch.arange(5000.0), "b": torch.ones(100)}, path)
    read_checkpoint(path)
    sound = bytearray(path.read_bytes())
    place = sound.index(torch.arange(5000.0).numpy().tobytes()[4000:4100])
    flipped = bytes(sound[:place]) + bytes([sound[place] ^ 1]) + bytes(sound[place + 1 :])
    path.write_bytes(flipped)
    with pytest.raises(CheckpointError, match="another check sum"):
        read_checkpoint(path)


def test_a_zip_without_check_sums_is_read(tmp_path: Path) -> None:
    """PyTorch writes such where it is told to save the time."""
    path = tmp_path / "a.pth"
    torch.serialization.set_crc32_options(False)
    try:
        torch.save({"a": torch.arange(50.0)}, path)
    finally:
        torch.serialization.set_crc32_options(True)
    assert torch.equal(read_checkpoint(path).state["a"], torch.arange(50.0))


def test_a_zip_with_far_too_many_entries_is_refused(tmp_path: Path) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for number in range(20_001):
            archive.writestr(str(number), b"")
    path = tmp_path / "a.pth"
    path.write_bytes(content.getvalue())
    with pytest.raises(CheckpointError, match="far too many entries"):
        read_checkpoint(path)


def test_an_import_keeps_the_pin_of_what_was_pulled(cli: Cli, tmp_path: Path, dim: Path) -> None:
    store = Store(tmp_path / "mattecli-home" / "weights")
    stored = put(store, dim, "dim")
    done = cli("models", "import", dim, "--as", "dim")
    assert "replaces the weights pulled from somewhere" in done.err
    assert store.pinned("dim") == stored.sha256
    store.record_path("dim").write_text("[" * 200_000)
    done = cli("models", "import", dim, "--as", "dim")
    assert done.code == 0
    assert "the record of dim's weights is damaged" in done.err


def test_verify_tells_what_is_missing_or_damaged_and_goes_on(
    cli: Cli, tmp_path: Path, dim: Path
) -> None:
    store = Store(tmp_path / "mattecli-home" / "weights")
    store.path(put(store, dim, "dim")).unlink()
    put(store, dim, "dim@v1.4")
    store.record_path("shm").write_text("{")
    done = cli("models", "verify")
    verdicts = {row.split("\t")[0]: row.split("\t")[1] for row in done.out.decode().splitlines()}
    assert done.code == 3
    assert (verdicts["dim"], verdicts["dim@v1.4"]) == ("is missing", "ok")
    assert "is damaged" in verdicts["shm"]


def test_what_a_killed_process_left_goes_with_the_next_lock(tmp_path: Path) -> None:
    store = Store(tmp_path)
    left, other = store.new_file("bgmv2", ".a"), store.new_file("bgmv2:resnet50", ".a")
    with store.lock("bgmv2", lambda: None):
        assert not left.exists()
        assert other.exists()


def test_a_damaged_record_names_a_command_that_there_is(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.record_path("modnet").write_text("{")
    with pytest.raises(ModelUnavailableError, match="models import FILE --as modnet"):
        store.find("modnet")


@pytest.mark.parametrize("path", ["ä", "a b", "a\nb"])
def test_an_address_that_is_none_is_a_usage_error(path: str, tmp_path: Path) -> None:
    order = Order(address=f"http://127.0.0.1/{path}", part=tmp_path / "a", insecure=True)
    with pytest.raises(UsageError, match="is no http or https address"):
        fetch(order, Silent())
    for stall in (float("inf"), float("nan"), 1e12):
        with pytest.raises(UsageError, match="cannot be waited for"):
            fetch(replace(order, address="http://127.0.0.1/", stall=stall), Silent())


def test_tries_are_counted_anew_when_bytes_arrive(tmp_path: Path) -> None:
    script = Script(bytes(10_000), cuts=[1000] * 9)
    with serving(script) as server:
        fetch(Order(address=server.address, part=tmp_path / "a", insecure=True, pause=0), Silent())
    assert len(script.asked) == 10


def test_a_new_version_never_lies_beside_old_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = Script(bytes(10_000), cuts=[1000])
    with serving(script) as server:
        order = Order(address=server.address, part=tmp_path / "a", insecure=True, pause=0, tries=1)
        with pytest.raises(ModelUnavailableError):
            fetch(order, Silent())
        script.tag = '"two"'
        monkeypatch.setattr("mattecli.models.download._copy", _killed)
        with pytest.raises(KeyboardInterrupt):
            fetch(order, Silent())
    assert not order.part.exists()


def _killed(*_: object) -> None:
    raise KeyboardInterrupt
