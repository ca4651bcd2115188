"""The table of published weights: what the authors and mirrors offer, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["PUBLISHED", "PublishedFile", "find_by_digest", "published_for"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedFile:
    """A file that authors or mirrors offer.

    Attributes:
        name: the model's name; other files for the same model have ``@`` and an edition behind it.
        file: the file's name at its source.
        megabytes: size as stated, for people.
        size: exact size in bytes, or None where nobody states it.
        sha256: digest in hex, or "" where none is known: such a file is pinned on first use.
        licence: of the weights.
        commercial: whether the licence allows commercial use.
        addresses: where to download it, in order of preference.
        by_hand: where a browser gets it.
        options: what the file's tensors do not tell about the network.
        note: what tells this edition from the others.
    """

    name: str
    file: str
    megabytes: int
    licence: str
    commercial: bool
    size: int | None = None
    sha256: str = ""
    addresses: tuple[str, ...] = ()
    by_hand: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    note: str = ""

    @property
    def model(self) -> str:
        """Name of the registry row it is for."""
        return self.name.partition("@")[0]


_GITHUB = "https://github.com"
_OPENVINO = "https://storage.openvinotoolkit.org/repositories/open_model_zoo/public/2022.2"
_DRIVE_FILE = "https://drive.google.com/file/d"
_DRIVE_FOLDER = "https://drive.google.com/drive/folders"
_ADOBE = "non-commercial use only (terms of Adobe's data set)"


def _modnet(variant: str, sha256: str, drive: str, more: tuple[str, ...] = ()) -> PublishedFile:
    file = f"modnet_{variant}_portrait_matting.ckpt"
    mirror = f"{_GITHUB}/clibdev/MODNet/releases/latest/download"
    return PublishedFile(
        name=f"modnet:{variant}",
        file=file,
        megabytes=26,
        size=26_255_603,
        sha256=sha256,
        licence="Apache-2.0",
        commercial=True,
        addresses=(
            f"{mirror}/{file}",
            f"{mirror}/modnet-{variant}.pt",
            f"https://huggingface.co/DavG25/modnet-pretrained-models/resolve/main/models/{file}",
            f"{_OPENVINO}/modnet-{variant}-portrait-matting/{file}",
            *more,
        ),
        by_hand=f"{_DRIVE_FILE}/{drive}",
    )


def _bgmv2(name: str, backbone: str, megabytes: int) -> PublishedFile:
    file = f"pytorch_{backbone}.pth"
    return PublishedFile(
        name=name,
        file=file,
        megabytes=megabytes,
        licence="MIT",
        commercial=True,
        addresses=(f"{_GITHUB}/PeterL1n/BackgroundMattingV2/releases/download/v1.0.0/{file}",),
        by_hand=f"{_DRIVE_FOLDER}/1cbetlrKREitIgjnIikG1HdM4x72FtgBh",
    )


def _bgm(name: str, file: str, note: str) -> PublishedFile:
    return PublishedFile(
        name=name,
        file=file,
        megabytes=275,
        licence="CC BY-NC-SA 4.0: non-commercial use only",
        commercial=False,
        by_hand=f"{_DRIVE_FOLDER}/1WLDBC_Q-cA72QC8bB-Rdj53UB2vSPnXv",
        note=note,
    )


def _dim(name: str, path: str, note: str, *, additions: bool = False) -> PublishedFile:
    return PublishedFile(
        name=name,
        file=path.rpartition("/")[2],
        megabytes=100,
        licence=_ADOBE,
        commercial=False,
        addresses=(
            f"{_GITHUB}/huochaitiantang/pytorch-deep-image-matting/releases/download/{path}",
        ),
        options={"additions": "yes" if additions else "no"},
        note=note,
    )


_ROWS = (
    _modnet(
        "photographic",
        "7c22235f0925deba15d4d63e53afcb654c47055bbcd98f56e393ab2584007ed8",
        "1mcr7ALciuAsHCpLnrtG_eop5-EYhbCmz",
        (f"{_GITHUB}/xinntao/facexlib/releases/download/v0.2.0/matting_modnet_portrait.pth",),
    ),
    _modnet(
        "webcam",
        "913b82b66558db39b6286c150f809017d7528c872b156eb14333c9c6cb52108b",
        "1Nf1ZxeJZJL8Qx9KadcYYyEmmlKhTADxX",
    ),
    _dim(
        "dim",
        "V1.5/stage1_skip_sad_52.9.pth",
        "the best of them; the decoder adds the encoder's maps",
        additions=True,
    ),
    _dim("dim@v1.4", "v1.4/stage1_sad_54.4.pth", "without the encoder's maps"),
    _dim("dim@v1.3", "v1.3/stage1_sad_57.1.pth", "1x1 conv6"),
    _dim(
        "dim@v1.2-stage2",
        "v1.2/stage2_norm_balance_sad_57.9.pth",
        "1x1 conv6; the only one with the refinement stage",
    ),
    _dim("dim@v1.2-stage0", "v1.2/stage0_norm_balance_sad_62.0.pth", "1x1 conv6, alpha loss only"),
    _dim("dim@v1.1", "v1.1/stage0_norm_e12_sad_69.1.pth", "1x1 conv6, alpha loss only"),
    PublishedFile(
        name="dim:segnet",
        file="BEST_checkpoint.tar",
        megabytes=300,
        licence=_ADOBE,
        commercial=False,
        addresses=(
            f"{_GITHUB}/foamliu/Deep-Image-Matting-PyTorch/releases/download/v1.0/BEST_checkpoint.tar",
        ),
    ),
    _bgm("bgm", "netG_epoch_12.pth", "folder real-hand-held: trained on hand-held video"),
    _bgm("bgm@fixed-cam", "netG_epoch_12.pth", "folder real-fixed-cam: a camera on a tripod"),
    _bgm("bgm@synthetic", "net_epoch_64.pth", "folder syn-comp-adobe-trainset: composites only"),
    _bgmv2("bgmv2", "mobilenetv2", 20),
    _bgmv2("bgmv2:resnet50", "resnet50", 161),
    _bgmv2("bgmv2:resnet101", "resnet101", 237),
)

PUBLISHED: Mapping[str, PublishedFile] = {row.name: row for row in _ROWS}
"""All published files by name, a model's preferred one first."""


def published_for(model: str) -> list[PublishedFile]:
    """The files for the registry row ``model``, the preferred one first."""
    return [row for row in _ROWS if row.model == model]


def find_by_digest(sha256: str) -> PublishedFile | None:
    """The published file with this digest, where one is known to have it."""
    return next((row for row in _ROWS if row.sha256 and row.sha256 == sha256), None)
