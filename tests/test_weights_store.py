"""The store of weights, the table of published files, and loading networks from both."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import torch

from mattecli.errors import CheckpointError, ModelUnavailableError, ResourceError
from mattecli.models.lookup import built_in_weights, find_weights
from mattecli.models.published import PUBLISHED, find_by_digest, published_for
from mattecli.models.registry import MODELS, find_spec, network_specs
from mattecli.models.shm import SHM
from mattecli.models.store import Store, StoredWeights, file_digest
from mattecli.models.weights import load_network, write_safetensors


@pytest.fixture(scope="module")
def shm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(5)
    path = tmp_path_factory.mktemp("shm") / "shm.safetensors"
    write_safetensors(path, SHM().state_dict(), {"model": "shm"}, {})
    return path


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def record(name: str, file: Path) -> StoredWeights:
    digest = file_digest(file)
    return StoredWeights(
        name=name,
        file=f"a{file.suffix}",
        size=file.stat().st_size,
        sha256=digest,
        source="test",
        source_sha256=digest,
        pulled=True,
    )


def installed(store: Store, name: str, content: bytes) -> StoredWeights:
    file = store.new_file(name, ".safetensors")
    file.write_bytes(content)
    return store.install(file, record(name, file))


def test_what_is_installed_is_found_again(store: Store) -> None:
    put = installed(store, "bgmv2:resnet50", b"some weights")
    found = store.find("bgmv2:resnet50")
    assert found == put
    assert store.path(put).read_bytes() == b"some weights"
    assert find_weights(find_spec("bgmv2:resnet50"), store) == store.path(put)
    assert store.find("bgmv2") is None
    assert find_weights(find_spec("bgmv2:resnet101"), store) is None
    assert find_weights(find_spec("bgmv2"), store) == built_in_weights(find_spec("bgmv2"))


def test_a_new_version_takes_the_old_ones_place(store: Store) -> None:
    old = installed(store, "shm", b"old")
    new = installed(store, "shm", b"new")
    assert store.find("shm") == new
    assert not store.path(old).exists()
    assert store.path(new).read_bytes() == b"new"


def test_the_same_file_can_be_installed_again(store: Store) -> None:
    installed(store, "shm", b"same")
    again = installed(store, "shm", b"same")
    assert store.path(again).read_bytes() == b"same"


def test_a_deleted_weights_file_leaves_its_pin(store: Store) -> None:
    put = installed(store, "shm", b"weights")
    store.path(put).unlink()
    assert store.find("shm") is None
    assert store.pin("shm") == put


def test_files_can_be_read_by_whom_the_users_mask_allows(store: Store) -> None:
    before = os.umask(0o022)
    try:
        put = installed(store, "shm", b"weights")
    finally:
        os.umask(before)
    assert store.path(put).stat().st_mode & 0o777 == 0o644
    assert store.record_path("shm").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"name": "shm"}'])
def test_a_damaged_record_is_named(store: Store, text: str) -> None:
    installed(store, "shm", b"weights")
    store.record_path("shm").write_text(text)
    with pytest.raises(ModelUnavailableError, match="the record of shm's weights is damaged"):
        store.find("shm")


def test_a_record_cannot_lead_out_of_the_store(store: Store) -> None:
    put = installed(store, "shm", b"weights")
    fields = dataclasses.asdict(put) | {"file": "../../secret"}
    store.record_path("shm").write_text(json.dumps(fields))
    with pytest.raises(ModelUnavailableError, match="damaged"):
        store.find("shm")


def test_a_changed_file_is_noticed(store: Store) -> None:
    put = installed(store, "shm", b"weights")
    store.check(put)
    store.path(put).write_bytes(b"other weights")
    with pytest.raises(CheckpointError, match="has changed: its SHA-256 is"):
        store.check(put)


def test_a_store_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ResourceError, match="MATTECLI_HOME"):
        installed(Store(tmp_path / "file" / "store"), "shm", b"weights")


def test_the_store_is_where_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MATTECLI_HOME", str(tmp_path / "here"))
    assert Store().folder == tmp_path / "here" / "weights"
    monkeypatch.delenv("MATTECLI_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert "mattecli" in Store().folder.parts


def test_a_network_comes_from_the_store(store: Store, shm: Path) -> None:
    put = installed(store, "shm", shm.read_bytes())
    loaded = load_network(find_spec("shm"), store=store)
    assert loaded.path == store.path(put)
    assert loaded.sha256 == put.sha256
    assert not loaded.network.training


def test_a_given_file_is_preferred_to_the_store(store: Store, shm: Path) -> None:
    installed(store, "shm", b"no weights at all")
    assert load_network(find_spec("shm"), shm, store=store).path == shm


def test_a_file_that_changed_in_the_store_is_not_loaded(store: Store, shm: Path) -> None:
    put = installed(store, "shm", b"weights")
    store.path(put).write_bytes(shm.read_bytes())
    with pytest.raises(CheckpointError, match="has changed since it was installed"):
        load_network(find_spec("shm"), store=store)


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("modnet", "pull modnet:photographic' and use --model modnet:photographic"),
        ("modnet:webcam", "run 'mattecli models pull modnet:webcam'"),
        ("shm", "none are published: give --weights FILE"),
        ("dim", "run 'mattecli models pull dim --accept-licence', or give --weights FILE"),
    ],
)
def test_missing_weights_are_said_with_the_way_to_get_them(
    store: Store, name: str, remedy: str
) -> None:
    spec = dataclasses.replace(find_spec(name), built_in="")
    with pytest.raises(ModelUnavailableError, match="there are no weights for") as caught:
        load_network(spec, store=store)
    assert remedy in str(caught.value)
    assert caught.value.exit_code == 3


def test_options_kept_with_a_file_reach_the_network(tmp_path: Path) -> None:
    from mattecli.models.dim import DIM

    file = tmp_path / "dim.safetensors"
    write_safetensors(file, DIM.fresh().state_dict(), {}, {"additions": "no"})
    loaded = load_network(find_spec("dim"), file)
    assert isinstance(loaded.network, DIM)
    assert not loaded.network.additions
    assert loaded.options == {"additions": "no"}


def test_an_option_that_a_network_does_not_have_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "shm.safetensors"
    write_safetensors(file, SHM().state_dict(), {}, {"colour": "blue"})
    with pytest.raises(CheckpointError, match="colour"):
        load_network(find_spec("shm"), file)


def test_every_model_that_names_published_weights_has_them() -> None:
    for spec in network_specs():
        assert spec.weights in ("", spec.name)
        assert bool(spec.weights) == bool(published_for(spec.name))
    assert {row.model for row in PUBLISHED.values()} <= set(MODELS)


def test_the_published_table_makes_sense() -> None:
    assert published_for("dim")[0].name == "dim"
    for row in PUBLISHED.values():
        assert row.addresses or row.by_hand
        assert all(urlsplit(address).scheme == "https" for address in row.addresses)
        assert len(row.sha256) in (0, 64)
        assert row.commercial == (row.licence in ("Apache-2.0", "MIT"))
        if row.sha256:
            assert find_by_digest(row.sha256) == row
        if row.size:
            assert round(row.size / 1e6) == row.megabytes
    assert find_by_digest("") is None


def test_table_and_store_are_at_hand_without_torch() -> None:
    code = (
        "import sys, mattecli.cli.models, mattecli.jobs.models, mattecli.jobs.pull,"
        " mattecli.jobs.importing, mattecli.models.store;"
        "mattecli.jobs.models.list_models();"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
