"""Which weights a model would run on: those of the store, or those inside the package."""

from __future__ import annotations

from pathlib import Path

from mattecli.errors import ModelUnavailableError
from mattecli.models.published import PUBLISHED, published_for
from mattecli.models.registry import network_specs
from mattecli.models.spec import ModelSpec
from mattecli.models.store import Store

__all__ = [
    "built_in_weights",
    "find_weights",
    "missing_weights",
    "model_card",
    "require_weights",
]


def built_in_weights(spec: ModelSpec) -> Path | None:
    """The weights inside the package, None where ``spec`` has none."""
    if not spec.built_in:
        return None
    path = Path(__file__).parent / "built_in" / spec.built_in
    return path if path.is_file() else None


def model_card(spec: ModelSpec) -> str:
    """What is known about the weights inside the package, as Markdown; "" where there are none."""
    weights = built_in_weights(spec)
    return weights.with_suffix(".md").read_text("utf-8") if weights is not None else ""


def find_weights(spec: ModelSpec, store: Store | None = None) -> Path | None:
    """The weights that ``spec`` would run on: those of the store, else those of the package.

    Raises:
        ModelUnavailableError: the store's file is gone, and the package's would silently stand in.
    """
    store = store or Store()
    stored = store.find(spec.name)
    if stored is not None:
        return store.path(stored)
    built_in = built_in_weights(spec)
    gone = store.pin(spec.name) if built_in is not None else None
    if gone is not None:
        raise ModelUnavailableError(
            f"the weights of {spec.name} that were put here are gone",
            path=store.path(gone),
            remedy="put them here again, or run"
            f" 'mattecli models remove {spec.name}' to use those that come along",
        )
    return built_in


def missing_weights(spec: ModelSpec, name: str) -> ModelUnavailableError:
    """The error for weights called ``name`` that are not here, with the way to get them."""
    cause = f"there are no weights for {name} here"
    if spec.weights:
        return ModelUnavailableError(cause, remedy=f"run '{_pull(name)}', or give --weights FILE")
    for kin in network_specs():
        if kin.system == spec.system and kin.weights:
            remedy = f"run '{_pull(kin.name)}' and use --model {kin.name}"
            return ModelUnavailableError(cause, remedy=f"{remedy}, or give --weights FILE")
    remedy = "none are published: give --weights FILE, or run 'mattecli models import FILE'"
    return ModelUnavailableError(cause, remedy=remedy)


def _pull(name: str) -> str:
    """The command that gets weights."""
    published = PUBLISHED.get(name) or next(iter(published_for(name)), None)
    accept = "" if published is None or published.commercial else " --accept-licence"
    return f"mattecli models pull {name}{accept}"


def require_weights(spec: ModelSpec, given: Path | None = None) -> None:
    """Refuse a model that could not be loaded, without loading it.

    Args:
        spec: its row.
        given: a weights file that the user named.

    Raises:
        ModelUnavailableError: there are no weights for it here.
    """
    if spec.kind != "network":
        return
    if given is not None and not given.is_file():
        raise ModelUnavailableError("there is no such file", path=given, remedy="check the name")
    if given is None and find_weights(spec) is None:
        raise missing_weights(spec, spec.name)
