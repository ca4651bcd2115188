"""All that a matte depends on beside its photo, as data that a journal compares."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from mattecli.errors import MattecliError, ModelUnavailableError
from mattecli.jobs.choice import guide_spec, needs_guide
from mattecli.jobs.plan import asked_format
from mattecli.jobs.refining import refinement, refining_spec
from mattecli.jobs.stamps import stamp_of
from mattecli.media.paths import is_ordinary_file
from mattecli.media.stores.place import as_path, is_stored
from mattecli.models.spec import ModelSpec
from mattecli.settings import MatteOptions, ModelOptions

__all__ = ["fill_digest", "made_with"]

# Where these lie does not matter; their content is compared, by digest or by size and time.
_PLACES = frozenset({"model", "weights", "trimap", "mask", "background", "segmentation"})


def made_with(spec: ModelSpec, options: MatteOptions) -> dict[str, object]:
    """Model, weights and settings; not the device, whose results differ by rounding alone."""
    model = {name: value for name, value in asdict(options.model).items() if name not in _PLACES}
    return {
        "model": spec.name,
        "weights": _weights_digest(spec, options.model),
        "guide": _guide_digest(spec, options.model),
        "refiner": _refiner_digest(spec, options),
        "how": model,
        "trimap": _trimap_origin(options.model),
        "shape": asdict(options.shape),
        "pixels": asdict(options.pixels),
        "finish": asdict(options.finish),
        "fill": fill_digest(options.pixels.fill),
        "format": asked_format(options.target),
        "precision": options.device.precision,
    }


def _trimap_origin(model: ModelOptions) -> str:
    if model.mask is not None:
        return "mask"
    return "auto" if model.trimap == "auto" else ""


def _weights_digest(spec: ModelSpec, model: ModelOptions) -> str:
    """ "" for a solver, and where loading the weights will say what is wrong with them."""
    from mattecli.jobs.models import weights_path

    if spec.kind != "network":
        return ""
    try:
        return _weights_and_record(model.weights or weights_path(model.model or spec.name))
    except MattecliError:
        return ""


def _guide_digest(spec: ModelSpec, model: ModelOptions) -> str:
    return _digest_of(guide_spec) if needs_guide(spec, model) else ""


def _refiner_digest(spec: ModelSpec, options: MatteOptions) -> str:
    return _digest_of(refining_spec) if refinement(spec, options) == "dim" else ""


def _digest_of(find: Callable[[], ModelSpec]) -> str:
    """ "" where opening the model will say that its weights are missing."""
    from mattecli.jobs.models import weights_path

    try:
        return _weights_and_record(weights_path(find().name))
    except ModelUnavailableError:
        return ""


def _weights_and_record(path: Path) -> str:
    """Digest of a weights file, and what the store knows of it that its tensors do not tell."""
    from mattecli.models.store import Store, file_digest

    digest = file_digest(path)
    stored = Store().record_of(path, digest)
    told = sorted(stored.options.items()) if stored is not None else []
    return " ".join((digest, *(f"{name}={value}" for name, value in told)))


def fill_digest(fill: str) -> str:
    """The digest of a composite's background, where it is a picture; else ""."""
    from mattecli.models.store import file_digest

    path = as_path(fill)
    if is_stored(path):
        stamp = stamp_of(path)
        return "" if stamp is None else str(stamp)
    return file_digest(path) if is_ordinary_file(path) else ""
