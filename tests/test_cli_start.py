"""Start-up, help, configuration, and that light commands stay light."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import mattecli
from tests.conftest import Cli, load, photo, save

MASK = np.zeros((20, 30), np.uint8)
MASK[5:15, 8:20] = 255

LOADED = """
import sys
from mattecli.cli.app import run
code = run(sys.argv[2:])
heavy = [name for name in sys.argv[1].split(",") if name in sys.modules]
print("heavy:", heavy, file=sys.stderr)
sys.exit(code)
"""


@pytest.mark.parametrize(
    ("heavy", "arguments"),
    [
        ("torch,numpy,cv2,PIL,pymatting", ("--help",)),
        ("torch,numpy,cv2,PIL,pymatting", ("--version",)),
        ("torch,numpy,cv2,PIL,pymatting", ("matte", "--help")),
        ("torch,numpy,cv2,PIL,pymatting,av", ("video", "--help")),
        ("torch,pymatting", ("trimap", "m.png")),
        ("torch,pymatting", ("composite", "c.png", "-b", "red")),
        ("torch,pymatting", ("models", "list")),
    ],
)
def test_light_commands_import_nothing_heavy(
    tmp_path: Path, heavy: str, arguments: tuple[str, ...]
) -> None:
    save(tmp_path / "m.png", MASK)
    save(tmp_path / "c.png", np.dstack([MASK] * 4))
    done = subprocess.run(
        [sys.executable, "-c", LOADED, heavy, *arguments],
        capture_output=True, text=True, cwd=tmp_path, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "heavy: []" in done.stderr


def test_version_and_help(shell: Cli) -> None:
    assert shell("--version").out.decode().strip() == f"mattecli {mattecli.__version__}"
    helped = shell("--help")
    assert helped.code == 0
    for command in ("matte", "trimap", "composite", "models"):
        assert command in helped.out.decode()


def test_an_unknown_command_is_one_line(shell: Cli) -> None:
    done = shell("mat")
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert "--help" in done.err


def test_environment_then_config_then_command_line(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "m.png", MASK)
    (tmp_path / "c.toml").write_text(
        'output = "from-config"\nprecision = "fp32"\n[tool]\nx = 1\n'.replace("[tool]\nx = 1\n", "")
        + "[trimap]\ndilate = 2\n"
    )

    def band() -> int:
        return int(np.sum(load(tmp_path / "t.png") == 128))

    def expected(dilate: int) -> int:
        assert cli("trimap", "m.png", "--dilate", str(dilate), "-o", "t.png").code == 0
        return band()

    sizes = {n: expected(n) for n in (1, 2, 3)}
    assert cli("trimap", "m.png", "--config", "c.toml", "-o", "t.png").code == 0
    assert band() == sizes[2]
    monkeypatch.setenv("MATTECLI_DILATE", "3")
    assert cli("trimap", "m.png", "--config", "c.toml", "-o", "t.png").code == 0
    assert band() == sizes[3]
    assert cli("trimap", "m.png", "--config", "c.toml", "--dilate", "1", "-o", "t.png").code == 0
    assert band() == sizes[1]
    monkeypatch.delenv("MATTECLI_DILATE")
    assert cli("trimap", "m.png", "--config", "c.toml").code == 0
    assert (tmp_path / "from-config" / "m-trimap.png").exists()


def test_a_config_lists_what_has_commas_elsewhere(cli: Cli, tmp_path: Path) -> None:
    save(tmp_path / "p.png", photo(30, 20))
    save(tmp_path / "t.png", np.where(np.arange(30) < 15, MASK[:20, :30], 128).astype(np.uint8))
    (tmp_path / "c.toml").write_text('[matte]\nwrite = ["alpha", "mask"]\n')
    told = ("--trimap", "t.png", "--model", "rw", "--dry-run", "--config", "c.toml")
    done = cli("matte", "p.png", *told)
    assert done.code == 0, done.err
    assert "p-alpha.png" in done.err + done.out.decode()
    assert "p-mask.png" in done.err + done.out.decode()


def test_config_in_the_style_of_pyproject(cli: Cli, tmp_path: Path) -> None:
    save(tmp_path / "m.png", MASK)
    (tmp_path / "c.toml").write_text('[tool.mattecli.trimap]\noutput = "here"\n[tool.other]\na=1\n')
    assert cli("trimap", "m.png", "--config", "c.toml").code == 0
    assert (tmp_path / "here" / "m-trimap.png").exists()


@pytest.mark.parametrize(
    ("text", "word"),
    [("dilat = 3", "dilat"), ("[trimap]\nnonsense = 1", "nonsense"),
     ("= 3", "; write name = value on lines of their own"), ("trimap = 3", "a line [trimap]"),
     ("[trimap]\ndilate = 'wide'", "c.toml: invalid value for '--dilate'"),
     ("workers = -3", "--workers -3 is no number of threads (--workers is from c.toml)"),
     ("dry_run = true", "'dry_run' is for the command line alone"),
     ("dry-run = true", "'dry-run' is for the command line alone"),
     ("inputs = ['m.png']", "'inputs' is for the command line alone")],
)  # fmt: skip
def test_a_wrong_config_is_named(cli: Cli, tmp_path: Path, text: str, word: str) -> None:
    save(tmp_path / "m.png", MASK)
    (tmp_path / "c.toml").write_text(text)
    done = cli("trimap", "m.png", "--config", "c.toml")
    assert done.code == 2
    assert word in done.err
    assert done.err.count("\n") == 1
    assert cli("trimap", "m.png", "--config", "missing.toml").code == 2


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("DILATE", "wide", "MATTECLI_DILATE: invalid value for '--dilate'"),
        ("WORKERS", "-3", "(--workers is from MATTECLI_WORKERS)"),
        ("SHARD", "9", "(--shard is from MATTECLI_SHARD)"),
        ("DRY_RUN", "perhaps", "MATTECLI_DRY_RUN: invalid value"),
        ("CONFIG", "none.toml", "MATTECLI_CONFIG"),
    ],
)
def test_a_wrong_variable_is_named(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    save(tmp_path / "m.png", MASK)
    monkeypatch.setenv(f"MATTECLI_{name}", value)
    done = cli("trimap", "m.png")
    assert done.code == 2
    assert words in done.err
    assert done.err.count("\n") == 1


def test_what_is_given_here_is_blamed_on_no_file(cli: Cli, tmp_path: Path) -> None:
    save(tmp_path / "m.png", MASK)
    (tmp_path / "c.toml").write_text("workers = -3")
    done = cli("trimap", "m.png", "--config", "c.toml", "--workers", "-4")
    assert done.err == "mattecli: --workers -4 is no number of threads; give 0 to 256\n"


def test_a_kind_that_is_no_kind_is_blamed_on_its_file(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("[matte]\nwrite = ['alfa']\ndevice = 'abacus'")
    done = cli("matte", "m.png", "--config", "c.toml")
    assert (done.code, done.err.startswith("mattecli: c.toml: invalid value for --write")) == (2, 1)
    done = cli("matte", "m.png", "--config", "c.toml", "-w", "alpha")
    assert "there is no device 'abacus' (--device is from c.toml)" in done.err


def test_the_environment_may_ask_for_a_dry_run(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "m.png", MASK)
    monkeypatch.setenv("MATTECLI_DRY_RUN", "1")
    done = cli("trimap", "m.png")
    assert (done.code, done.err) == (0, "m.png -> trimaps/m-trimap.png (trimap)\n")
    assert not (tmp_path / "trimaps").exists()
    monkeypatch.setenv("MATTECLI_DRY_RUN", "0")
    assert cli("trimap", "m.png").code == 0
    assert (tmp_path / "trimaps" / "m-trimap.png").exists()


def test_the_model_of_matte_is_not_that_of_trimap(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whose inputs would then be photos, not masks."""
    save(tmp_path / "m.png", MASK)
    assert cli("trimap", "m.png", "-o", "plain.png").code == 0
    monkeypatch.setenv("MATTECLI_MODEL", "modnet")
    monkeypatch.setenv("MATTECLI_WEIGHTS", "w.safetensors")
    assert cli("trimap", "m.png", "-o", "set.png").code == 0
    np.testing.assert_array_equal(load(tmp_path / "set.png"), load(tmp_path / "plain.png"))
    (tmp_path / "c.toml").write_text('model = "modnet"')
    done = cli("trimap", "m.png", "--config", "c.toml", "-o", "c.png")
    assert done.code == 2
    assert "table" in done.err
    monkeypatch.setenv("MATTECLI_TRIMAP_MODEL", "nothing")
    assert "nothing" in cli("trimap", "m.png", "-o", "n.png").err


def test_quiet_says_nothing(cli: Cli, tmp_path: Path) -> None:
    save(tmp_path / "a.png", MASK)
    save(tmp_path / "b.png", MASK)
    done = cli("trimap", "a.png", "b.png", "-q")
    assert (done.code, done.out, done.err) == (0, b"", "")


def test_a_closed_standard_output_is_no_success(tmp_path: Path) -> None:
    for number in range(30):
        save(tmp_path / f"m{number}.png", MASK)
    script = f'{sys.executable} -m mattecli trimap . --json; echo "status $?" >&2'
    done = subprocess.run(
        f"({script}) | true", shell=True, capture_output=True, text=True, cwd=tmp_path,
        check=False, timeout=60,
    )  # fmt: skip
    assert "status 1" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_full_disk_behind_standard_output_is_one_line(tmp_path: Path) -> None:
    save(tmp_path / "m.png", MASK)
    for arguments in ("trimap m.png --json", "models list", "--help"):
        done = subprocess.run(
            f"{sys.executable} -m mattecli {arguments} > /dev/full", shell=True,
            capture_output=True, text=True, cwd=tmp_path, check=False, timeout=60,
        )  # fmt: skip
        assert done.returncode == 1, arguments
        assert "Traceback" not in done.stderr
        assert "space" in done.stderr


def test_closed_streams_are_no_failure(tmp_path: Path) -> None:
    save(tmp_path / "m.png", MASK)
    for closed in (">&-", "2>&-"):
        done = subprocess.run(
            f"{sys.executable} -m mattecli trimap m.png -o t.png {closed}", shell=True,
            capture_output=True, text=True, cwd=tmp_path, check=False, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
