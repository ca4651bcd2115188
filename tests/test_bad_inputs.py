"""Bad inputs, one by one: each with its message, its exit status, and what stays whole."""

from __future__ import annotations

import os
import pickle
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.conftest import Cli, load, outputs_in, photo, save
from tests.media_samples import png_chunk

TRIMAP = np.zeros((48, 64), np.uint8)
TRIMAP[8:40, 8:56] = 128
TRIMAP[18:30, 20:44] = 255


def _cut_png(path: Path) -> None:
    data = save(path, photo(64, 48)).read_bytes()
    path.write_bytes(data[: len(data) // 2])


def _cut_jpeg(path: Path) -> None:
    data = save(path.with_suffix(".jpg"), photo(64, 48)).read_bytes()
    path.with_suffix(".jpg").unlink()
    path.write_bytes(data[: len(data) // 2])


def _bomb(path: Path) -> None:
    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 6, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", head)
        + png_chunk(b"IDAT", b"x")
        + png_chunk(b"IEND", b"")
    )


IMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: None, "there is no such file; check the name"),
    "dangling link": (lambda path: path.symlink_to("nowhere"), "there is no such file"),
    "a link to itself": (lambda path: path.symlink_to(path.name), "leads to itself; mend the link"),
    "empty": (lambda path: path.write_bytes(b""), "the file is empty (0 bytes); copy or download"),
    "cut PNG": (_cut_png, "truncated"),
    "cut JPEG": (_cut_jpeg, "truncated"),
    "text": (lambda path: path.write_text("hello"), "this is not an image; give a PNG, JPEG"),
    "zeros": (lambda path: path.write_bytes(bytes(5000)), "this is not an image"),
    "PDF": (lambda path: path.write_bytes(b"%PDF-1.7\n"), "a PDF document cannot be read"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "it is a device, not a file"),
    "bomb": (_bomb, "60000x60000 pixels, more than the limit of 512,000,000; raise --max-pixels"),
}


def command(name: str, weights: Path) -> tuple[str | Path, ...]:
    return {
        "matte": ("matte", "--model", "modnet", "--size", "64", "--weights", weights),
        "trimap": ("trimap", "--dilate", "3"),
        "composite": ("composite", "-b", "white"),
    }[name]


@pytest.mark.parametrize("name", ["matte", "trimap", "composite"])
@pytest.mark.parametrize("kind", IMAGES)
def test_an_image(cli: Cli, tmp_path: Path, modnet_weights: Path, kind: str, name: str) -> None:
    make, says = IMAGES[kind]
    good = photo(64, 48)
    save(tmp_path / "good.png", np.dstack([good, good[..., 0]]))
    make(tmp_path / "bad.png")
    arguments = command(name, modnet_weights)
    done = cli(*arguments, "bad.png", "good.png", "-o", "out/")
    assert done.code == 1
    (line,) = [line for line in done.err.splitlines() if line.startswith("failed: ")]
    assert line.startswith("failed: bad.png: ")
    assert says in line
    assert "1 done, 1 failed, of 2" in done.err
    names = [path.name for path in outputs_in(tmp_path / "out")]
    assert names
    assert all(part.startswith("good-") for part in names)


def test_an_unreadable_image(tmp_path: Path) -> None:
    from tests.faults import program, run

    save(tmp_path / "good.png", TRIMAP)
    save(tmp_path / "bad.png", TRIMAP).chmod(0)
    done = run(program("trimap", "bad.png", "good.png", "-o", "out/"), tmp_path)
    assert done.returncode == 1
    assert "failed: bad.png: it may not be read; change its permissions\n" in done.stderr
    assert [path.name for path in outputs_in(tmp_path / "out")] == ["good-trimap.png"]


@pytest.mark.parametrize("suffix", [".jpg", ".tiff", ".webp", ".txt", ""])
def test_a_wrong_extension_over_a_good_image_is_read(cli: Cli, tmp_path: Path, suffix: str) -> None:
    save(tmp_path / "m.png", TRIMAP).rename(tmp_path / f"m{suffix}")
    done = cli("trimap", f"m{suffix}", "--dilate", "0", "-o", "out/")
    assert (done.code, done.err) == (0, "")
    assert load(outputs_in(tmp_path / "out")[0]).shape == TRIMAP.shape


def without(value: int, by: int) -> np.ndarray:
    return np.where(value == TRIMAP, by, TRIMAP).astype(np.uint8)


TRIMAPS = {
    "another size": (TRIMAP[:40, :60], "is 60x40, its photo 64x48; make it from a mask of the"),
    "other values": (without(0, 77), "has other values than 0, 128 and 255 (77; pixels: "),
    "no unknown": (without(128, 0), "has no unknown (128) pixel; make its band wider"),
    "no foreground": (without(255, 128), "has no foreground (255) pixel; mark what is certain"),
    "no background": (without(0, 128), "has no background (0) pixel; mark what is certain"),
}


@pytest.mark.parametrize("kind", TRIMAPS)
@pytest.mark.parametrize("how", ["matte", "check"])
def test_a_trimap(cli: Cli, tmp_path: Path, kind: str, how: str) -> None:
    image, says = TRIMAPS[kind]
    save(tmp_path / "p.png", photo(64, 48))
    save(tmp_path / "t.png", image)
    if how == "matte":
        done = cli("matte", "p.png", "--model", "closed-form", "--trimap", "t.png", "-o", "out/")
    else:
        done = cli("trimap", "--check", "t.png", "--image", "p.png")
    assert done.code == 1
    about = "failed: p.png: t.png" if how == "matte" else "failed: t.png"
    assert f"{about}: the trimap {says}" in done.err
    assert not list(tmp_path.glob("out/*.png"))


def test_a_trimap_without_a_partner(cli: Cli, tmp_path: Path) -> None:
    save(tmp_path / "p.png", photo(64, 48))
    save(tmp_path / "trimaps" / "other.png", TRIMAP)
    common = ("matte", "p.png", "--model", "closed-form", "-o", "out/", "--trimap")
    done = cli(*common, "trimaps")
    assert done.code == 1
    assert done.err == (
        "failed: p.png: there is no trimap for it in trimaps; add p-trimap.png or p.png\n"
    )
    missing = cli(*common, "nowhere.png")
    assert missing.code == 2
    assert missing.err == "mattecli: nowhere.png: there is no such trimap; check the name\n"


SHAPE = (
    "failed: p.png: b.png: the background is 128x60, the picture 64x48, of another shape;"
    " give one taken with the same framing, or --align\n"
)


@pytest.mark.parametrize(("size", "code", "says"), [((128, 96), 0, ""), ((128, 60), 1, SHAPE)])
def test_a_background_of_another_size_or_shape(
    cli: Cli, tmp_path: Path, size: tuple[int, int], code: int, says: str
) -> None:
    from mattecli.models.bgmv2 import BGMv2

    with torch.random.fork_rng():
        torch.manual_seed(3)
        state = BGMv2.fresh("").state_dict()
    save_file({k: v.clone().contiguous() for k, v in state.items()}, tmp_path / "w.safetensors")
    save(tmp_path / "p.png", photo(64, 48))
    save(tmp_path / "b.png", photo(*size))
    done = cli(
        "matte", "p.png", "--model", "bgmv2", "--weights", "w.safetensors", "--background",
        "b.png", "-o", "out/", "-w", "alpha",
    )  # fmt: skip
    assert done.code == code, done.err
    assert says in done.err
    assert len(list(tmp_path.glob("out/*.png"))) == (0 if code else 1)


class Calls:
    """Pickles as a shell command."""

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, ("touch canary",)


State = dict[str, torch.Tensor]


def _halved(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def _cut(path: Path, state: State) -> None:
    save_file(state, path)
    _halved(path)


def _cut_zip(path: Path, state: State) -> None:
    torch.save(state, path)
    _halved(path)


def _other(path: Path, _state: State) -> None:
    from mattecli.models.shm import SHM

    save_file({k: v.clone().contiguous() for k, v in SHM().state_dict().items()}, path)


def _lacking(path: Path, state: State) -> None:
    save_file({k: v for k, v in state.items() if k != "backbone.model.features.0.1.weight"}, path)


def _picture(path: Path, _state: State) -> None:
    save(path.with_suffix(".png"), TRIMAP).rename(path)


def _unknown(path: Path, _state: State) -> None:
    save_file({"a": torch.zeros(3)}, path)


def _act(path: Path, _state: State) -> None:
    path.write_bytes(pickle.dumps(Calls()))


def _act_in_zip(path: Path, state: State) -> None:
    torch.save({"state_dict": state, "x": Calls()}, path)


AGAIN = "; copy or download the file again"
REFUSED = ".system, which has no place among weights; nothing was run; do not trust this file"
CHECKPOINTS: dict[str, tuple[Callable[[Path, State], object], str]] = {
    "missing": (lambda path, state: None, "cannot be read (No such file or directory); check its"),
    "empty": (lambda path, state: path.write_bytes(b""), f"is empty{AGAIN}"),
    "no weights": (_picture, f"neither safetensors nor one of PyTorch's formats{AGAIN}"),
    "cut": (_cut, f"incomplete metadata, file not fully covered){AGAIN}"),
    "cut zip": (_cut_zip, f"cut short or damaged (File is not a zip file){AGAIN}"),
    "of another network": (_other, "holds weights of shm, not of modnet; use it with --model shm"),
    "of nothing known": (_unknown, "belongs to no network that this program knows (entries: a, "),
    "with missing keys": (_lacking, "entries are missing: backbone.model.features.0.1.weight; see"),
    "malicious pickle": (_act, REFUSED),
    "malicious zip": (_act_in_zip, REFUSED),
}


@pytest.mark.parametrize("kind", CHECKPOINTS)
@pytest.mark.parametrize("how", ["matte", "import"])
def test_a_checkpoint(cli: Cli, tmp_path: Path, modnet_weights: Path, kind: str, how: str) -> None:
    make, says = CHECKPOINTS[kind]
    make(tmp_path / "w.pth", load_file(modnet_weights))
    save(tmp_path / "p.png", photo(64, 48))
    if how == "matte":
        done = cli("matte", "p.png", "--model", "modnet", "--weights", "w.pth", "-o", "out/")
    else:
        done = cli("models", "import", "w.pth", "--as", "modnet")
    assert done.code == 3
    assert done.err.startswith("mattecli: w.pth: ")
    assert says in done.err
    assert done.err.count("\n") == 1
    assert not (tmp_path / "canary").exists()
    assert not (tmp_path / "out").exists()
