"""Opens the models that photos or frames go through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mattecli.engine.estimator import Estimator
from mattecli.jobs.choice import make_guide, make_model, needs_guide
from mattecli.jobs.refining import Refiner, make_refiner, refinement
from mattecli.jobs.workspace import Workspace
from mattecli.models.spec import ModelSpec
from mattecli.settings import MatteOptions

__all__ = ["OpenedModels", "open_models"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedModels:
    """Models ready to work.

    Attributes:
        estimator: runs the model that does the work.
        guide: runs the portrait model, where a trimap or a segmentation has to be made first.
        refiner: gives a small alpha the photo's detail, where that is wanted.
        facts: what a report says of them.
    """

    estimator: Estimator
    guide: Estimator | None = None
    refiner: Refiner | None = None
    facts: Mapping[str, object] = field(default_factory=dict)


def open_models(
    spec: ModelSpec, options: MatteOptions, workspace: Workspace, lanes: int
) -> OpenedModels:
    """Load the model, and those that go before and after it.

    Args:
        spec: the model's row.
        options: weights, device, refinement and so on.
        workspace: what memory there is.
        lanes: as for ``make_model``.

    Raises:
        ModelUnavailableError: one has no weights here, or not these.
        UsageError: the device is missing, or an option makes no sense for the model.
    """
    chosen = make_model(spec, options, workspace, lanes)
    return OpenedModels(
        estimator=chosen.estimator,
        guide=make_guide(options) if needs_guide(spec, options.model) else None,
        refiner=make_refiner(spec, options, workspace),
        facts={**chosen.facts, "refine": refinement(spec, options)},
    )
