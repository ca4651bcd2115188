"""What a dry run refuses, because the run would."""

from __future__ import annotations

from mattecli.jobs.choice import guide_spec, needs_guide
from mattecli.jobs.models import weights_path
from mattecli.jobs.refining import refinement, refining_spec
from mattecli.models.lookup import require_weights
from mattecli.models.spec import ModelSpec
from mattecli.settings import MatteOptions

__all__ = ["require_models"]


def require_models(spec: ModelSpec, options: MatteOptions) -> None:
    """Refuse a run one of whose networks has no weights here, without loading any.

    Nothing is refused for work that is done elsewhere, where other weights may be.

    Raises:
        ModelUnavailableError: the model, what goes before it or what refines has no weights.
        UsageError: there is no such model.
    """
    if options.engine.engine != "local":
        return
    name = options.model.model or spec.name
    if "@" in name and options.model.weights is None:
        weights_path(name)
    else:
        require_weights(spec, options.model.weights)
    if needs_guide(spec, options.model):
        guide_spec()
    if refinement(spec, options) == "dim":
        refining_spec()
