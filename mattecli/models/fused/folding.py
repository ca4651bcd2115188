"""Layers of a network replaced by fused ones, where its own forward pass stays as it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from mattecli.models.bgm import ResnetBlock
from mattecli.models.fused.convolution import Activation, FusedConv
from mattecli.models.parts.bgmv2_decoder import Decoder
from mattecli.models.parts.inverted_residual import InvertedResidual
from mattecli.models.parts.mobilenetv2_dilated import InvertedResidual as DilatedInvertedResidual
from mattecli.models.parts.refiner import Refiner
from mattecli.models.parts.resnet import Bottleneck, DilatedResNet

__all__ = ["fold"]


def fold(network: nn.Module) -> None:
    """Replace layers in place: convolutions take the norm and the activation that follow them.

    Args:
        network: in evaluation mode, channels last; computes the same afterwards.
    """
    if isinstance(network, nn.Sequential):
        _fold_sequence(network)
    _fold_attributes(network)
    for name, child in network.named_children():
        block = _BLOCKS.get(type(child))
        if block is None:
            fold(child)
        else:
            network.register_module(name, block(child))


def _fold_sequence(layers: nn.Sequential) -> None:
    """Folded layers become identities, so that the others keep their indices."""
    for i, layer in enumerate(layers):
        if type(layer) is not nn.Conv2d:
            continue
        follows: list[nn.Module | None] = [*list(layers)[i + 1 : i + 3], None, None]
        norm = follows[0] if isinstance(follows[0], nn.BatchNorm2d) else None
        if norm is not None:
            layers[i + 1] = nn.Identity()
            del follows[0]
        activation: Activation = "none"
        if isinstance(follows[0], nn.ReLU | nn.ReLU6):
            activation = "relu6" if isinstance(follows[0], nn.ReLU6) else "relu"
        if activation != "none":
            layers[i + 1 + (norm is not None)] = nn.Identity()
        layers[i] = FusedConv.of(layer, norm, activation)


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Attributes of a module: convolutions and the norms that follow them.

    Attributes:
        names: of each pair.
        activation: what follows each norm, through ``relu`` alone.
    """

    names: tuple[tuple[str, str], ...]
    activation: Activation = "none"


_PAIRS: Mapping[type[nn.Module], _Pairs] = {
    Decoder: _Pairs((("conv1", "bn1"), ("conv2", "bn2"), ("conv3", "bn3")), "relu"),
    DilatedResNet: _Pairs((("conv1", "bn1"),), "relu"),
    Refiner: _Pairs((("conv1", "bn1"), ("conv2", "bn2"), ("conv3", "bn3"))),
}


def _fold_attributes(module: nn.Module) -> None:
    """Convolutions and norms that are attributes; plain convolutions become fused ones too."""
    pairs = _PAIRS.get(type(module), _Pairs(()))
    for conv_name, norm_name in pairs.names:
        conv, norm = module.get_submodule(conv_name), module.get_submodule(norm_name)
        assert isinstance(conv, nn.Conv2d)
        assert isinstance(norm, nn.BatchNorm2d)
        module.register_module(conv_name, FusedConv.of(conv, norm, pairs.activation))
        module.register_module(norm_name, nn.Identity())
    if pairs.activation == "relu":
        module.register_module("relu", nn.Identity())
    for name, child in module.named_children():
        if type(child) is nn.Conv2d:
            module.register_module(name, FusedConv.of(child))


class Residual(nn.Module):
    """A block whose last convolution adds the block's input."""

    def __init__(self, layers: nn.Sequential, *, adds_input: bool) -> None:
        super().__init__()
        fold(layers)
        kept = [layer for layer in layers if not isinstance(layer, nn.Identity)]
        self.first, self.last = nn.Sequential(*kept[:-1]), kept[-1]
        self.adds_input = adds_input

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.last(self.first(x), add=x if self.adds_input else None)
        return y


class FusedBottleneck(nn.Module):
    """ResNet's bottleneck."""

    def __init__(self, block: Bottleneck) -> None:
        super().__init__()
        self.conv1 = FusedConv.of(block.conv1, block.bn1, "relu")
        self.conv2 = FusedConv.of(block.conv2, block.bn2, "relu")
        self.conv3 = FusedConv.of(block.conv3, block.bn3, "relu")
        self.downsample = block.downsample
        if isinstance(self.downsample, nn.Sequential):
            _fold_sequence(self.downsample)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        y: Tensor = self.conv3(self.conv2(self.conv1(x)), add=shortcut)
        return y


def _residual(block: nn.Module) -> nn.Module:
    assert isinstance(block, InvertedResidual | DilatedInvertedResidual)
    return Residual(block.conv, adds_input=block.adds_input)


def _resnet_block(block: nn.Module) -> nn.Module:
    assert isinstance(block, ResnetBlock)
    return Residual(block.conv_block, adds_input=True)


def _bottleneck(block: nn.Module) -> nn.Module:
    assert isinstance(block, Bottleneck)
    return FusedBottleneck(block)


_BLOCKS: Mapping[type[nn.Module], Callable[[nn.Module], nn.Module]] = {
    InvertedResidual: _residual,
    DilatedInvertedResidual: _residual,
    ResnetBlock: _resnet_block,
    Bottleneck: _bottleneck,
}
