"""``mattecli models`` as its users see it; the web is a server on this machine."""

from __future__ import annotations

import json
import os
import zlib
from pathlib import Path

import pytest
import torch
from parity.core import parity_folder
from safetensors import safe_open
from safetensors.torch import save_file

from mattecli.models.dim import DIM
from mattecli.models.published import PUBLISHED
from mattecli.models.registry import MODELS
from tests.conftest import Cli

SAMPLES = {"dim:segnet": "dim_segnet_checkpoint.tar", "shm": "shm_model_obj.pth"}


@pytest.fixture(scope="module")
def dim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("dim") / "dim.safetensors"
    save_file(DIM.fresh().state_dict(), path)
    return path


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Where the program keeps weights in a test."""
    return tmp_path / "mattecli-home" / "weights"


def weights_in(store: Path) -> list[Path]:
    return sorted(path for path in store.glob("*") if path.suffix not in (".lock", ".json"))


def test_list_shows_every_model_and_makes_nothing(cli: Cli, store: Path) -> None:
    done = cli("models", "list")
    assert (done.code, done.err) == (0, "")
    lines = done.out.decode().splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(MODELS)
    assert not store.exists()


def test_list_as_json_says_what_is_where(cli: Cli) -> None:
    rows = {
        row["name"]: row
        for row in map(json.loads, cli("models", "list", "--json").out.splitlines())
    }
    assert list(rows) == list(MODELS)
    assert rows["modnet:webcam"]["weights"] == "pull"
    assert rows["bgm"]["weights"] == "by hand"
    assert rows["shm"]["weights"] == "built in"
    assert rows["knn"]["weights"] == "none needed"
    assert rows["bgmv2"]["needs"] == ["background"]
    assert [rows[name]["commercial"] for name in ("shm", "dim", "knn")] == [True, False, None]


def test_info_shows_all_facts(cli: Cli) -> None:
    published = PUBLISHED["modnet:photographic"]
    shown = cli("models", "info", "modnet:photographic").out.decode()
    for fact in (
        published.sha256,
        "26,255,603 bytes",
        "Apache-2.0",
        "commercial:  yes",
        "arXiv 2011.11961",
        published.by_hand,
        *published.addresses,
    ):
        assert fact in shown
    assert json.loads(cli("models", "info", "dim@v1.4", "--json").out)["weights"] == "pull"


def test_a_name_that_is_none_is_a_usage_error(cli: Cli) -> None:
    for command in ("info", "path", "pull"):
        done = cli("models", command, "modnett")
        assert (done.code, done.out) == (2, b"")
        assert "there is no model 'modnett'" in done.err


def test_path_ends_with_3_where_there_is_nothing(cli: Cli) -> None:
    done = cli("models", "path", "dim")
    assert (done.code, done.out) == (3, b"")
    assert "mattecli models pull dim" in done.err
    assert cli("models", "path", "knn").code == 3


@pytest.mark.parametrize("name", SAMPLES)
def test_import_takes_over_a_pickled_network(cli: Cli, store: Path, name: str) -> None:
    sample = parity_folder() / SAMPLES[name]
    if not sample.exists():
        pytest.skip("the samples of published checkpoints are not here")
    done = cli("models", "import", sample)
    assert done.code == 0, done.err
    (file,) = weights_in(store)
    assert done.out.decode() == f"{file}\n"
    assert done.err.startswith(f"{name}: ")
    assert file.stat().st_mode & 0o077 == 0o666 & ~current_umask() & 0o077
    again = cli("models", "import", sample, "-o", "again.safetensors")
    assert Path("again.safetensors").read_bytes() == file.read_bytes(), again.err
    manifest = json.loads(
        (parity_folder() / f"{'shm' if name == 'shm' else 'dim_segnet'}.json").read_text()
    )
    with safe_open(file, framework="pt") as tensors:
        assert set(tensors.keys()) == {entry["key"] for entry in manifest["manifest"]}
        assert json.loads(tensors.metadata()["mattecli"])["model"] == name
        for key in tensors.keys():  # noqa: SIM118 - not a dictionary
            number = zlib.crc32((manifest["prefix"] + key).encode()) % 1000 / 1000
            value = tensors.get_tensor(key)
            wanted = 0 if key.endswith("num_batches_tracked") else number
            assert torch.equal(value, torch.full_like(value, wanted)), key
    assert cli("models", "path", name).out == done.out


def test_remove_leaves_nothing_but_what_comes_along(
    cli: Cli, store: Path, modnet_weights: Path, dim: Path
) -> None:
    own = cli("models", "path", "modnet").out
    assert cli("models", "import", modnet_weights, "--as", "modnet").code == 0
    assert cli("models", "import", dim, "--as", "dim").code == 0
    (store / f"modnet-photographic-{'0' * 12}.ckpt").write_bytes(b"another's")
    kept = [path for path in weights_in(store) if path.name.startswith(("dim-", "modnet-photo"))]
    (store / "modnet.part").write_bytes(b"begun")
    (store / f"modnet-{'0' * 12}.ckpt").write_bytes(b"of a run that was killed")
    done = cli("models", "remove", "modnet")
    assert (done.code, done.out) == (0, b""), done.err
    assert "modnet: removed, " in done.err
    assert "come along are used again" in done.err
    assert weights_in(store) == kept
    assert not (store / "modnet.json").exists()
    assert cli("models", "path", "modnet").out == own
    assert cli("models", "remove", "dim").code == 0
    assert weights_in(store) == kept[1:]
    assert cli("models", "path", "dim").code == 3


def test_remove_takes_a_damaged_record_away(cli: Cli, store: Path, dim: Path) -> None:
    assert cli("models", "import", dim, "--as", "dim").code == 0
    (store / "dim.json").write_text("no record")
    assert cli("models", "path", "dim").code == 3
    assert cli("models", "remove", "dim").code == 0
    assert weights_in(store) == []


def test_remove_takes_what_leads_nowhere(cli: Cli, store: Path, dim: Path) -> None:
    assert cli("models", "import", dim, "--as", "dim").code == 0
    (weights,) = weights_in(store)
    weights.unlink()
    weights.symlink_to("nothing")
    assert cli("models", "remove", "dim").code == 0
    assert weights_in(store) == []


def test_remove_knows_weights_by_their_record(cli: Cli, store: Path, dim: Path) -> None:
    assert cli("models", "import", dim, "--as", "dim").code == 0
    record = json.loads((store / "dim.json").read_text())
    (store / record["file"]).rename(store / "mine.safetensors")
    (store / "dim.json").write_text(json.dumps({**record, "file": "mine.safetensors"}))
    assert "0 MB" not in cli("models", "remove", "dim").err
    assert weights_in(store) == []


def test_a_store_that_cannot_be_read_is_said(cli: Cli, store: Path) -> None:
    store.parent.mkdir(parents=True, exist_ok=True)
    store.write_text("no folder")
    done = cli("models", "remove", "modnet")
    assert done.code == 1
    assert "cannot be read" in done.err
    assert done.err.count("\n") == 1


def test_the_packages_own_keep_their_licence(cli: Cli) -> None:
    own = Path(cli("models", "path", "bgmv2").out.decode().strip())
    assert cli("models", "import", own, "--as", "bgmv2").code == 0
    facts = json.loads(cli("models", "info", "bgmv2", "--json").out)
    assert (facts["licence"], facts["commercial"]) == ("Apache-2.0", True)


@pytest.mark.parametrize(
    ("name", "code", "reason"),
    [
        ("modnet", 3, "come along with the program, and stay"),
        ("dim", 3, "no weights of dim were put here"),
        ("dim@v1.4", 3, "no weights of dim@v1.4 were put here"),
        ("knn", 3, "no weights of knn were put here"),
        ("dims", 2, "there is no model 'dims'"),
    ],
)
def test_remove_says_why_it_cannot(
    cli: Cli, store: Path, name: str, code: int, reason: str
) -> None:
    done = cli("models", "remove", name)
    assert (done.code, done.out) == (code, b"")
    assert reason in done.err
    assert done.err.count("\n") == 1
    assert not store.exists()


def current_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_import_keeps_what_it_is_told(cli: Cli, dim: Path, tmp_path: Path) -> None:
    told = ("--as", "dim@v1.4", "--set", "raw_input=no")
    done = cli("models", "import", dim, "-o", "a.safetensors", *told)
    assert (done.code, done.out) == (0, b"a.safetensors\n")
    assert "additions=no, raw_input=no" in done.err
    done = cli("models", "import", "a.safetensors", "-o", "b.safetensors")
    assert "additions=no, raw_input=no" in done.err
    assert "non-commercial" in done.err
    assert not (tmp_path / "mattecli-home" / "weights" / "dim.json").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (("-o", "a.pth"), 2, "must end in .safetensors"),
        (("--set", "additions"), 2, "give KEY=VALUE"),
        (("--set", "additions="), 2, "give KEY=VALUE"),
        (("--set", "colour=blue"), 2, "no option colour=blue"),
        (("--as", "dims"), 2, "there is no model 'dims'"),
        (("--as", "dim:segnet"), 3, "holds weights of dim, not of dim:segnet"),
        (("--as", "modnet:webcam"), 3, "is not the published file of modnet:webcam"),
        (("-o", "SAME"), 2, "would overwrite the input"),
    ],
)
def test_import_refuses_what_makes_no_sense(
    cli: Cli, dim: Path, arguments: tuple[str, ...], code: int, reason: str
) -> None:
    done = cli("models", "import", dim, *(text.replace("SAME", str(dim)) for text in arguments))
    assert (done.code, done.out) == (code, b"")
    assert reason in done.err
