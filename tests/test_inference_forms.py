"""What the inference form of every network in the registry promises, with random weights."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from test_registry_contract import (
    Subject,
    assert_sound,
    batches,
    inputs_of,
    networks,
    one_of,
    subject,
    usual_size,
)
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from mattecli.models.base import Estimate, ModelInput
from mattecli.models.fused.form import InferenceForm
from mattecli.models.registry import model_class
from mattecli.models.spec import ModelSpec

__all__ = ["subject"]  # the fixture: every row with random weights that matter

DATA_DEPENDENT = {"bgmv2", "bgmv2:resnet50", "bgmv2:resnet101"}
"""Networks that look at their own results to choose what to compute."""


def form_of(subject: Subject, dtype: torch.dtype = torch.float32) -> InferenceForm:
    return InferenceForm(subject.network, dtype)


def difference(one: Estimate, other: Estimate) -> torch.Tensor:
    return (one.pha.double() - other.pha.double()).abs()


def test_it_estimates_what_the_network_estimates(subject: Subject) -> None:
    inputs = inputs_of(subject.spec, subject.size, count=2)
    found = form_of(subject).estimate(inputs)
    assert_sound(subject.spec, found, subject.size, count=2)
    expected = subject.estimate(inputs)
    assert difference(found, expected).mean() < max(1e-4, 3 * own_rounding(subject, inputs))
    if expected.fgr is not None and found.fgr is not None:
        assert (found.fgr - expected.fgr).abs().mean() < 1e-3


def own_rounding(subject: Subject, inputs: ModelInput) -> float:
    """How far the network's own float32 is from float64: some random weights amplify it."""
    exact = replace(subject, network=copy.deepcopy(subject.network).double())
    wide = exact.estimate(doubled(inputs))
    return difference(wide, subject.estimate(inputs)).mean().item()


def doubled(inputs: ModelInput) -> ModelInput:
    return ModelInput(**{k: v if v is None else v.double() for k, v in batches(inputs).items()})


def test_it_is_the_same_function(subject: Subject) -> None:
    """In float64 nothing but the folded weights' own rounding is left."""
    inputs = doubled(inputs_of_(subject))
    exact = replace(subject, network=copy.deepcopy(subject.network).double())
    form = InferenceForm(exact.network, torch.float64)
    with torch.inference_mode():
        found = form.network.estimate(inputs)
    assert difference(found, exact.estimate(inputs)).max() < 1e-6


def inputs_of_(subject: Subject) -> ModelInput:
    return inputs_of(subject.spec, subject.size, count=1)


def test_the_network_and_the_inputs_are_left_alone(subject: Subject) -> None:
    before = copy.deepcopy(subject.network.state_dict())
    inputs = inputs_of_(subject)
    for dtype in (torch.float32, torch.bfloat16):
        form_of(subject, dtype).estimate(inputs)
    after = subject.network.state_dict()
    assert before.keys() == after.keys()
    for name, value in before.items():
        assert value.dtype == after[name].dtype, name
        assert torch.equal(value, after[name]), name
    for name, value in batches(inputs_of_(subject)).items():
        assert value is None or torch.equal(value, batches(inputs)[name]), name


def test_a_photo_does_not_depend_on_its_company(subject: Subject) -> None:
    inputs = inputs_of(subject.spec, subject.size, count=2)
    form = form_of(subject)
    together = form.estimate(inputs).pha
    for item in range(2):
        alone = form.estimate(one_of(inputs, item)).pha
        assert (alone[0] - together[item]).abs().mean() < 1e-4


def test_the_same_photo_gives_the_same_alpha_again(subject: Subject) -> None:
    form, inputs = form_of(subject), inputs_of_(subject)
    assert torch.equal(form.estimate(inputs).pha, form.estimate(inputs).pha)


@pytest.mark.parametrize("spec", list(networks()), ids=lambda spec: spec.name)
def test_half_precision_loses_no_more_than_mixed_precision_does(spec: ModelSpec) -> None:
    """With weights through which rounding does not grow; the bound is what autocast loses."""
    torch.manual_seed(4)
    network = model_class(spec).fresh(spec.variant).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.3)
    inputs = inputs_of(spec, usual_size(spec), count=2)
    form = InferenceForm(network, torch.bfloat16)
    with torch.inference_mode():
        expected = network.estimate(inputs)
        with torch.autocast("cpu", torch.bfloat16):
            mixed = network.estimate(inputs)
        found = form.estimate(inputs)
    assert_sound(spec, found, usual_size(spec), count=2)
    lost = difference(mixed, expected).mean()
    assert 0 < lost < 0.02
    assert difference(found, expected).mean() < 1.5 * lost + 1e-4


class HostReads(TorchDispatchMode):
    """Collects operators whose result the host must wait for: none may be in a CUDA graph."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(
        self, func: object, types: object, args: tuple = (), kwargs: dict | None = None
    ) -> object:
        name = str(func)
        if any(word in name for word in ("_local_scalar_dense", "nonzero", "is_nonzero", "unique")):
            self.found.append(name)
        return func(*args, **(kwargs or {}))


def test_the_host_waits_for_no_result(subject: Subject) -> None:
    form, inputs = form_of(subject), inputs_of_(subject)
    form.estimate(inputs)  # what is made once for a size is made here
    with HostReads() as reads:
        form.estimate(inputs)
    assert bool(reads.found) == (subject.spec.name in DATA_DEPENDENT), reads.found
    assert form.is_graph_safe != (subject.spec.name in DATA_DEPENDENT)
