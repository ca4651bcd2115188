"""Every recorded training loss, its gradient, training trimap and crop, computed by our code."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the usual name

from mattecli.models.modnet import MODNet
from mattecli.ops.metrics import ImagePair
from mattecli.ops.pixels import array_from_tensor
from mattecli.ops.protocols import protocol_for
from mattecli.ops.scoring import Sample, score
from mattecli.records import Size
from mattecli.training import trimaps
from mattecli.training.crops import centre_crop
from mattecli.training.discriminator import PatchDiscriminator
from mattecli.training.losses import bgm, bgmv2, dim, modnet, shm
from parity.core import Fixture, parity_folder

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Entry:
    """One entry of a losses file."""

    fixture: Fixture
    content: Mapping[str, Any]

    @property
    def name(self) -> str:
        return f"{self.fixture.content['model']}.{self.content['name']}"

    def part(self, name: str) -> Array:
        return self.fixture.arrays[f"{self.content['name']}.{name}"]

    def tensor(self, name: str) -> Tensor:
        return torch.from_numpy(self.part(name).copy())

    def leaf(self, name: str) -> Tensor:
        return self.tensor(name).requires_grad_()

    @property
    def outputs(self) -> list[str]:
        """Names of the recorded results, without the entry's own."""
        return [name.partition(".")[2] for name in self.content["outputs"]]


Computed = Mapping[str, Tensor | Array | float | None]


def gradients(loss: Tensor, leaves: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """``grad_<name>`` for each leaf; zeros where the loss does not depend on it."""
    found = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True, retain_graph=True)
    return {
        f"grad_{name}": torch.zeros_like(leaf) if grad is None else grad
        for (name, leaf), grad in zip(leaves.items(), found, strict=True)
    }


def total(terms: Mapping[str, Tensor]) -> Tensor:
    return torch.stack(list(terms.values())).sum()


def modnet_supervised(entry: Entry) -> Computed:
    leaves = {name: entry.leaf(name) for name in ("pred_semantic", "pred_detail", "pred_matte")}
    terms = modnet.supervised_losses(
        modnet.Predictions(*leaves.values()),
        entry.tensor("image"),
        entry.tensor("gt_matte"),
        entry.tensor("trimap"),
    )
    return {f"{k}_loss": v for k, v in terms.items()} | gradients(total(terms), leaves)


def modnet_blur(entry: Entry) -> Computed:
    impulse = torch.zeros(1, 1, 7, 7)
    impulse[..., 3, 3] = 1
    kernel = modnet.blurred(impulse)[0, 0, 2:5, 2:5]
    return {"output": modnet.blurred(entry.tensor("input")), "kernel": kernel}


def modnet_soc(entry: Entry) -> Computed:
    leaves = {name: entry.leaf(name) for name in ("pred_semantic", "pred_detail", "pred_matte")}
    predicted = modnet.Predictions(*leaves.values())
    backup = entry.tensor("backup_detail"), entry.tensor("backup_matte")
    frozen = modnet.Predictions(entry.tensor("pred_semantic"), *backup)
    terms = modnet.soc_losses(predicted, frozen)
    return (
        {f"soc_{k}_loss": v for k, v in terms.items()}
        | {"boundaries": modnet.soc_boundaries(predicted.matte, predicted.semantic)}
        | gradients(total(terms), leaves)
    )


def modnet_step(entry: Entry) -> Computed:
    manifest = json.loads((entry.fixture.folder / "modnet.json").read_text())
    state = Fixture("modnet", manifest, entry.fixture.folder).state()
    network = MODNet.from_state(state).train()
    optimiser = torch.optim.SGD(network.parameters(), lr=1e-5, momentum=0.9)
    image, trimap = entry.tensor("image"), entry.tensor("trimap")
    losses = []
    for _ in range(2):
        out = network(image, inference=False)
        predicted = modnet.Predictions(out.semantic, out.detail, out.matte)
        terms = modnet.supervised_losses(predicted, image, entry.tensor("gt_matte"), trimap)
        losses.append([term.item() for term in terms.values()])
        optimiser.zero_grad()
        total(terms).backward()
        optimiser.step()
    after = {f"after.{key}": value.detach() for key, value in network.state_dict().items()}
    return after | {"losses": np.array(losses)}


def shm_loss(entry: Entry) -> Computed:
    leaves = {name: entry.leaf(name) for name in ("trimap_logits", "alpha_pred")}
    alpha = entry.tensor("alpha_gt")
    trimap = shm.trimap_loss(leaves["trimap_logits"], entry.tensor("trimap_gt"))
    alphas = shm.alpha_loss(leaves["alpha_pred"], alpha)
    colors = shm.composition_loss(leaves["alpha_pred"], alpha, entry.tensor("image"))
    end_to_end = shm.end_to_end_loss(0.5 * alphas + 0.5 * colors, trimap)
    values = {"L_alpha": alphas, "L_composition": colors, "L_t": trimap}
    phases = {"pre_train_t_net": trimap, "end_to_end": end_to_end}
    grads = {
        f"{phase}.{name}": grad
        for phase, loss in phases.items()
        for name, grad in gradients(loss, leaves).items()
    }
    return values | phases | grads


def shm_trimap(entry: Entry) -> Computed:
    mask = entry.part("mask")
    return {name: trimaps.shm_trimap(mask, int(name[4:])) for name in entry.outputs}


def segnet_loss(entry: Entry) -> Computed:
    predicted, alpha = entry.leaf("pred"), entry.tensor("alpha_gt")
    loss = dim.segnet_loss(predicted, alpha, entry.tensor("mask"))
    empty = dim.segnet_loss(predicted, alpha, torch.zeros_like(alpha))
    return {
        "alpha_prediction_loss": loss,
        "alpha_prediction_loss_empty_mask": empty,
    } | gradients(loss, {"pred": predicted})


def segnet_metric(entry: Entry) -> Computed:
    pair = ImagePair.of(entry.part("pred"), entry.part("alpha_gt"))
    return score(Sample(alpha=pair, trimap=entry.part("trimap")), protocol_for("mmedit"))


def segnet_trimap(entry: Entry) -> Computed:
    alpha = entry.part("alpha")
    return {name: trimaps.dim_trimap(alpha, int(name[1:]), 1) for name in entry.outputs}


def vgg_loss(entry: Entry) -> Computed:
    leaves = {name: entry.leaf(name) for name in ("raw", "refined")}
    raw, refined = leaves.values()
    alpha = entry.tensor("alpha_gt") / 255
    unknown = (entry.tensor("trimap") == 128).float()
    made_of = dim.Composition(
        entry.tensor("image_bgr"), entry.tensor("fg_bgr"), entry.tensor("bg_bgr")
    )
    refinement = dim.alpha_loss(refined, alpha, unknown)
    stage1 = dim.stage1_loss(raw, alpha, made_of, unknown)
    light = 0.3 * dim.alpha_loss(raw, alpha, unknown)
    light = light + 0.7 * dim.composition_loss(raw, made_of, unknown)
    stages = {
        "stage0": dim.stage0_loss(raw, alpha, unknown),
        "stage1": stage1,
        "stage2": refinement,
        "stage3": dim.joint_loss(stage1, refined, alpha, unknown),
    }
    grads = {
        f"{stage}.{name}": grad
        for stage, loss in stages.items()
        for name, grad in gradients(loss, leaves).items()
    }
    return (
        stages
        | grads
        | {
            "alpha_loss": dim.alpha_loss(raw, alpha, unknown),
            "comp_loss": dim.composition_loss(raw, made_of, unknown),
            "refine_loss": refinement,
            "stage1.wl0.3": light,
            "stage3.wl0.3": dim.joint_loss(light, refined, alpha, unknown),
        }
    )


def vgg_trimap(entry: Entry) -> Computed:
    alpha, found = entry.part("alpha"), {}
    for name in entry.outputs:
        kernel, iterations = (int(part[1:]) for part in name.split("_"))
        found[name] = trimaps.dim_trimap(alpha, kernel, iterations)
    return found


def bgm_adobe(entry: Entry) -> Computed:
    leaves = {name: entry.leaf(name) for name in ("alpha_pred", "fg_pred")}
    terms = bgm.supervised_losses(
        bgm.Layers(*leaves.values()),
        bgm.Layers(entry.tensor("alpha"), entry.tensor("fg")),
        entry.tensor("image"),
        entry.tensor("bg"),
    )
    single = {f"loss_{k}": v for k, v in terms.items()} | {"loss_fg_l1": terms["fg_l1"] / 2}
    return single | {"loss_total": total(terms)} | gradients(total(terms), leaves)


def bgm_real(entry: Entry) -> Computed:
    leaves = {name: entry.leaf(name) for name in ("alpha_pred", "fg_pred")}
    predicted, image = bgm.Layers(*leaves.values()), entry.tensor("image")
    teacher = bgm.Layers(entry.tensor("alpha_sup"), entry.tensor("fg_sup"))
    terms = bgm.self_supervised_losses(
        predicted, teacher, image, entry.tensor("bg"), entry.tensor("seg_gt")
    )
    judge = PatchDiscriminator()
    judge.load_state_dict(entry.fixture.state(manifest="discriminator_manifest"))
    shift = entry.tensor("shift")
    composite = bgm.shifted_composite(predicted, image, entry.tensor("back_rnd"), shift)
    weight = entry.content["params"]["wt"] * bgm.SELF_WEIGHT
    released = judge(composite.detach())  # the released code sends no gradient back
    adversarial = bgm.adversarial_loss(released)
    loss = adversarial + weight * total(terms)
    attached = bgm.adversarial_loss(judge(composite)) + weight * total(terms)
    halves = bgm.discriminator_losses(judge(image), released)
    ranges = [bgm.shift_range(subject) for subject in (entry.tensor("seg") + 1) / 2]
    edges = entry.leaf("alpha_pred")
    difference = bgm.supervised_losses(
        bgm.Layers(edges, teacher.foreground), teacher, image, entry.tensor("bg")
    )
    return {
        "loss_alpha_l1": difference["alpha_l1"],
        "loss_alpha_grad": difference["alpha_grad"],
        "loss_alpha": terms["alpha"],
        "loss_fg_l1": terms["fg_l1"],
        "loss_comp": terms["comp"],
        "loss_gan_g": adversarial,
        "loss_total_g": loss,
        "loss_d_real": 2 * halves["d_real"],
        "loss_d_fake": 2 * halves["d_fake"],
        "loss_total_d": total(halves),
        "shift": shift,
        "shift_range": np.array([(r.start, r.stop) for r in ranges]),
        "composite": composite,
        "d_fake_map": released,
        "grad_alpha_pred_attached": gradients(attached, leaves)["grad_alpha_pred"],
    } | gradients(loss, leaves)


def bgmv2_base(entry: Entry) -> Computed:
    leaves = {name: entry.leaf(name) for name in ("pred_pha", "pred_fgr", "pred_err")}
    true = bgmv2.Layers(entry.tensor("true_pha"), entry.tensor("true_fgr"))
    terms = bgmv2.base_losses(bgmv2.Coarse(*leaves.values()), true)
    maps = {"total": total(terms), "sobel_true_pha": bgmv2.sobel(true.pha)}
    return maps | terms | gradients(total(terms), leaves)


def bgmv2_refine(entry: Entry) -> Computed:
    names = ("pred_pha", "pred_fgr", "pred_pha_sm", "pred_fgr_sm", "pred_err_sm")
    leaves = {name: entry.leaf(name) for name in names}
    pha, fgr, *coarse = leaves.values()
    true = bgmv2.Layers(entry.tensor("true_pha"), entry.tensor("true_fgr"))
    terms = bgmv2.refine_losses(bgmv2.Layers(pha, fgr), bgmv2.Coarse(*coarse), true)
    return {"total": total(terms)} | terms | gradients(total(terms), leaves)


def bgmv2_crop(entry: Entry) -> Computed:
    """Resized to a square that covers the result, then cut."""
    picture, found = entry.tensor("input"), {}
    for name in entry.outputs:
        height, width = (int(side) for side in name.split("x"))
        square = F.interpolate(picture, (max(height, width),) * 2, mode="bilinear")
        layers = [array_from_tensor(image).transpose(1, 2, 0) for image in square]
        cut = [centre_crop(layer, Size(width, height)) for layer in layers]
        found[name] = np.stack(cut).transpose(0, 3, 1, 2)
    return found


COMPUTE: dict[str, Callable[[Entry], Computed]] = {
    "modnet.supervised": modnet_supervised,
    "modnet.blur": modnet_blur,
    "modnet.soc": modnet_soc,
    "modnet.step": modnet_step,
    "shm.loss": shm_loss,
    "shm.trimap": shm_trimap,
    "dim_segnet.loss": segnet_loss,
    "dim_segnet.metric": segnet_metric,
    "dim_segnet.trimap": segnet_trimap,
    "dim_vgg.loss": vgg_loss,
    "dim_vgg.trimap": vgg_trimap,
    "bgm.adobe": bgm_adobe,
    "bgm.real": bgm_real,
    "bgmv2.base": bgmv2_base,
    "bgmv2.refine": bgmv2_refine,
    "bgmv2.refine_odd": bgmv2_refine,
    "bgmv2.crop": bgmv2_crop,
}


def entries() -> list[Entry]:
    found = []
    for path in sorted(parity_folder().glob("*_losses.json")):
        fixture = Fixture(path.stem, json.loads(path.read_text()), path.parent)
        found += [Entry(fixture, content) for content in fixture.content["entries"]]
    return found


def bound(entry: Entry, name: str, expected: Array) -> float:
    """The largest difference that an output may have."""
    tolerance = dict(entry.content["tolerance"])
    whole = dict.fromkeys(("boundaries", "shift", "shift_range"), 0.0)
    special = {"composite": "composite_max_abs", "d_fake_map": "d_max_abs"}
    if name.startswith("after."):
        return float(tolerance["after_max_abs"])
    if "grad_" in name and "loss" not in name:
        return float(tolerance["grad_max_abs"])
    if name in special:
        return float(tolerance[special[name]])
    relative = float(tolerance.get("rel", 0) * np.abs(expected).max())
    return whole.get(name, relative + tolerance.get("max_abs", 0) + tolerance.get("max_levels", 0))


ENTRIES = entries()


@pytest.mark.skipif(not ENTRIES, reason="no fixtures (set MATTECLI_PARITY)")
@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_recorded_loss(entry: Entry) -> None:
    computed = COMPUTE[entry.name](entry)
    strides = {k.partition(".")[2]: v for k, v in entry.content.get("stride", {}).items()}
    for name in entry.outputs:
        expected = np.asarray(entry.part(name), np.float64)
        value = computed[name]
        assert value is not None
        actual = np.asarray(value.detach() if isinstance(value, Tensor) else value, np.float64)
        step = strides.get(name, 1)
        actual = actual[..., ::step, ::step] if step > 1 else actual
        assert actual.shape == expected.shape, name
        difference = np.abs(actual - expected)
        if name == "losses":  # rows are iterations; the second is after a step of noisy gradients
            relative = (difference / np.abs(expected)).max(axis=1)
            tolerance = entry.content["tolerance"]
            assert relative[0] <= tolerance["first_iteration_rel"]
            assert relative[1] <= tolerance["second_iteration_rel"]
            continue
        assert difference.max() <= bound(entry, name, expected), (name, difference.max())
