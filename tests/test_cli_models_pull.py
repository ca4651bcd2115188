"""``mattecli models pull`` and ``verify``; the web is a server on this machine."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from weights_server import Script, serving

from mattecli.models.bgmv2 import BGMv2
from mattecli.models.published import PUBLISHED
from tests.conftest import Cli


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
    assert f"bgmv2\tok\t{digest}\n" in cli("models", "verify").out.decode()
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
    assert cli("models", "info", "bgmv2", "--json").out.count(b'"weights": "built in"') == 1


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
    assert "answers 404 (Not Found); check the address" in done.err
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
        _, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert ("what was fetched is kept" in err) == (number == signal.SIGINT)
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


def test_a_store_that_cannot_be_written_is_one_line(
    cli: Cli, server: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("MATTECLI_HOME", str(tmp_path / "file"))
    done = cli("models", "pull", "bgmv2", "--url", server.address)
    assert (done.code, done.err.count("\n")) == (1, 1)
    assert "MATTECLI_HOME" in done.err
