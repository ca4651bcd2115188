"""What models there are, what is known about their weights, and whether those are here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from mattecli.errors import CheckpointError, ModelUnavailableError
from mattecli.models.lookup import built_in_weights, find_weights, missing_weights, model_card
from mattecli.models.published import PUBLISHED, PublishedFile, published_for
from mattecli.models.registry import MODELS, find_spec
from mattecli.models.spec import ModelSpec
from mattecli.models.store import Store, StoredWeights, file_digest

__all__ = [
    "OWN_LICENCE",
    "Availability",
    "ModelFacts",
    "Target",
    "Verdict",
    "find_target",
    "list_models",
    "model_facts",
    "remove_weights",
    "verify_weights",
    "weights_path",
]

Availability: TypeAlias = Literal[
    "here", "built in", "pull", "by hand", "import", "damaged", "none needed"
]
"""Where weights are, or how they get here: ``pull`` downloads them, ``by hand`` takes a browser,
``import`` a file of the user's own, since none are published; ``damaged``: the record makes no
sense, or its file has gone and the package's would take its place."""


OWN_LICENCE = "Apache-2.0"  # the program's, and that of the weights inside the package


@dataclass(frozen=True, slots=True)
class Target:
    """What a name on the command line means.

    Attributes:
        name: as given: a model's, or that of one of its published files.
        spec: the model.
        published: the published file that is meant, None where there is none.
    """

    name: str
    spec: ModelSpec
    published: PublishedFile | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """All that is known about a model and its weights.

    Attributes:
        name, title, paper, needs: as in its registry row.
        weights: where its weights are, or how they get here.
        path: the weights file, where it is here.
        size: of that file, in bytes.
        sha256: its digest, as recorded when it was installed.
        options: what its tensors do not tell, likewise.
        licence: of the weights.
        commercial: whether that allows commercial use; None where nobody says.
        published: the published file that the name stands for.
        editions: names of all published files for the model.
        card: about the weights inside the package, as Markdown; "" where others are meant.
    """

    name: str
    title: str
    paper: str
    needs: tuple[str, ...]
    weights: Availability
    path: Path | None
    size: int | None
    sha256: str
    options: Mapping[str, str]
    licence: str
    commercial: bool | None
    published: PublishedFile | None
    editions: tuple[str, ...]
    card: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What `verify_weights` found.

    Attributes:
        name: of the weights.
        path: their file.
        sha256: the digest that the file must have.
        problem: what is wrong with it; "" where it is sound.
    """

    name: str
    path: Path
    sha256: str
    problem: str = ""


def find_target(name: str) -> Target:
    """What ``name`` means: a model, or one of the published files (``dim@v1.4``).

    Raises:
        UsageError: neither; lists the models.
    """
    edition = PUBLISHED.get(name)
    spec = find_spec(edition.model if edition is not None else name)
    return Target(name, spec, edition or PUBLISHED.get(spec.weights))


def list_models(store: Store | None = None) -> list[ModelFacts]:
    """The facts about every model, in the registry's order."""
    return [model_facts(name, store) for name in MODELS]


def model_facts(name: str, store: Store | None = None) -> ModelFacts:
    """The facts about one model or published file.

    Raises:
        UsageError: there is none of that name.
    """
    store = store or Store()
    target = find_target(name)
    spec, published = target.spec, target.published
    weights, path = _availability(target, store)
    stored = store.find(name) if weights == "here" else None
    licence = _licence(target, stored, weights)
    return ModelFacts(
        name=name,
        title=spec.title,
        paper=spec.paper,
        needs=tuple(sorted(spec.needs)),
        weights=weights,
        path=path,
        size=path.stat().st_size if path is not None else None,
        sha256=stored.sha256 if stored is not None else "",
        options=dict(stored.options) if stored is not None else {},
        licence=licence,
        commercial=_commercial(target, licence, weights),
        published=published,
        editions=tuple(row.name for row in published_for(spec.name)),
        card=model_card(spec) if weights == "built in" else "",
    )


def weights_path(name: str, store: Store | None = None) -> Path:
    """Where the weights called ``name`` are.

    Raises:
        ModelUnavailableError: they are not here; says how to get them.
        UsageError: there is no model of that name.
    """
    target = find_target(name)
    if target.spec.kind == "classical":
        raise ModelUnavailableError(f"{name} needs no weights")
    store = store or Store()
    if target.name == target.spec.name:
        path = find_weights(target.spec, store)
    else:
        stored = store.find(name)
        path = store.path(stored) if stored is not None else None
    if path is None:
        raise missing_weights(target.spec, name)
    return path


def verify_weights(names: Iterable[str] = (), store: Store | None = None) -> list[Verdict]:
    """Read weights files again and compare their digests.

    Args:
        names: models or published files; none: all that are here. One whose file is missing, or
            whose record is damaged, gives a verdict like the others. Weights inside the package
            are held against the digest on their model card.

    Raises:
        ModelUnavailableError: one that is named is not here.
        UsageError: there is no model of that name.
    """
    store = store or Store()
    chosen = list(names)
    known = chosen or list(dict.fromkeys([*MODELS, *PUBLISHED]))
    found = {name: _verdict(name, store) for name in known}
    for name in known:
        if found[name] is None and (chosen or _built_in(find_target(name)) is not None):
            found[name] = _verdict_on_built_in(name, store)
    return [verdict for verdict in found.values() if verdict is not None]


def remove_weights(
    name: str, on_wait: Callable[[], None] = lambda: None, store: Store | None = None
) -> int:
    """Delete what was pulled or imported under a name.

    Args:
        name: of a model or published file. What comes along with the package stays.
        on_wait: called where another process works on these weights, before waiting for it.

    Returns:
        How many bytes of weights were deleted.

    Raises:
        ModelUnavailableError: nothing was put here under that name.
        UsageError: there is no model of that name.
        ResourceError: a file cannot be deleted.
    """
    target = find_target(name)
    store = store or Store()
    if store.has_any(name):
        with store.lock(name, on_wait):
            return store.remove(name)
    if _built_in(target) is not None:
        raise ModelUnavailableError(f"the weights of {name} come along with the program, and stay")
    raise ModelUnavailableError(f"no weights of {name} were put here")


def _verdict(name: str, store: Store) -> Verdict | None:
    """The verdict on the weights that the store has recorded; None: there are none."""
    try:
        stored = store.pin(name)
    except ModelUnavailableError as error:
        return Verdict(name=name, path=store.record_path(name), sha256="", problem=error.cause)
    if stored is None:
        return None
    problem = ""
    try:
        store.check(stored)
    except CheckpointError as error:
        problem = error.cause
    return Verdict(name=name, path=store.path(stored), sha256=stored.sha256, problem=problem)


def _verdict_on_built_in(name: str, store: Store) -> Verdict:
    path = weights_path(name, store)  # raises where there are none at all
    digest = file_digest(path)
    known = digest in model_card(find_target(name).spec)
    problem = "" if known else "has changed: install the program again"
    return Verdict(name=name, path=path, sha256=digest, problem=problem)


def _availability(target: Target, store: Store) -> tuple[Availability, Path | None]:
    spec, published = target.spec, target.published
    if spec.kind == "classical":
        return "none needed", None
    try:
        stored = store.find(target.name)
    except ModelUnavailableError:
        return "damaged", None
    if stored is not None:
        return "here", store.path(stored)
    built_in = _built_in(target)
    if built_in is not None:
        # Recorded, but its file is missing: the user is to choose what takes its place.
        gone = store.pin(target.name) is not None
        return ("damaged", None) if gone else ("built in", built_in)
    if published is None:
        return "import", None
    return ("pull" if published.addresses else "by hand"), None


def _built_in(target: Target) -> Path | None:
    return built_in_weights(target.spec) if target.name == target.spec.name else None


def _commercial(target: Target, licence: str, weights: Availability) -> bool | None:
    """Whether the weights' licence allows commercial use; None where nobody says."""
    published = target.published
    if weights == "built in" or (weights == "here" and licence == OWN_LICENCE):
        return True  # that licence allows it
    return published.commercial if published and published.licence == licence else None


def _licence(target: Target, stored: StoredWeights | None, weights: Availability) -> str:
    """The licence of the weights that are here, else of those that the name stands for."""
    if weights == "built in":
        return OWN_LICENCE
    if stored is not None:
        return stored.licence or "unknown (a file of your own)"
    return target.published.licence if target.published else target.spec.licence
