"""Files that options name: strange ones are refused in one line, and none is written over."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import Cli, photo, save

MASK = np.zeros((20, 30), np.uint8)
MASK[5:15, 8:20] = 255


@pytest.fixture
def mask(tmp_path: Path) -> Path:
    return save(tmp_path / "m.png", MASK)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("[tool]\nmattecli = 3\n", "a value where a table of options belongs"),
        ("tool = 3\n", "no option"),
        ("trimap = 3\n", "a value where a table of options belongs"),
        ("a = " + "[" * 100_000, "no valid TOML"),
        ("# " + "x" * (1 << 20), "too large"),
    ],
)
def test_a_strange_config_is_refused(
    cli: Cli, mask: Path, tmp_path: Path, text: str, cause: str
) -> None:
    (tmp_path / "c.toml").write_text(text)
    done = cli("trimap", mask, "-o", "t.png", "--config", "c.toml")
    assert done.code == 2
    assert cause in done.err
    assert "c.toml" in done.err
    assert "Traceback" not in done.err


def test_devices_are_no_files_of_options_or_names(cli: Cli, mask: Path) -> None:
    done = cli("trimap", mask, "-o", "t.png", "--config", "/dev/zero")
    assert (done.code, "too large" in done.err) == (2, True)
    done = cli("trimap", "--files-from", "/dev/zero", "-o", "out")
    assert (done.code, "it is a device" in done.err) == (2, True)


def test_no_report_takes_the_place_of_what_is_read(cli: Cli, mask: Path, tmp_path: Path) -> None:
    (tmp_path / "l.jsonl").write_text("m.png\n")
    save(tmp_path / "cut.png", np.dstack((photo(30, 20), MASK)))
    picture = save(tmp_path / "bg.png", photo(30, 20)).read_bytes()
    (tmp_path / "bg.html").write_bytes(picture)
    done = cli("trimap", "--files-from", "l.jsonl", "-o", "out", "--report", "l.jsonl")
    assert (done.code, "would take the place of" in done.err) == (2, True)
    done = cli("composite", "cut.png", "-b", "bg.html", "-o", "out", "--report", "bg.html")
    assert (done.code, "would take the place of" in done.err) == (2, True)
    assert (tmp_path / "l.jsonl").read_text() == "m.png\n"
    assert (tmp_path / "bg.html").read_bytes() == picture


def test_a_current_folder_that_is_gone_is_said(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    command = f"rmdir {gone}; {sys.executable} -P -m mattecli doctor"
    done = subprocess.run(
        ["sh", "-c", command], cwd=gone, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == "mattecli: the current folder is not there any more; change to another\n"
