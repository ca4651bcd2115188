"""From a weights file to a network: which system it belongs to, and loading it strictly."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from safetensors.torch import save
from torch import Tensor

from mattecli.errors import CheckpointError
from mattecli.models.base import MattingModel
from mattecli.models.checkpoint import Checkpoint, read_checkpoint
from mattecli.models.lookup import built_in_weights, find_weights, missing_weights
from mattecli.models.published import find_by_digest
from mattecli.models.registry import model_class, network_specs
from mattecli.models.spec import ModelSpec
from mattecli.models.store import Store, disk_errors, file_digest

__all__ = [
    "LARGEST_SIDE",
    "SHORT_SIDE",
    "LoadedModel",
    "are_built_in",
    "build",
    "facts_in",
    "known_options",
    "load_network",
    "measured_options",
    "recognise",
    "size_of_weights",
    "write_safetensors",
]

# All that we say in a safetensors file is one entry of its metadata: the library writes several
# entries in any order, so that the same weights would not give the same bytes.
_ENTRY = "mattecli"
SHORT_SIDE = "short_side"
"""Option of every network that sees photos scaled down: their short side in pixels."""
LARGEST_SIDE = 8192
"""The largest value of that option, pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedModel:
    """A network with its weights.

    Attributes:
        network: on the CPU, in evaluation mode.
        spec: its registry row for these weights: ``size`` is the one that suits them, and what was
            only proven with the weights inside the package is left out if these are others.
        path: the weights file.
        sha256: of that file, in hex.
        options: what the tensors did not tell.
    """

    network: MattingModel
    spec: ModelSpec
    path: Path
    sha256: str
    options: Mapping[str, str] = field(default_factory=dict)


def load_network(
    spec: ModelSpec,
    weights: Path | None = None,
    *,
    options: Mapping[str, str] | None = None,
    store: Store | None = None,
) -> LoadedModel:
    """The network of ``spec`` with ``weights``, or those of the store, or those of the package.

    Args:
        weights: a file in any format that `read_checkpoint` knows. What the store knows about it
            (found by its place or its digest) applies.
        options: what the tensors do not tell; wins over what is known about the file.
        store: where installed weights are; None: the user's.

    Raises:
        ModelUnavailableError: there are no weights; says how to get them.
        CheckpointError: the file is damaged, or of another network.
    """
    store = store or Store()
    path = weights if weights is not None else _installed(spec, store)
    checkpoint, known = _told(path, store)
    known |= options or {}
    return LoadedModel(
        network=build(spec, checkpoint, known),
        spec=_as_measured(spec, checkpoint, known),
        path=path,
        sha256=checkpoint.sha256,
        options=known,
    )


def size_of_weights(spec: ModelSpec, weights: Path) -> int:
    """The short side of photos, in pixels, at which a weights file works best.

    Raises:
        CheckpointError: the file is damaged or of another network, or what it says makes no sense.
    """
    try:
        checkpoint, known = _told(weights, Store())
        if not _matches(spec, checkpoint.state):
            raise CheckpointError(
                f"holds weights of {recognise(checkpoint).name}, not of {spec.name}",
                remedy=f"give weights of {spec.name}",
            )
        return _as_measured(spec, checkpoint, known).size
    except CheckpointError as error:
        error.path = error.path or weights
        raise


def _told(path: Path, store: Store) -> tuple[Checkpoint, dict[str, str]]:
    """A weights file, and what is known about it besides its tensors."""
    checkpoint = read_checkpoint(path)
    stored = store.record_of(path, checkpoint.sha256)
    if stored is not None and store.holds(path, stored) and stored.sha256 != checkpoint.sha256:
        raise CheckpointError(
            f"has changed since it was installed (SHA-256 {checkpoint.sha256})",
            path=path,
            remedy="run 'mattecli models verify'",
        )
    return checkpoint, {**known_options(checkpoint), **(stored.options if stored else {})}


def measured_options(spec: ModelSpec) -> dict[str, str]:
    """Options to write into a copy of the package's own weights, whose bytes may differ."""
    return {SHORT_SIDE: str(spec.built_in_size)} if spec.built_in_size else {}


def _as_measured(spec: ModelSpec, checkpoint: Checkpoint, options: Mapping[str, str]) -> ModelSpec:
    """The row for these weights; some of it was measured with, and holds for, the package's own."""
    own = are_built_in(spec, checkpoint)
    size = _short_side(spec, options) or (spec.built_in_size if own else 0) or spec.size
    return replace(spec, size=size, half_is_sound=spec.half_is_sound and own)


def are_built_in(spec: ModelSpec, checkpoint: Checkpoint) -> bool:
    """Whether a file holds the bytes of the package's own weights."""
    path, built_in = checkpoint.path, built_in_weights(spec)
    if built_in is None or path.stat().st_size != built_in.stat().st_size:
        return False
    return path.samefile(built_in) or checkpoint.sha256 == file_digest(built_in)


def _short_side(spec: ModelSpec, options: Mapping[str, str]) -> int:
    """The short side that options ask for; 0 if they do not.

    Raises:
        CheckpointError: its value makes no sense.
    """
    text = options.get(SHORT_SIDE) if spec.size_rule == "short-side" else None
    if text is None:
        return 0
    number = int(text) if re.fullmatch("[0-9]{1,4}", text) else 0
    if not spec.minimum <= number <= LARGEST_SIDE:
        raise CheckpointError(
            f"option {SHORT_SIDE} is {text[:20]!r}, not {spec.minimum} to {LARGEST_SIDE} pixels",
            remedy=f"give --set {SHORT_SIDE}={spec.size}",
        )
    return number


def build(spec: ModelSpec, checkpoint: Checkpoint, options: Mapping[str, str]) -> MattingModel:
    """The network of ``spec``, strictly loaded, in evaluation mode.

    Args:
        options: what the tensors do not tell: the network's own options, and ``short_side`` (in
            pixels) for one that sees photos scaled down.

    Raises:
        CheckpointError: the file is of another network, or incomplete; names both.
    """
    try:
        if not _matches(spec, checkpoint.state):
            found = recognise(checkpoint)
            raise CheckpointError(
                f"holds weights of {found.name}, not of {spec.name}",
                remedy=f"use it with --model {found.name}",
            )
        seen = _short_side(spec, options)
        rest = {name: text for name, text in options.items() if not (seen and name == SHORT_SIDE)}
        network = model_class(spec).from_stored(checkpoint.state, rest)
    except CheckpointError as error:
        error.path = checkpoint.path
        error.remedy = error.remedy or f"see 'mattecli models info {spec.name}'"
        raise
    return network.eval()


def recognise(checkpoint: Checkpoint) -> ModelSpec:
    """The registry row that a file belongs to, told by its keys and shapes.

    Rows that share a network are told apart by what a safetensors file says of itself or by the
    digest of a published file; failing both, it is the row without a variant.

    Raises:
        CheckpointError: no network of the registry has these keys.
    """
    rows = [spec for spec in network_specs() if _matches(spec, checkpoint.state)]
    published = find_by_digest(checkpoint.sha256)
    named = (facts_in(checkpoint).get("model"), published.model if published else None)
    for spec in rows:
        if spec.name in named:
            return spec
    if not rows:
        names = ", ".join(list(checkpoint.state)[:2])
        raise CheckpointError(
            f"belongs to no network that this program knows (entries: {names}, ...)",
            path=checkpoint.path,
            remedy="'mattecli models list' names those it knows",
        )
    return min(rows, key=lambda spec: spec.name != spec.system)


def known_options(checkpoint: Checkpoint) -> dict[str, str]:
    """What is known about a file besides its tensors: from its metadata, or from its digest."""
    published = find_by_digest(checkpoint.sha256)
    told = facts_in(checkpoint).get("options")
    options = {
        **(published.options if published else {}),
        **(told if isinstance(told, dict) else {}),
    }
    return {str(name): str(value) for name, value in sorted(options.items())}


def facts_in(checkpoint: Checkpoint) -> dict[str, object]:
    """What `write_safetensors` was told about a file; empty for files of others.

    Raises:
        CheckpointError: it is nested too deeply to be read.
    """
    try:
        facts = json.loads(checkpoint.metadata.get(_ENTRY, "{}"))
    except ValueError:
        return {}
    except RecursionError as error:
        raise CheckpointError(
            "damaged: its metadata makes no sense", path=checkpoint.path
        ) from error
    return facts if isinstance(facts, dict) else {}


def write_safetensors(
    path: Path, state: Mapping[str, Tensor], facts: Mapping[str, str], options: Mapping[str, str]
) -> None:
    """Write ``state`` as safetensors, with ``facts`` and ``options`` in its header.

    The same arguments give the same bytes.

    Raises:
        ResourceError: the disk does not take it.
    """
    # Tensors of a pickled file may overlap or have stride 0; here each stands for itself.
    tensors = {name: tensor.clone().contiguous() for name, tensor in state.items()}
    metadata = {_ENTRY: json.dumps({**facts, "options": dict(options)}, sort_keys=True)}
    # As bytes: the library writes to no path that is not UTF-8, and makes files that only their
    # owner can read.
    content = save(tensors, metadata)
    with disk_errors(path):
        path.write_bytes(content)


def _matches(spec: ModelSpec, state: Mapping[str, Tensor]) -> bool:
    return all(_fits(state.get(name), shape) for name, shape in spec.signature.items())


def _fits(tensor: Tensor | None, pattern: tuple[int | None, ...] | None) -> bool:
    """Whether an entry is as a signature wants it; a pattern of None wants it absent."""
    if tensor is None or pattern is None:
        return tensor is None and pattern is None
    return tensor.dim() == len(pattern) and all(
        want in (None, length) for length, want in zip(tensor.shape, pattern, strict=True)
    )


def _installed(spec: ModelSpec, store: Store) -> Path:
    path = find_weights(spec, store)
    if path is None:
        raise missing_weights(spec, spec.name)
    return path
