"""The recorded network outputs, computed by the inference forms."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest
import torch

from mattecli.models.base import MattingModel
from mattecli.models.fused.form import InferenceForm
from mattecli.models.modnet import MODNet
from parity.adapters import ADAPTERS, bgm, bgmv2, dim_segnet, dim_vgg, shm
from parity.core import Case, check, load_fixtures, parity_folder

FIXTURES = load_fixtures(parity_folder())
MODULES: dict[str, ModuleType] = {
    "shm": shm,
    "dim_segnet": dim_segnet,
    "dim_vgg": dim_vgg,
    "bgm": bgm,
    "bgmv2_mobilenetv2": bgmv2,
    "bgmv2_resnet50": bgmv2,
    "bgmv2_resnet101": bgmv2,
}
"""Adapters whose networks keep their forward pass when they are folded."""

MATTES = ("matte", "alpha", "alpha_p", "raw", "refined", "pha")


def tensor_cases(systems: set[str]) -> list[object]:
    return [
        pytest.param(case, id=f"{fixture.name}-{case.name}")
        for fixture in FIXTURES
        if fixture.name in systems
        for case in fixture.cases()
        if case.kind == "tensor"
    ]


def folded(make: Callable[..., MattingModel], dtype: torch.dtype) -> Callable[..., MattingModel]:
    def made(*arguments: object, **named: object) -> MattingModel:
        network: MattingModel = InferenceForm(make(*arguments, **named), dtype).network
        return network

    return made


def matte_only(case: Case) -> Case:
    outputs = [name for name in case.entry["outputs"] if name.endswith(".matte")]
    return dataclasses.replace(case, entry={**case.entry, "outputs": outputs})


def modnet_matte(case: Case, dtype: torch.dtype) -> dict[str, np.ndarray]:
    form = InferenceForm(MODNet.from_state(case.fixture.state()).eval(), dtype)
    with torch.inference_mode():
        return {"matte": form.network(torch.from_numpy(case.inputs["image"])).numpy()}


def test_every_system_is_here() -> None:
    assert set(ADAPTERS) == {"modnet", *MODULES}


@pytest.mark.skipif(not FIXTURES, reason=f"no fixtures in {parity_folder()} (set MATTECLI_PARITY)")
@pytest.mark.parametrize("case", tensor_cases({"modnet"}))
def test_modnets_matte(case: Case) -> None:
    check(matte_only(case), modnet_matte(case, torch.float32))


@pytest.mark.skipif(not FIXTURES, reason=f"no fixtures in {parity_folder()} (set MATTECLI_PARITY)")
@pytest.mark.parametrize("case", tensor_cases(set(MODULES)))
def test_a_folded_network(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = MODULES[case.fixture.name]
    monkeypatch.setattr(adapter, "_network", folded(adapter._network, torch.float32))
    outputs = [name for name in case.entry["outputs"] if not name.endswith(".aspp")]
    case = Case(case.fixture, {**case.entry, "outputs": outputs})  # no map inside: folding moves it
    check(case, ADAPTERS[case.fixture.name].compute(case))
