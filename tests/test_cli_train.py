"""``mattecli train`` and ``adapt`` through the command line, with kills and signals."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from conftest import Cli, load, photo, save
from safetensors.torch import load_file
from training_pictures import make_training_folder

from mattecli.training.recipes import RECIPES

SMALL = ("--batch", "2", "--size", "64", "--workers", "0")
LARGE = ("dim", "bgm")  # their checkpoints take hundreds of megabytes


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_training_folder(tmp_path_factory.mktemp("labelled"))


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photo, a trimap, a plate and a rough mask of equal size."""
    folder = tmp_path_factory.mktemp("given")
    trimap = np.zeros((96, 128), np.uint8)
    trimap[20:80, 30:90] = 128
    trimap[35:65, 45:75] = 255
    save(folder / "photo.png", photo(128, 96))
    save(folder / "plate.png", photo(128, 96, seed=1))
    save(folder / "trimap.png", trimap)
    save(folder / "mask.png", np.where(trimap > 0, 255, 0).astype(np.uint8))
    return folder


NEEDS = {
    "dim": ("--trimap", "trimap.png"),
    "bgm": ("--background", "plate.png", "--segmentation", "mask.png"),
    "bgmv2": ("--background", "plate.png"),
}


@pytest.mark.parametrize(
    "recipe",
    [pytest.param(name, marks=[pytest.mark.slow] if name in LARGE else []) for name in RECIPES],
)
def test_what_was_trained_serves_matte(
    recipe: str, data: Path, given: Path, cli: Cli, tmp_path: Path
) -> None:
    done = cli("train", recipe, "--data", data, "-o", tmp_path / "run", *SMALL, "--steps", "1")
    assert done.code == 0, done.err
    weights = Path(os.fsdecode(done.out.rstrip(b"\n")))
    needs = [text if text.startswith("--") else given / text for text in NEEDS.get(recipe, ())]
    made = cli(
        "matte", given / "photo.png", "--model", recipe, "--weights", weights, *needs, "-o", "out"
    )
    assert made.code == 0, made.err
    assert load(tmp_path / "out" / "photo-alpha.png").shape == (96, 128)


def test_survives_a_kill(data: Path, cli: Cli, tmp_path: Path) -> None:
    def command(out: str) -> list[str]:
        count = ("--steps", "2", "--save-every", "1")
        return ["train", "shm", "--data", str(data), "-o", str(tmp_path / out), *SMALL, *count]

    assert cli(*command("whole")).code == 0
    killed = subprocess.Popen(
        [sys.executable, "-m", "mattecli", *command("part")], stderr=subprocess.DEVNULL
    )
    while not (tmp_path / "part" / "checkpoint.safetensors").exists():
        assert killed.poll() is None
        time.sleep(0.01)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    assert cli(*command("part"), "--resume").code == 0
    a = load_file(tmp_path / "whole" / "checkpoint.safetensors")
    b = load_file(tmp_path / "part" / "checkpoint.safetensors")
    assert a.keys() == b.keys()
    assert all(torch.equal(a[key], b[key]) for key in a)


def test_a_signal_stops_after_the_step(data: Path, tmp_path: Path, shell: Cli) -> None:
    out = tmp_path / "out"
    command = ["train", "shm", "--data", str(data), "-o", str(out), *SMALL, "--phase", "trimap"]
    running = subprocess.Popen(
        [sys.executable, "-m", "mattecli", *command, "--save-every", "1"],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    while not (out / "checkpoint.safetensors").exists():
        assert running.poll() is None
        time.sleep(0.02)
    second = shell(*command, "--resume")
    assert second.code == 2
    assert "another training is at work" in second.err
    running.send_signal(signal.SIGINT)
    printed, said = running.communicate(timeout=120)
    assert running.returncode == 130
    assert "--resume goes on" in said
    assert Path(printed.rstrip("\n")).is_file()
    again = shell(*command)
    assert again.code == 2
    assert "already holds a training" in again.err


def test_a_terminals_stop_while_processes_start_is_in_order(data: Path, tmp_path: Path) -> None:
    """It reaches them, too, long before they are ready."""
    command = ["train", "shm", "--data", str(data), "-o", str(tmp_path / "out"), *SMALL[:-2]]
    running = subprocess.Popen(
        [sys.executable, "-m", "mattecli", *command, "--phase", "trimap", "--workers", "2"],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    children = Path(f"/proc/{running.pid}/task/{running.pid}/children")
    while len(children.read_text().split()) < 3:  # two, and what keeps their memory
        assert running.poll() is None
        time.sleep(0.02)
    os.killpg(running.pid, signal.SIGINT)
    _, said = running.communicate(timeout=120)
    assert "Traceback" not in said
    assert running.returncode == 130, said
    assert "--resume goes on" in said


def test_minutes_end_it_resumable_and_the_curve_falls(data: Path, cli: Cli, tmp_path: Path) -> None:
    begin = ("train", "modnet", "--data", data, "-o", tmp_path / "out", *SMALL)
    done = cli(*begin, "--phase", "semantic-small", "--steps", "60", "--save-every", "5")
    assert done.code == 0, done.err
    assert "semantic-small: loss" in done.err
    with (tmp_path / "out" / "log.csv").open() as file:
        losses = [float(row["loss"]) for row in csv.DictReader(file)]
    assert np.mean(losses[-4:]) < 0.9 * np.mean(losses[:4])
    assert cv2.imread(str(tmp_path / "out" / "curves.png")) is not None
    timed = cli(*begin[: -len(SMALL) - 1], tmp_path / "timed", *SMALL, "--minutes", "0.0001")
    assert timed.code == 0
    assert "stopped after step 1 of" in timed.err


def test_begins_with_weights(data: Path, cli: Cli, tmp_path: Path, modnet_weights: Path) -> None:
    """A step of a rate that is nearly nothing leaves given weights as they were."""
    done = cli(
        *("train", "modnet", "--data", data, "-o", tmp_path / "out", *SMALL),
        *("--weights", modnet_weights, "--phase", "semantic-small", "--steps", "1"),
    )
    assert done.code == 0, done.err
    given = load_file(modnet_weights)
    trained = load_file(tmp_path / "out" / "weights.safetensors")
    key = "hr_branch.conv_hr.0.layers.0.weight"  # rests in this phase
    assert torch.equal(trained[key], given[key].half())
    wrong = cli(
        *("train", "shm", "--data", data, "-o", tmp_path / "shm", *SMALL),
        *("--weights", modnet_weights),
    )
    assert wrong.code == 3
    assert f"{modnet_weights}: holds weights of modnet, not of shm" in wrong.err
    assert not (tmp_path / "shm").exists()


@pytest.mark.parametrize("recipe", ["modnet", "bgmv2"])
def test_damaged_weights_are_refused_before_photos_are_read(
    recipe: str, data: Path, cli: Cli, tmp_path: Path
) -> None:
    (tmp_path / "broken.pth").write_bytes(b"no weights")
    done = cli("train", recipe, "--data", data, "-o", "out", "--weights", "broken.pth")
    assert done.code == 3
    assert done.err.splitlines()[-1].startswith("mattecli: broken.pth: ")
    assert "reading photos" not in done.err
    assert not (tmp_path / "out").exists()


def test_adapts_to_photos(cli: Cli, tmp_path: Path, modnet_weights: Path) -> None:
    for number in range(2):
        save(tmp_path / "look" / f"{number}.png", photo(90, 70, seed=number))
    adapt = ("adapt", "look", "-o", "out", "--size", "64", "--epochs", "2", "--workers", "0")
    nothing = cli(*adapt[:3], "none", "--model", "modnet:webcam")
    assert nothing.code == 3
    assert "models pull" in nothing.err or "--weights" in nothing.err
    done = cli(*adapt, "--weights", modnet_weights)
    assert done.code == 0, done.err
    assert (tmp_path / "out" / "sheet_0000004.png").is_file()
    weights = os.fsdecode(done.out.rstrip(b"\n"))
    assert cli("matte", "look", "--weights", weights, "-o", "mattes").code == 0


@pytest.mark.parametrize(
    ("recipe", "options", "said"),
    [
        ("modnet", ("--batch", "-1"), "--batch -1 makes no sense"),
        ("modnet", ("--minutes", "-2"), "--minutes -2"),
        ("modnet", ("--size", "100"), "multiple of 32"),
        ("shm", ("--size", "70"), "multiple of 16"),
        ("bgmv2", ("--batch", "1"), "give 2 or more"),
        ("modnet", ("--device", "cuda:99"), "cuda:99 is missing"),
        ("segformer", (), "choose one of: modnet"),
    ],
)
def test_numbers_that_make_no_sense_are_refused_at_once(
    recipe: str, options: tuple[str, ...], said: str, data: Path, cli: Cli, tmp_path: Path
) -> None:
    done = cli("train", recipe, "--data", data, "-o", tmp_path / "out", *options)
    assert done.code == 2
    assert said in done.err
    assert done.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "options",
    [
        ("train", "modnet", "--data", "s3://bucket/labelled", "-o", "out"),
        ("train", "modnet", "--data", "labelled", "-o", "gs://bucket/out"),
        ("train", "modnet", "--data", "labelled", "-o", "out", "--weights", "s3://bucket/w.pt"),
        ("adapt", "s3://bucket/look", "-o", "out"),
        ("adapt", "look", "-o", "s3://bucket/out"),
    ],
)
def test_object_stores_are_no_place_to_train_in(options: tuple[str, ...], cli: Cli) -> None:
    done = cli(*options)
    assert done.code == 2, done.err
    assert "this machine only" in done.err
    assert "://bucket" in done.err
    assert done.err.count("\n") == 1
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("recipe", ["modnet", "shm", "bgmv2"])
def test_a_file_without_the_encoder_is_named(
    recipe: str, data: Path, cli: Cli, tmp_path: Path
) -> None:
    torch.save({"features.0.weight": torch.zeros(64, 3, 3, 3)}, tmp_path / "vgg.pth")
    done = cli("train", recipe, "--data", data, "-o", "out", "--pretrained", "vgg.pth")
    assert done.code == 3
    assert done.err.splitlines()[-1].startswith("mattecli: vgg.pth: holds no MobileNetV2")
    assert "Traceback" not in done.err


def test_adapt_leaves_its_photos_alone_however_they_are_named(cli: Cli, tmp_path: Path) -> None:
    save(tmp_path / "look" / "a.png", photo(90, 70))
    done = cli("adapt", f"file://{tmp_path}/look", "-o", "look")
    assert done.code == 2
    assert "would be among the photos" in done.err
    assert len(list((tmp_path / "look").iterdir())) == 1


def test_adapt_refuses_numbers_likewise(cli: Cli, tmp_path: Path) -> None:
    save(tmp_path / "look" / "a.png", photo(90, 70))
    for options in (("--epochs", "0"), ("--size", "8"), ("--rate", "0")):
        done = cli("adapt", "look", "-o", "out", *options)
        assert done.code == 2, done.err
        assert not (tmp_path / "out").exists()
