"""Hostile names in every command that reads or writes files: they work, and are names only."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from tests.conftest import Cli, photo, save
from tests.video_clips import make_clip, read

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="such names exist on Linux alone")

STEMS = {
    "dash": "-y",
    "long option": "--output=canary",
    "newline": "new\nline",
    "quotes": "quote'\"`$(touch canary)`;|&>canary",
    "percent": "%d%s%06d%%",
    "glob": "[a]*?{b,c}!",
    "no UTF-8": os.fsdecode(b"n\xff\xfe"),
    "space": "  with space ",
    "tab and bell": "tab\tand\x07",
    "drive": "C:\\x:y",
    "long": "x" * 200,
    "protocol": "file:x",
    "another protocol": "concat:a|b",
    "a pipe": "pipe:1",
    "a filter": "movie=a,scale=2:2",
    "braces": "{stem}{kind}",
    "unicode": "ünï\u202e\u0301名",
}
TRIMAP = np.zeros((40, 48), np.uint8)
TRIMAP[6:34, 6:42] = 128
TRIMAP[14:26, 14:34] = 255


@pytest.fixture(params=STEMS)
def stem(request: pytest.FixtureRequest) -> str:
    return STEMS[request.param]


def named(folder: Path, name: str, image: np.ndarray) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return save(folder / f"plain{Path(name).suffix}", image).rename(folder / name)


def files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("."))


def succeed(cli: Cli, tmp_path: Path, arguments: Sequence[str | Path], outputs: int) -> list[Path]:
    """Run a command that writes into ``out``; what it wrote."""
    before = {path for path in files(tmp_path) if tmp_path / "out" not in path.parents}
    done = cli(*arguments)
    assert done.code == 0, done.err
    after = {path for path in files(tmp_path) if tmp_path / "out" not in path.parents}
    assert after == before, "something was written elsewhere"
    found = files(tmp_path / "out")
    assert len(found) == outputs
    return found


def test_matte(cli: Cli, tmp_path: Path, modnet_weights: Path, stem: str) -> None:
    named(tmp_path / "in", f"{stem}.png", photo(48, 40))
    model = ("--model", "modnet", "--size", "32", "--weights", modnet_weights)
    found = succeed(cli, tmp_path, ("matte", "in", *model, "-o", "out/"), 2)
    assert found[0].name == f"{stem}-alpha.png"


def test_companions(cli: Cli, tmp_path: Path, stem: str) -> None:
    named(tmp_path / "in", f"{stem}.png", photo(48, 40))
    named(tmp_path / "trimaps", f"{stem}.png", TRIMAP)
    check = ("trimap", "--check", "trimaps", "--image", "in")
    assert cli(*check).code == 0
    done = cli("composite", "in", "--alpha", "trimaps", "-b", f"in/{stem}.png", "-o", "out/")
    assert done.code == 0, done.err
    assert [path.name for path in files(tmp_path / "out")] == [f"{stem}-composite.png"]


@pytest.mark.parametrize("how", ["argument", "folder", "list", "output"])
def test_trimap(cli: Cli, tmp_path: Path, stem: str, how: str) -> None:
    path = named(tmp_path / "in", f"{stem}.png", TRIMAP)
    name = str(path.relative_to(tmp_path))
    (tmp_path / "list").write_bytes(os.fsencode(name) + b"\0")
    arguments: dict[str, tuple[str, ...]] = {
        "argument": ("-o", "out/", "--", str(path)),
        "folder": ("in", "-o", "out/"),
        "list": ("--files-from", "list", "-0", "-o", "out/"),
        "output": ("in", f"-oout/{stem}/"),
    }
    found = succeed(cli, tmp_path, ("trimap", *arguments[how]), 1)
    assert found[0].name == f"{stem}-trimap.png"


def test_reports_and_configuration(cli: Cli, tmp_path: Path, stem: str) -> None:
    named(tmp_path / "in", f"{stem}.png", TRIMAP)
    (tmp_path / f"{stem}.toml").write_text("dilate = 3\n")
    done = cli(
        "trimap", "in", "-o", "out/", "--report", f"./{stem}.jsonl", "--report", f"./{stem}.html",
        "--config", f"./{stem}.toml", "--journal", f"./{stem}.journal", "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    record = json.loads(done.out.splitlines()[0])
    assert record["input"] == f"in/{stem}.png"
    for suffix in (".jsonl", ".html", ".journal"):
        assert (tmp_path / f"{stem}{suffix}").stat().st_size > 50


def test_evaluate(cli: Cli, tmp_path: Path, stem: str) -> None:
    named(tmp_path / "pred", f"{stem}.png", TRIMAP)
    named(tmp_path / "truth", f"{stem}.png", TRIMAP)
    done = cli("evaluate", "pred", "truth", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out.splitlines()[0])["scores"]["mse"] == 0


def test_weights(cli: Cli, tmp_path: Path, modnet_weights: Path, stem: str) -> None:
    weights = tmp_path / f"{stem}.safetensors"
    weights.write_bytes(modnet_weights.read_bytes())
    done = cli("models", "import", "--as", "modnet", "--", weights)
    assert done.code == 0, done.err
    save_file({"a": torch.zeros(1)}, tmp_path / "foreign")
    (tmp_path / "foreign").rename(tmp_path / f"{stem}.pth")
    refused = cli("models", "import", "--as", "modnet", "--", tmp_path / f"{stem}.pth")
    assert refused.code == 3
    assert refused.err.count("\n") == 1


VIDEO_STEMS = ("dash", "newline", "quotes", "percent", "glob", "no UTF-8", "protocol",
               "another protocol", "a pipe", "a filter", "long")  # fmt: skip


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("clip") / "c.mp4"
    return make_clip(path, frames=3, size=(48, 32), sound=("-c:a", "aac")).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("kind", VIDEO_STEMS)
def test_video(cli: Cli, tmp_path: Path, modnet_weights: Path, clip: bytes, kind: str) -> None:
    """ffmpeg reads, writes, joins, and copies sound."""
    stem = STEMS[kind]
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / f"{stem}.mp4").write_bytes(clip)
    model = ("--model", "modnet", "--size", "32", "--weights", modnet_weights, "-w", "alpha")
    (found,) = succeed(cli, tmp_path, ("video", "in", *model, "-o", "out/", "--format", "mkv"), 1)
    assert found.name == f"{stem}-alpha.mkv"
    copy = found.rename(tmp_path / "copy.mkv")  # the tests' own reader may not like the name
    made = read(copy)
    assert len(made.frames) == 3
    assert made.audio


def test_links_do_not_lead_out_of_the_folder(cli: Cli, tmp_path: Path) -> None:
    """A link among the inputs is read; one among the outputs is not followed by cleaning up."""
    secret = save(tmp_path / "elsewhere" / "secret.png", TRIMAP)
    before = secret.read_bytes()
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "link.png").symlink_to(secret)
    (tmp_path / "in" / "loop").symlink_to(tmp_path / "in")
    done = cli("trimap", "in", "-r", "-o", "out/")
    assert done.code == 0, done.err
    assert [path.name for path in files(tmp_path / "out")] == ["link-trimap.png"]
    assert cli("trimap", "in", "-o", "in", "--name", "../elsewhere/{stem}{ext}").code == 2
    assert cli("trimap", "in", "-o", "in", "--name", "/{stem}{ext}").code == 2
    (tmp_path / "out" / "link-trimap.png").unlink()
    (tmp_path / "out" / "link-trimap.png").symlink_to(secret)
    refused = cli("trimap", "in", "-r", "-o", "out/")  # it would overwrite the input
    assert refused.code == 2
    assert secret.read_bytes() == before
