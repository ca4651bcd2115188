"""Training Background Matting: supervised on composites, then against a discriminator.

Sengupta et al., CVPR 2020, section 3; constants of the reference.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call

from mattecli.models.bgm import BGM
from mattecli.records import Array, Size
from mattecli.training.composites import Cut, resized_cut, still_composite
from mattecli.training.discriminator import PatchDiscriminator
from mattecli.training.losses.bgm import (
    SELF_WEIGHT,
    Layers,
    adversarial_loss,
    discriminator_losses,
    self_supervised_losses,
    shift_range,
    shifted_composite,
    supervised_losses,
)
from mattecli.training.plates import rephotographed, rough_mask
from mattecli.training.recipe import Phase
from mattecli.training.store import PictureStore
from mattecli.training.system import Batch, Moment, Sampler, System, full_precision

__all__ = ["BGMSystem"]

_CROPS = (1.125, 1.25, 1.375, 1.5)  # 576 to 768 pixels for a network of 512
_JUDGED_EVERY = 5  # steps of the generator for one of the discriminator
_HALVINGS = 7  # of the weight of the self-supervised terms, over the phase


class SubjectsWithMasks(Sampler):
    """``image``, ``background`` (true), ``plate`` (as photographed), ``foreground``, ``alpha``,
    ``mask`` (rough), ``segmentation`` (0 or 255), ``other`` (a background from elsewhere).

    Args:
        store: labelled photos and backgrounds.
    """

    def __init__(self, store: PictureStore) -> None:
        self._store = store

    def sample(self, phase: Phase, size: Size, rng: np.random.Generator) -> dict[str, Array]:
        """One square of ``size.width``; all levels."""
        del phase
        side = int(size.width * rng.choice(_CROPS))
        whole = still_composite(self._store, rng, least=side)
        part = resized_cut(whole, Cut.around_unknown(whole.alpha, side, rng), size.width)
        elsewhere = still_composite(self._store, rng, least=size.width)
        return {
            "image": part.image,
            "background": part.background,
            "plate": rephotographed(part.background, rng),
            "foreground": part.foreground,
            "alpha": part.alpha,
            "mask": rough_mask(part.alpha, rng),
            "segmentation": np.where(part.alpha > 127, np.uint8(255), np.uint8(0)),
            "other": elsewhere.background[: size.height, : size.width],
        }


class Contest(nn.Module):
    """The network that learns, the one that taught it, and their judge."""

    def __init__(self) -> None:
        super().__init__()
        self.generator = BGM()
        self.teacher = BGM().requires_grad_(False)
        self.discriminator = PatchDiscriminator()


class BGMSystem(System):
    """Background Matting in two phases.

    ``supervised`` learns from labels. In ``adversarial`` a new network learns from the results of
    the first one and from a discriminator, without the labels.

    The released code lets no gradient from the discriminator reach the network; here it does, as
    in the paper.

    Args:
        store: labelled photos and backgrounds.
    """

    name = "bgm"
    part = "generator"

    def __init__(self, store: PictureStore) -> None:
        self._store = store

    def network(self, seed: int) -> nn.Module:
        """Fresh weights of all three."""
        torch.manual_seed(seed)
        contest = Contest()
        contest.generator.apply(_initialise)
        return contest

    def sampler(self) -> Sampler:
        """Composed photos, plates and rough masks."""
        return SubjectsWithMasks(self._store)

    def enter(self, network: nn.Module, phase: Phase) -> None:
        """For ``adversarial`` the trained network becomes the teacher of a new one."""
        assert isinstance(network, Contest)
        if phase.name == "adversarial":
            network.teacher.load_state_dict(network.generator.state_dict())
            network.generator.apply(_initialise)

    def losses(self, network: nn.Module, batch: Batch, moment: Moment) -> dict[str, Tensor]:
        """The terms of the phase."""
        assert isinstance(network, Contest)
        values = {name: value.float() / 127.5 - 1 for name, value in batch.items()}
        predicted = _layers(network.generator, values)
        image, background = values["image"], values["background"]
        if moment.phase.name == "supervised":
            true = Layers(values["alpha"], values["foreground"])
            with full_precision(image):
                return supervised_losses(predicted, true, image, background)
        with torch.no_grad():
            teacher = _layers(network.teacher.eval(), values)
        weight = SELF_WEIGHT * 0.5 ** (moment.step * _HALVINGS // moment.phase.steps)
        plate, subject = values["plate"], values["segmentation"]
        with full_precision(image):
            taught = self_supervised_losses(predicted, teacher, image, plate, subject)
        terms = {name: weight * term for name, term in taught.items()}
        shifts = _shifts(values["mask"])
        composite = shifted_composite(predicted, image, values["other"], shifts)
        return terms | _judged(network.discriminator, image, composite, moment.step)


def _layers(network: nn.Module, values: Mapping[str, Tensor]) -> Layers:
    out = network(values["image"], values["plate"], values["mask"])
    return Layers(out.alpha.float(), out.fg.float())


def _judged(
    discriminator: nn.Module, image: Tensor, composite: Tensor, step: int
) -> dict[str, Tensor]:
    """The generator's adversarial term, and now and then the discriminator's own."""
    # The generator's term must not train its judge, whose weights are constants here.
    fixed = {name: p.detach() for name, p in discriminator.named_parameters()}
    verdict = functional_call(discriminator, fixed, composite).float()
    terms = {"adversarial": adversarial_loss(verdict)}
    if step % _JUDGED_EVERY == 0:
        fake = discriminator(composite.detach()).float()
        terms |= discriminator_losses(discriminator(image).float(), fake)
    return terms


def _shifts(mask: Tensor) -> Tensor:
    """For each subject a random shift that keeps some of it in the picture; 0 if there is none."""
    ranges = [shift_range((subject + 1) / 2) for subject in mask]
    return torch.stack(
        [torch.randint(r.start, r.stop, ()) if len(r) else torch.tensor(0) for r in ranges]
    )


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.xavier_uniform_(module.weight, gain=2**0.5)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm2d):
        module.reset_parameters()
        module.reset_running_stats()
        nn.init.normal_(module.weight, 1.0, 0.2)
