"""What every network row of the registry promises, shown with random weights."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from mattecli.engine.sizes import network_size
from mattecli.errors import CheckpointError
from mattecli.models.base import Estimate, MattingModel, ModelInput
from mattecli.models.checkpoint import Checkpoint, read_checkpoint
from mattecli.models.registry import MODELS, model_class, network_specs
from mattecli.models.spec import ModelSpec
from mattecli.models.weights import build, recognise, write_safetensors
from mattecli.records import Size

SHORT_SIDE = 64  # small enough to be quick


def networks() -> Iterator[ModelSpec]:
    """The first row of each network; `test_rows_that_share_a_network` has the others."""
    seen = []
    for spec in network_specs():
        if spec.signature not in seen:
            seen.append(spec.signature)
            yield spec


@dataclass(frozen=True)
class Subject:
    """A row, a network of random weights for it, and what its saved file holds."""

    spec: ModelSpec
    network: MattingModel
    checkpoint: Checkpoint

    @property
    def size(self) -> Size:
        return usual_size(self.spec)

    def estimate(self, inputs: ModelInput) -> Estimate:
        with torch.inference_mode():
            return self.network.estimate(inputs)


@pytest.fixture(scope="module", params=networks(), ids=lambda spec: spec.name)
def subject(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Subject:
    spec: ModelSpec = request.param
    network = model_class(spec).fresh(spec.variant)
    make_sensitive(network, inputs_of(spec, usual_size(spec), count=2))
    file = tmp_path_factory.mktemp("weights") / "network.safetensors"
    write_safetensors(file, network.state_dict(), {}, {})
    return Subject(spec, network, read_checkpoint(file))


def make_sensitive(network: MattingModel, inputs: ModelInput) -> None:
    """Give it random weights through which inputs still matter after many layers."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the statistics of all passes so far
    for seed in range(10):
        torch.manual_seed(seed)
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
            elif isinstance(module, nn.BatchNorm2d):
                module.reset_running_stats()
        with torch.no_grad():
            network.train().estimate(inputs)
            alpha = network.eval().estimate(inputs).pha
        if ((alpha > 0.01) & (alpha < 0.99)).float().mean() > 0.1:
            return
    pytest.fail("no random weights keep alpha within 0..1")


def inputs_of(spec: ModelSpec, size: Size, count: int = 1, seed: int = 2) -> ModelInput:
    generator = torch.Generator().manual_seed(seed)

    def random(channels: int) -> Tensor:
        return torch.rand(count, channels, size.height, size.width, generator=generator)

    return ModelInput(
        src=random(3),
        trimap=(random(1) * 2).round() / 2 if "trimap" in spec.needs else None,
        bgr=random(3) if "background" in spec.needs else None,
        seg=random(1).round() if "segmentation" in spec.needs else None,
    )


def one_of(inputs: ModelInput, item: int) -> ModelInput:
    cut = {k: v if v is None else v[item : item + 1] for k, v in batches(inputs).items()}
    return ModelInput(**cut)


def batches(inputs: ModelInput) -> dict[str, Tensor | None]:
    return {field.name: getattr(inputs, field.name) for field in dataclasses.fields(inputs)}


def usual_size(spec: ModelSpec) -> Size:
    return network_size(Size(96, 64), spec, SHORT_SIDE).padded


def assert_sound(spec: ModelSpec, found: Estimate, size: Size, count: int = 1) -> None:
    planes = {1: found.pha} if found.fgr is None else {1: found.pha, 3: found.fgr}
    assert (3 in planes) == ("background" in spec.needs)
    for channels, plane in planes.items():
        assert plane.shape == (count, channels, size.height, size.width)
        assert plane.dtype == torch.float32
        assert torch.isfinite(plane).all()
        assert 0 <= plane.min() <= plane.max() <= 1


def test_a_saved_network_is_recognised_and_comes_back_the_same(subject: Subject) -> None:
    assert recognise(subject.checkpoint) == subject.spec
    again = build(subject.spec, subject.checkpoint, {})
    assert not again.training
    inputs = inputs_of(subject.spec, subject.size)
    with torch.inference_mode():
        assert torch.equal(again.estimate(inputs).pha, subject.estimate(inputs).pha)


def test_a_file_of_another_network_is_refused(subject: Subject) -> None:
    for other in networks():
        if other != subject.spec:
            with pytest.raises(CheckpointError, match=f"not of {other.name};") as failure:
                build(other, subject.checkpoint, {})
            assert subject.spec.name in str(failure.value)


def test_a_file_that_lacks_an_entry_is_refused_by_its_name(subject: Subject) -> None:
    state = dict(subject.checkpoint.state)
    # Not one that tells how many blocks a network has: without it another network is meant.
    kept = (*subject.spec.signature, *(k for k in state if ".layer3." in k or "refiner." in k))
    lost = next(k for k in sorted(state) if k.endswith(".weight") and k not in kept)
    del state[lost]
    with pytest.raises(CheckpointError) as failure:
        build(subject.spec, dataclasses.replace(subject.checkpoint, state=state), {})
    assert f"missing: {lost}" in str(failure.value)
    assert failure.value.path == subject.checkpoint.path


def test_an_unknown_option_is_refused(subject: Subject) -> None:
    with pytest.raises(CheckpointError, match="no option telepathy"):
        build(subject.spec, subject.checkpoint, {"telepathy": "yes"})


@pytest.mark.parametrize("text", ["0", "-64", "wide", "4e2", "9" * 5000])
def test_a_size_that_makes_no_sense_is_refused(subject: Subject, text: str) -> None:
    expected = "short_side" if subject.spec.size_rule == "short-side" else "no option short_side"
    with pytest.raises(CheckpointError, match=expected):
        build(subject.spec, subject.checkpoint, {"short_side": text})


@pytest.mark.parametrize("change", [-1, 0, 1])
def test_sizes_around_the_rule(subject: Subject, change: int) -> None:
    spec = subject.spec
    side = 2 * max(spec.multiple, spec.minimum, 16)
    photo = Size(side + side // 2 + change, side + change)
    size = network_size(photo, spec, min(SHORT_SIDE, side)).padded
    assert size.width % spec.multiple == size.height % spec.multiple == 0
    assert_sound(spec, subject.estimate(inputs_of(spec, size)), size)


def test_the_smallest_size(subject: Subject) -> None:
    size = network_size(Size(1, 1), subject.spec, 1).padded
    assert min(size) >= subject.spec.minimum
    assert_sound(subject.spec, subject.estimate(inputs_of(subject.spec, size)), size)


def test_a_batch_gives_what_its_items_give_alone(subject: Subject) -> None:
    inputs = inputs_of(subject.spec, subject.size, count=2)
    assert_sound(subject.spec, subject.estimate(inputs), subject.size, count=2)
    # In float64, since random weights amplify rounding, and other batches round otherwise.
    exact = dataclasses.replace(subject, network=copy.deepcopy(subject.network).double())
    doubles = ModelInput(**{k: v if v is None else v.double() for k, v in batches(inputs).items()})
    together = exact.estimate(doubles).pha
    for item in range(2):
        alone = exact.estimate(one_of(doubles, item)).pha
        torch.testing.assert_close(alone[0], together[item], atol=1e-6, rtol=0)


def test_every_input_matters_and_is_left_alone(subject: Subject) -> None:
    inputs, others = (inputs_of(subject.spec, subject.size, seed=seed) for seed in (2, 3))
    expected = subject.estimate(inputs).pha
    untouched = batches(inputs_of(subject.spec, subject.size))
    for name, value in batches(inputs).items():
        if value is not None:
            assert torch.equal(value, untouched[name]), name
            changed = dataclasses.replace(inputs, **{name: getattr(others, name)})
            assert not torch.equal(subject.estimate(changed).pha, expected), name


def _network_of(spec: ModelSpec) -> ModelSpec:
    """The row without what is said of its weights."""
    return dataclasses.replace(
        spec, name="", title="", weights="", built_in="", half_is_sound=False, built_in_size=0
    )


def test_rows_that_share_a_network() -> None:
    for one in network_specs():
        for other in network_specs():
            if one.signature == other.signature:
                assert one.system == other.system
                assert _network_of(one) == _network_of(other)


def test_every_row_is_whole() -> None:
    for name, spec in MODELS.items():
        assert spec.name == name
        assert spec.title, name
        assert spec.paper, name
        assert spec.licence, name
    for spec in network_specs():
        assert spec.signature, spec.name
        assert spec.size_rule == "full" or spec.size % spec.multiple == 0, spec.name
