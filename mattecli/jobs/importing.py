"""Takes over weights files of any origin: recognised, tried, and rewritten as safetensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mattecli.errors import CheckpointError, ModelUnavailableError, ResourceError, UsageError
from mattecli.jobs.models import OWN_LICENCE, find_target
from mattecli.models.published import PublishedFile, find_by_digest
from mattecli.models.store import Store, StoredWeights, disk_errors, file_digest, new_file

if TYPE_CHECKING:
    from mattecli.models.base import MattingModel
    from mattecli.models.checkpoint import Checkpoint
    from mattecli.models.spec import ModelSpec

__all__ = ["ImportOptions", "Imported", "import_weights"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """How to take a file over.

    Attributes:
        name: the model or published file that it is said to be; "": told by its keys.
        output: safetensors file to write; None: into the store.
        options: what its tensors do not tell about the network.
    """

    name: str = ""
    output: Path | None = None
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """A file that was taken over.

    Attributes:
        name: the model or published file it was taken over as.
        path: the safetensors file that was written.
        sha256: of that file, in hex.
        source_format: container of the file that was read.
        source_sha256: digest of the file that was read.
        entries: number of tensors.
        parameters: number of trainable numbers in the network.
        licence: of the weights, "" where unknown.
        options: what the tensors do not tell about the network.
        replaced: what was in the store in its place, in words; "" where nothing was.
    """

    name: str
    path: Path
    sha256: str
    source_format: str
    source_sha256: str
    entries: int
    parameters: int
    licence: str
    options: Mapping[str, str]
    replaced: str = ""


def import_weights(
    path: Path, options: ImportOptions = ImportOptions(), *, store: Store | None = None
) -> Imported:
    """Recognise a weights file by its keys and write it as safetensors; nothing in it is run.

    Raises:
        CheckpointError: damaged, hostile, incomplete, or of no known network.
        UsageError: no such model, an option that its network does not take, or an output that
            makes no sense.
        ResourceError: the disk does not take it.
    """
    from mattecli.models.checkpoint import read_checkpoint

    _check_output(path, options.output)
    origin = _origin(read_checkpoint(path), options)
    if options.output is not None:
        return _written(origin, options.output)
    store = store or Store()
    with store.lock(origin.name, lambda: None):
        return _installed(origin, store)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Origin:
    """A file that was read and tried, with what is known about it."""

    name: str
    model: str
    checkpoint: Checkpoint
    parameters: int
    licence: str
    options: Mapping[str, str]


def _origin(checkpoint: Checkpoint, options: ImportOptions) -> _Origin:
    from mattecli.models.weights import (
        are_built_in,
        facts_in,
        known_options,
        measured_options,
        recognise,
    )

    target = find_target(options.name or recognise(checkpoint).name)
    said = target.published if options.name else None
    own = are_built_in(target.spec, checkpoint)
    published = None if own else _published(checkpoint, said)
    known = {
        **(measured_options(target.spec) if own else {}),
        **known_options(checkpoint),
        **(published.options if published else {}),
    }
    network = _tried(target.spec, checkpoint, known, options.options)
    said_licence = OWN_LICENCE if own else str(facts_in(checkpoint).get("licence", ""))
    return _Origin(
        name=target.name,
        model=target.spec.name,
        checkpoint=checkpoint,
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        licence=published.licence if published else said_licence,
        options={**known, **options.options},
    )


def _tried(
    spec: ModelSpec, checkpoint: Checkpoint, known: Mapping[str, str], told: Mapping[str, str]
) -> MattingModel:
    """The network with ``known`` options and those that the user ``told``.

    Raises:
        UsageError: it can be built, but not with what the user told.
        CheckpointError: it cannot be built at all.
    """
    from mattecli.models.weights import build

    try:
        return build(spec, checkpoint, {**known, **told})
    except CheckpointError as error:
        if not told:
            raise
        build(spec, checkpoint, known)
        raise UsageError(error.cause, remedy="leave out or correct --set") from error


def _written(origin: _Origin, output: Path) -> Imported:
    """Write the file where the user wants it."""
    try:
        temporary = new_file(output.parent, f".{output.stem}", output.suffix)
        try:
            sha256 = _write(origin, temporary)
            with disk_errors(output):
                temporary.replace(output)
        finally:
            temporary.unlink(missing_ok=True)
    except ResourceError as error:
        error.path, error.remedy = output, "free some space, or write to another folder"
        raise
    return _imported(origin, output, sha256)


def _installed(origin: _Origin, store: Store) -> Imported:
    """Put the file into the store, under the lock of its name."""
    temporary = store.new_file(origin.name, ".safetensors")
    try:
        sha256 = _write(origin, temporary)
        earlier = _earlier(origin.name, sha256, store)
        stored = StoredWeights(
            name=origin.name,
            file=temporary.name,
            size=temporary.stat().st_size,
            sha256=sha256,
            source=origin.checkpoint.path.name,
            source_sha256=origin.checkpoint.sha256,
            pulled=False,
            licence=origin.licence,
            options=origin.options,
        )
        path = store.path(store.install(temporary, stored))
    finally:
        temporary.unlink(missing_ok=True)
    return _imported(origin, path, sha256, earlier)


def _write(origin: _Origin, path: Path) -> str:
    """Write the safetensors file; its digest."""
    from mattecli.models.weights import write_safetensors

    facts = {
        "model": origin.model,
        "source": origin.checkpoint.path.name,
        "source_sha256": origin.checkpoint.sha256,
        "licence": origin.licence,
    }
    write_safetensors(path, origin.checkpoint.state, facts, origin.options)
    return file_digest(path)


def _earlier(name: str, sha256: str, store: Store) -> str:
    """What a file with this digest takes the place of, in words; "" for nothing."""
    try:
        stored = store.find(name)
    except ModelUnavailableError as error:
        return error.cause
    if stored is None or stored.sha256 == sha256:
        return ""
    return f"the weights {'pulled' if stored.pulled else 'imported'} from {stored.source}"


def _imported(origin: _Origin, path: Path, sha256: str, replaced: str = "") -> Imported:
    return Imported(
        name=origin.name,
        path=path,
        sha256=sha256,
        source_format=origin.checkpoint.format,
        source_sha256=origin.checkpoint.sha256,
        entries=len(origin.checkpoint.state),
        parameters=origin.parameters,
        licence=origin.licence,
        options=origin.options,
        replaced=replaced,
    )


def _check_output(path: Path, output: Path | None) -> None:
    if output is None:
        return
    if output.suffix != ".safetensors" or output.is_dir():
        raise UsageError("the output's name must end in .safetensors", path=output)
    if output.exists() and path.exists() and output.samefile(path):
        raise UsageError("the output would overwrite the input", path=output)


def _published(checkpoint: Checkpoint, said: PublishedFile | None) -> PublishedFile | None:
    """The published file that this is: the one it is said to be, else told by its digest.

    Raises:
        CheckpointError: it is said to be a published file and is not.
    """
    sha256 = checkpoint.sha256
    if said is not None and said.sha256 not in ("", sha256):
        raise CheckpointError(
            f"is not the published file of {said.name}: its SHA-256 is {sha256} "
            f"instead of {said.sha256}",
            path=checkpoint.path,
            remedy="leave out --as if it is a file of your own",
        )
    return said or find_by_digest(sha256)
