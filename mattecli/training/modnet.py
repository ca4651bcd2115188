"""Training MODNet: pictures, losses and validation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from mattecli.models.modnet import MODNet
from mattecli.records import Array, Size
from mattecli.training.backbone import modnet_backbone
from mattecli.training.fused_norm import fuse_norms
from mattecli.training.losses.modnet import Predictions, supervised_losses
from mattecli.training.recipe import Phase
from mattecli.training.scenes import Mix, make_scene
from mattecli.training.store import PictureStore, image_files
from mattecli.training.system import Batch, Panel, Sampler, System
from mattecli.training.trimaps import modnet_trimap

__all__ = ["MODNetSystem"]

_SHORT_SIDE, _MULTIPLE = 512, 32  # at which validation sees a photo: the product's default
_FEW = 32  # photos of a quick validation
_SHOWN = 12  # photos on a sheet


class ScenesWithTrimaps(Sampler):
    """Composed scenes with MODNet's trimaps: ``image``, ``alpha``, ``trimap``.

    Args:
        store: labelled photos and backgrounds.
        mix: kinds of pictures.
    """

    def __init__(self, store: PictureStore, mix: Mix) -> None:
        self._store = store
        self._mix = mix

    def sample(self, phase: Phase, size: Size, rng: np.random.Generator) -> dict[str, Array]:
        """One scene; all levels."""
        del phase
        scene = make_scene(self._store, size, self._mix, rng)
        trimap = modnet_trimap(scene.alpha, min(size))
        return {"image": scene.image, "alpha": scene.alpha, "trimap": trimap}


class MODNetSystem(System):
    """MODNet on composed portraits (Ke et al., AAAI 2022, section 3).

    Args:
        store: labelled photos and backgrounds to train on.
        held_out: folder with ``image`` and ``alpha`` for validation, if there is one.
        backbone: MobileNetV2 trained on ImageNet, as safetensors with torchvision's names.
        mix: kinds of pictures.
    """

    name = "modnet"

    def __init__(
        self, store: PictureStore, held_out: Path | None, backbone: Path | None, mix: Mix | None = None
    ) -> None:
        self._store = store
        self._held_out = held_out
        self._backbone = backbone
        self._mix = mix or Mix()

    def network(self, seed: int) -> nn.Module:
        """MODNet with fresh weights, its norms in their fast form."""
        torch.manual_seed(seed)
        network = MODNet()
        pretrained = load_file(self._backbone) if self._backbone else None
        network.initialise_for_training(modnet_backbone(pretrained) if pretrained else None)
        fuse_norms(network)
        return network

    def sampler(self) -> Sampler:
        """Scenes from the store."""
        return ScenesWithTrimaps(self._store, self._mix)

    def losses(self, network: nn.Module, batch: Batch, phase: Phase) -> dict[str, Tensor]:
        """The three supervised terms."""
        del phase
        image = batch["image"].float().div_(127.5).sub_(1)
        image = image.contiguous(memory_format=torch.channels_last)
        alpha = batch["alpha"].float().div_(255)
        trimap = _trimap_shares(batch["trimap"])
        out = network(image, inference=False)
        predicted = Predictions(out.semantic.float(), out.detail.float(), out.matte.float())
        with torch.autocast(image.device.type, enabled=False):
            return supervised_losses(predicted, image, alpha, trimap)

    def evaluate(self, state: Mapping[str, Tensor], *, thorough: bool) -> dict[str, float]:
        """Mean absolute difference and intersection over union at short side 512, photo's size."""
        pairs = self._pairs()
        chosen = pairs if thorough else pairs[:: max(1, len(pairs) // _FEW)]
        network = _for_inference(state)
        differences, overlaps = [], []
        for image, truth in chosen:
            alpha = np.asarray(cv2.imread(str(truth), cv2.IMREAD_GRAYSCALE), np.float32) / 255
            matte = _matte(network, _photo(image))
            differences.append(float(np.abs(matte - alpha).mean()))
            overlaps.append(_overlap(matte >= 0.5, alpha >= 0.5))
        if not chosen:
            return {}
        return {
            "photos": float(len(chosen)),
            "mad": float(np.mean(differences)),
            "iou": float(np.mean(overlaps)),
        }

    def panels(self, state: Mapping[str, Tensor]) -> list[Panel]:
        """Held-out photos, their mattes, and the truth."""
        pairs = self._pairs()
        network = _for_inference(state)
        rows = []
        for image, truth in pairs[:: max(1, len(pairs) // _SHOWN)]:
            photo = _photo(image)
            matte = np.rint(_matte(network, photo) * 255).astype(np.uint8)
            rows.append(Panel((photo, matte, cv2.imread(str(truth), cv2.IMREAD_GRAYSCALE))))
        return rows

    def _pairs(self) -> list[tuple[Path, Path]]:
        if self._held_out is None:
            return []
        alphas = {path.stem: path for path in image_files(self._held_out / "alpha")}
        images = image_files(self._held_out / "image")
        return [(path, alphas[path.stem]) for path in images if path.stem in alphas]


def _trimap_shares(levels: Tensor) -> Tensor:
    """0, 128 and 255 as 0, 0.5 and 1."""
    return levels.float().div_(127.5).round_().div_(2)


def _for_inference(state: Mapping[str, Tensor]) -> MODNet:
    network = MODNet.from_state(state).eval()
    return network.to(memory_format=torch.channels_last)


@torch.inference_mode()
def _matte(network: MODNet, photo: Array) -> Array:
    """The matte of a photo, H,W, at its size."""
    height, width = photo.shape[:2]
    scale = _SHORT_SIDE / min(height, width)
    seen = [max(1, round(side * scale / _MULTIPLE)) * _MULTIPLE for side in (width, height)]
    resized = cv2.resize(photo, seen, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    image = torch.from_numpy(resized.transpose(2, 0, 1)[None]).float().div_(127.5).sub_(1)
    matte = network(image.contiguous(memory_format=torch.channels_last)).matte
    return cv2.resize(matte[0, 0].numpy(), (width, height), interpolation=cv2.INTER_LINEAR)


def _photo(path: Path) -> Array:
    return np.asarray(cv2.imread(str(path), cv2.IMREAD_COLOR_RGB))


def _overlap(a: Array, b: Array) -> float:
    union = np.count_nonzero(a | b)
    return np.count_nonzero(a & b) / union if union else 1.0
