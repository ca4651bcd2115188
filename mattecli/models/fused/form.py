"""From a network to its inference form."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields

import torch
from torch import Tensor, nn

from mattecli.models.base import Estimate, MattingModel, ModelInput
from mattecli.models.bgm import BGM
from mattecli.models.bgmv2 import BGMv2
from mattecli.models.fused.convolution import FusedConv
from mattecli.models.fused.folding import fold
from mattecli.models.fused.modnet import FusedMODNet
from mattecli.models.modnet import MODNet
from mattecli.models.parts.normalise import Normalise

__all__ = ["InferenceForm"]


class InferenceForm(nn.Module):
    """A network that only estimates: the same alpha in fewer passes over memory.

    Batch norms and activations are part of the convolutions, and maps have their channels
    innermost. Half precision is for the layers, not for the normalisation of inputs or the last
    steps. Made once, when weights are loaded.

    Args:
        network: in evaluation mode, float; it is left alone.
        dtype: arithmetic of the layers.
    """

    def __init__(self, network: MattingModel, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.network = _folded(network)
        self.dtype = dtype
        exact = set(_exact_layers(self.network)) if dtype != torch.float64 else set()
        for module in self.network.modules():
            if module not in exact:
                _cast(module, dtype)

    @property
    def is_graph_safe(self) -> bool:
        """Whether the same operators run on every picture of a size, whatever the results are.

        Only then a CUDA graph may replay them. BGMv2 chooses the cells that it refines.
        """
        return not isinstance(self.network, BGMv2)

    @contextmanager
    def running(self) -> Iterator[None]:
        """A context in which to call `estimate`; this one has nothing to prepare."""
        yield

    @torch.inference_mode()
    def estimate(self, inputs: ModelInput) -> Estimate:
        """As the network's own, in float32.

        Args:
            inputs: float32, as for the network.
        """
        found = self.network.estimate(channels_last(inputs))
        return Estimate(pha=found.pha.float(), fgr=None if found.fgr is None else found.fgr.float())


def channels_last(inputs: ModelInput) -> ModelInput:
    """The same numbers with each pixel's channels side by side in memory."""
    given = {field.name: getattr(inputs, field.name) for field in fields(inputs)}
    return ModelInput(
        **{
            name: maps.contiguous(memory_format=torch.channels_last)
            for name, maps in given.items()
            if maps is not None
        }
    )


def _folded(network: MattingModel) -> MattingModel:
    if isinstance(network, MODNet):
        return FusedMODNet(network).eval()
    copied = copy.deepcopy(network).requires_grad_(False)
    fold(copied)
    if isinstance(copied, BGM):
        copied.model_enc_multi = nn.Sequential()  # in files, never used
    return copied


def _exact_layers(network: nn.Module) -> Iterator[nn.Module]:
    """Modules that stay float32 when the others become half."""
    for module in network.modules():
        if isinstance(module, Normalise):
            yield module
    if isinstance(network, FusedMODNet):
        # A trained MobileNetV2 has channels whose values hardly vary, and norms that amplify the
        # little that does: 16 bits there would add ten times the error of all other layers, to
        # save a tenth of the time.
        yield from network.backbone.modules()


def _cast(module: nn.Module, dtype: torch.dtype) -> None:
    """This module's own numbers, not those of modules inside."""

    def cast(tensor: Tensor) -> Tensor:
        return tensor.to(dtype) if tensor.is_floating_point() else tensor

    for name, parameter in module.named_parameters(recurse=False):
        if not (dtype == torch.bfloat16 and isinstance(module, FusedConv) and name == "bias"):
            parameter.data = cast(parameter.data)  # oneDNN adds biases in float32
    for name, buffer in module.named_buffers(recurse=False):
        setattr(module, name, cast(buffer))
