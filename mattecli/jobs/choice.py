"""Which model does the work, and what runs it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mattecli.errors import UsageError
from mattecli.models.registry import DEFAULT_MODEL, find_spec
from mattecli.models.spec import ModelSpec
from mattecli.settings import MatteOptions, ModelOptions

if TYPE_CHECKING:
    from mattecli.engine.estimator import Estimator

__all__ = ["ChosenModel", "choose_spec", "make_model"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenModel:
    """A model ready to work.

    Attributes:
        spec: its registry row.
        estimator: what runs it.
        facts: what a report says of it.
    """

    spec: ModelSpec
    estimator: Estimator
    facts: dict[str, object] = field(default_factory=dict)


def choose_spec(options: ModelOptions) -> ModelSpec:
    """The model that was asked for, or the one that fits what is given.

    Raises:
        UsageError: there is no such model, or what it needs is not given, or not for it.
    """
    spec = find_spec(options.model or _fitting(options))
    if "trimap" in spec.needs and options.trimap is None:
        raise UsageError(
            f"--model {spec.name} needs a trimap",
            remedy="give --trimap PATH; 'mattecli trimap' makes one from a mask",
        )
    if options.trimap is not None and "trimap" not in spec.needs:
        raise UsageError(
            f"--model {spec.name} takes no trimap", remedy="leave --trimap or --model out"
        )
    if spec.kind == "classical":
        for given, name in (
            (options.weights, "--weights"),
            (options.size, "--size"),
            (options.reference, "--reference"),
        ):
            if given:
                raise UsageError(f"{name} is for networks, not for {spec.name}")
    return spec


def _fitting(options: ModelOptions) -> str:
    if options.trimap is None:
        return DEFAULT_MODEL
    from mattecli.models.store import find_weights

    return "dim" if find_weights(find_spec("dim")) is not None else "closed-form"


def make_model(spec: ModelSpec, options: MatteOptions, lanes: int) -> ChosenModel:
    """Load the model.

    Args:
        spec: its row.
        options: weights, device, precision and so on.
        lanes: photos that a solver may work on at the same time.

    Raises:
        ModelUnavailableError: there are no weights, or not these.
        UsageError: the device is missing, or an option makes no sense for the model.
    """
    if spec.kind == "classical":
        from mattecli.engine.alternatives import SolverEstimator

        solver = SolverEstimator(spec, lanes)
        return ChosenModel(spec=spec, estimator=solver, facts=_facts(spec, solver))
    from mattecli.engine.alternatives import ReferenceEstimator
    from mattecli.engine.predict import NetworkEstimator
    from mattecli.models.weights import load_network

    loaded = load_network(spec, options.model.weights)
    estimator: Estimator
    if options.model.reference:
        estimator = ReferenceEstimator(loaded.network, spec, options.device)
    else:
        estimator = NetworkEstimator(loaded.network, spec, options.device, size=options.model.size)
    facts = _facts(spec, estimator) | {
        "weights": str(loaded.path),
        "weights_sha256": loaded.sha256,
    }
    return ChosenModel(spec=spec, estimator=estimator, facts=facts)


def _facts(spec: ModelSpec, estimator: Estimator) -> dict[str, object]:
    return {"model": spec.name, **estimator.describe()}
