"""``mattecli models`` as its users see it; the web is a server on this machine."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from parity.core import parity_folder
from safetensors import safe_open
from weights_server import Script, serving

from mattecli.models.bgmv2 import BGMv2
from mattecli.models.dim import DIM
from mattecli.models.published import PUBLISHED
from mattecli.models.registry import MODELS
from tests.conftest import Cli

SAMPLES = {"dim:segnet": "dim_segnet_checkpoint.tar", "shm": "shm_model_obj.pth"}


def bgmv2_file(path: Path, seed: int) -> bytes:
    torch.manual_seed(seed)
    torch.save(BGMv2.fresh().state_dict(), path)
    return path.read_bytes()


@pytest.fixture(scope="module")
def body(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return bgmv2_file(tmp_path_factory.mktemp("bgmv2") / "a.pth", seed=1)


@pytest.fixture
def server(body: bytes) -> Iterator[Script]:
    with serving(Script(body)) as script:
        yield script


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
    assert rows["shm"]["weights"] == "import"
    assert rows["knn"]["weights"] == "none needed"
    assert rows["bgmv2"]["needs"] == ["background"]
    assert [rows[name]["commercial"] for name in ("bgmv2", "dim", "shm")] == [True, False, None]


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


def test_pull_puts_the_file_in_the_store_and_works_offline_afterwards(
    cli: Cli, server: Script, body: bytes, store: Path
) -> None:
    done = cli("models", "pull", "bgmv2", "--url", server.address)
    digest = hashlib.sha256(body).hexdigest()
    assert done.code == 0, done.err
    (file,) = weights_in(store)
    assert done.out.decode() == f"{file}\n"
    assert file.read_bytes() == body
    assert digest in done.err
    server.status = 404
    assert cli("models", "pull", "bgmv2").out == done.out
    assert cli("models", "path", "bgmv2").out == done.out
    assert cli("models", "verify").out.decode() == f"bgmv2\tok\t{digest}\n"
    assert len(server.asked) == 1
    facts = json.loads(cli("models", "info", "bgmv2", "--json").out)
    assert (facts["weights"], facts["sha256"], facts["path"]) == ("here", digest, str(file))


def test_pull_keeps_nothing_of_a_file_that_is_not_the_published_one(cli: Cli, store: Path) -> None:
    size = PUBLISHED["modnet:photographic"].size
    assert size is not None
    for content, reason in ((b"short", "has 5 bytes"), (bytes(size), "has SHA-256")):
        with serving(Script(content)) as server:
            done = cli("models", "pull", "modnet:photographic", "--url", server.address)
        assert (done.code, done.out) == (3, b"")
        assert done.err.count("\n") == 1
        assert reason in done.err
        assert not weights_in(store)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"<!DOCTYPE html><html>Sign in</html>", "is no weights file"), (b"", "is empty")],
)
def test_pull_reads_a_file_without_a_known_digest_before_it_is_accepted(
    cli: Cli, store: Path, content: bytes, reason: str
) -> None:
    with serving(Script(content)) as server:
        done = cli("models", "pull", "bgmv2", "--url", server.address)
    assert (done.code, done.out) == (3, b"")
    assert reason in done.err
    assert not weights_in(store)
    assert cli("models", "path", "bgmv2").code == 3


def test_pull_refuses_weights_of_another_network(cli: Cli, server: Script, store: Path) -> None:
    done = cli("models", "pull", "bgmv2:resnet50", "--url", server.address)
    assert done.code == 3
    assert "holds weights of bgmv2, not of bgmv2:resnet50" in done.err
    assert not weights_in(store)


def test_the_first_pull_pins_a_file_without_a_known_digest(
    cli: Cli, server: Script, store: Path, tmp_path: Path
) -> None:
    assert cli("models", "pull", "bgmv2", "--url", server.address).code == 0
    (first,) = weights_in(store)
    first.unlink()
    server.body, server.tag = bgmv2_file(tmp_path / "b.pth", seed=2), '"two"'
    done = cli("models", "pull", "bgmv2", "--url", server.address)
    assert done.code == 3
    assert hashlib.sha256(server.body).hexdigest() in done.err
    assert "the first pull had" in done.err
    assert not weights_in(store)
    (store / "bgmv2.json").unlink()
    assert cli("models", "pull", "bgmv2", "--url", server.address).code == 0


def test_pull_says_404_and_stalls(cli: Cli, server: Script) -> None:
    server.status = 404
    done = cli("models", "pull", "bgmv2", "--url", server.address)
    assert (done.code, done.err.count("\n")) == (3, 1)
    assert "answers 404 (Not Found)" in done.err
    server.status, server.stall_at = 200, 0
    done = cli("models", "pull", "bgmv2", "--url", server.address, "--stall", "1")
    assert done.code == 3
    assert "sent nothing for 1 seconds" in done.err


def test_weights_that_are_not_for_commerce_need_a_yes(cli: Cli, server: Script) -> None:
    server.status = 404
    done = cli("models", "pull", "dim", "--url", server.address)
    assert done.code == 2
    assert "non-commercial" in done.err
    assert "--accept-licence" in done.err
    assert not server.asked
    done = cli("models", "pull", "dim", "--url", server.address, "--accept-licence")
    assert (done.code, len(server.asked)) == (3, 1)


def test_what_only_a_browser_gets_is_explained(cli: Cli) -> None:
    done = cli("models", "pull", "bgm", "--accept-licence")
    assert done.code == 3
    assert PUBLISHED["bgm"].by_hand in done.err
    assert "mattecli models import netG_epoch_12.pth --as bgm" in done.err


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_a_pull_that_was_stopped_is_continued_by_the_next(
    cli: Cli, server: Script, body: bytes, store: Path, number: int, code: int
) -> None:
    server.stall_at = 5 * 2**20
    with start_pull(server) as process:
        part = store / "bgmv2.part"
        deadline = time.monotonic() + 60
        while not part.exists() or part.stat().st_size < server.stall_at:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(number)
        process.communicate(timeout=60)
    assert process.returncode == code
    server.stall_at = None
    done = cli("models", "pull", "bgmv2", "--url", server.address)
    assert done.code == 0, done.err
    assert server.asked == ["", f"bytes={5 * 2**20}-"]
    assert server.sent == len(body)
    assert Path(done.out.decode().strip()).read_bytes() == body


def start_pull(server: Script) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "mattecli", "models", "pull", "bgmv2", "--url", server.address]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
    )


def test_two_pulls_at_once_fetch_the_file_once(server: Script, body: bytes, store: Path) -> None:
    server.pace = 0.1
    processes = [start_pull(server) for _ in range(2)]
    results = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], results
    assert results[0][0] == results[1][0]
    assert (len(server.asked), server.sent) == (1, len(body))
    (file,) = weights_in(store)
    assert file.read_bytes() == body
    assert "another process pulls bgmv2; waiting" in results[0][1] + results[1][1]


def test_verify_finds_damage_and_pull_mends_it(cli: Cli, server: Script, store: Path) -> None:
    assert cli("models", "pull", "bgmv2", "--url", server.address).code == 0
    (file,) = weights_in(store)
    good = file.read_bytes()
    file.write_bytes(good[:-1] + b"?")
    done = cli("models", "verify", "bgmv2")
    assert done.code == 3
    assert b"has changed" in done.out
    assert "1 of 1 weights files are damaged" in done.err
    assert cli("models", "pull", "bgmv2", "--url", server.address).code == 0
    assert file.read_bytes() == good
    assert cli("models", "verify", "dim").code == 3


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
    manifest = json.loads(
        (parity_folder() / f"{'shm' if name == 'shm' else 'dim_segnet'}.json").read_text()
    )
    with safe_open(file, framework="pt") as tensors:
        assert set(tensors.keys()) == {entry["key"] for entry in manifest["manifest"]}
        assert tensors.metadata()["model"] == name
        for key in tensors.keys():  # noqa: SIM118 - not a dictionary
            number = zlib.crc32((manifest["prefix"] + key).encode()) % 1000 / 1000
            value = tensors.get_tensor(key)
            wanted = 0 if key.endswith("num_batches_tracked") else number
            assert torch.equal(value, torch.full_like(value, wanted)), key
    assert cli("models", "path", name).out == done.out


def current_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_import_keeps_what_it_is_told(cli: Cli, tmp_path: Path) -> None:
    torch.save({"state_dict": DIM.fresh().state_dict()}, tmp_path / "dim.pth")
    for arguments, additions in (
        ((), None),
        (("--as", "dim@v1.4"), "no"),
        (("--as", "dim"), "yes"),
    ):
        done = cli("models", "import", "dim.pth", "-o", "a.safetensors", *arguments)
        assert (done.code, done.out) == (0, b"a.safetensors\n"), done.err
        with safe_open(tmp_path / "a.safetensors", framework="pt") as file:
            assert file.metadata().get("option.additions") == additions
    told = ("--as", "dim@v1.4", "--set", "additions=yes", "--set", "raw_input=no")
    assert cli("models", "import", "dim.pth", "-o", "a.safetensors", *told).code == 0
    done = cli("models", "import", "a.safetensors", "-o", "b.safetensors")
    assert "additions=yes, raw_input=no" in done.err
    assert not (tmp_path / "mattecli-home" / "weights" / "dim.json").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (("-o", "a.pth"), 2, "must end in .safetensors"),
        (("--set", "additions"), 2, "is not KEY=VALUE"),
        (("--set", "colour=blue"), 3, "no option colour=blue"),
        (("--as", "dims"), 2, "there is no model 'dims'"),
        (("--as", "dim:segnet"), 3, "holds weights of dim, not of dim:segnet"),
        (("--as", "modnet:webcam"), 3, "is not the published file of modnet:webcam"),
        (("-o", "dim.safetensors"), 2, "would overwrite the input"),
    ],
)
def test_import_refuses_what_makes_no_sense(
    cli: Cli, tmp_path: Path, arguments: tuple[str, ...], code: int, reason: str
) -> None:
    from safetensors.torch import save_file

    save_file(DIM.fresh().state_dict(), tmp_path / "dim.safetensors")
    done = cli("models", "import", "dim.safetensors", *arguments)
    assert (done.code, done.out) == (code, b"")
    assert reason in done.err


def test_a_store_that_cannot_be_written_is_one_line(
    cli: Cli, server: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("MATTECLI_HOME", str(tmp_path / "file"))
    done = cli("models", "pull", "bgmv2", "--url", server.address)
    assert (done.code, done.err.count("\n")) == (1, 1)
    assert "MATTECLI_HOME" in done.err
