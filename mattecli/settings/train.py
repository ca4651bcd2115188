"""Options of ``mattecli train`` and ``mattecli adapt``."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field
from pathlib import Path
from typing import Literal

from mattecli.settings.checked import Checked
from mattecli.settings.common import debug_option, quiet_option
from mattecli.settings.option import option

__all__ = ["AdaptOptions", "LearnOptions", "TrainOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnOptions(Checked):
    """Run."""

    resume: bool = option(False, "--resume", help="Go on where the training in --output stopped")
    seed: int = option(1, "--seed", help="Of weights and pictures")
    minutes: float = option(0.0, "--minutes", help="Stop after so long, resumable; 0 does not")
    device: str = option("auto", "--device", help="auto, cpu, cuda or cuda:N")
    precision: Literal["bf16", "fp32"] = option(
        "bf16", "--precision", help="Arithmetic, where bfloat16 is safe at all"
    )
    workers: int = option(
        1, "--workers", help="Processes that read photos and make pictures; 0 is none"
    )
    quiet: bool = quiet_option()
    debug: bool = debug_option()


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainOptions(Checked):
    """Training."""

    recipe: str = option(
        MISSING, help="modnet, shm, dim, bgm or bgmv2", metavar="RECIPE", env=False
    )
    data: Path = option(
        MISSING,
        "--data",
        help="Folder with image/ and alpha/ (or these in train/), optionally val/ and backgrounds/",
        metavar="FOLDER",
    )
    output: Path = option(
        MISSING,
        "--output",
        "-o",
        help="Folder for checkpoints, weights, log, curves and sample sheets",
        metavar="FOLDER",
    )
    pretrained: Path | None = option(
        None,
        "--pretrained",
        help="Encoder to begin with: MobileNetV2 or VGG16 trained on ImageNet, as safetensors",
        metavar="FILE",
    )
    weights: Path | None = option(
        None,
        "--weights",
        help="Trained weights of the whole network to begin with",
        metavar="FILE",
        env="TRAIN_WEIGHTS",
    )
    phases: tuple[str, ...] = option(
        (), "--phase", help="Run this phase of the recipe alone (may be repeated)", metavar="NAME"
    )
    steps: int = option(0, "--steps", help="Steps of each phase; 0 keeps the recipe's")
    batch: int = option(0, "--batch", help="Pictures a step; 0 keeps the recipe's")
    size: int = option(0, "--size", help="Side of square pictures; 0 keeps the recipe's sizes")
    save_every: int = option(
        0, "--save-every", help="Steps between checkpoints; 0 keeps the recipe's"
    )
    run: LearnOptions = field(default_factory=LearnOptions)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaptOptions(Checked):
    """Adaptation."""

    photos: Path = option(
        MISSING, help="Folder of photos, or of a clip's frames", metavar="PHOTOS", env=False
    )
    output: Path = option(
        MISSING,
        "--output",
        "-o",
        help="Folder for checkpoints, weights, log, and a sheet of mattes before and after",
        metavar="FOLDER",
    )
    model: str = option("modnet", "--model", help="Which weights to adapt: modnet or a variant")
    weights: Path | None = option(
        None, "--weights", help="Weights to adapt instead of the model's own", metavar="FILE"
    )
    epochs: int = option(10, "--epochs", help="Each sees as many photos as there are")
    rate: float = option(1e-5, "--rate", help="Learning rate")
    size: int = option(
        0,
        "--size",
        help="Shorter side at which the network sees a photo, in matte, too; 0: the weights' own",
    )
    run: LearnOptions = field(default_factory=LearnOptions)
