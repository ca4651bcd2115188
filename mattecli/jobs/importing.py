"""Takes over weights files of any origin: recognised, tried, and rewritten as safetensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mattecli.errors import CheckpointError, UsageError
from mattecli.jobs.models import find_target
from mattecli.models.published import PublishedFile, find_by_digest
from mattecli.models.store import Store, StoredWeights, disk_errors, file_digest, new_file

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


def import_weights(
    path: Path, options: ImportOptions = ImportOptions(), *, store: Store | None = None
) -> Imported:
    """Recognise a weights file by its keys and write it as safetensors; nothing in it is run.

    Raises:
        CheckpointError: damaged, hostile, incomplete, or of no known network.
        UsageError: no such model, or the output makes no sense.
        ResourceError: the disk does not take it.
    """
    from mattecli.models.checkpoint import read_checkpoint
    from mattecli.models.weights import (
        build,
        facts_in,
        known_options,
        recognise,
        write_safetensors,
    )

    store = store or Store()
    _check_output(path, options.output)
    checkpoint = read_checkpoint(path)
    target = find_target(options.name or recognise(checkpoint).name)
    published = _published(path, checkpoint.sha256, target.published if options.name else None)
    said = published.options if published else {}
    told = {**known_options(checkpoint), **said, **options.options}
    network = build(target.spec, checkpoint, told)
    licence = published.licence if published else str(facts_in(checkpoint).get("licence", ""))
    facts = {
        "model": target.spec.name,
        "source": path.name,
        "source_sha256": checkpoint.sha256,
        "licence": licence,
    }
    temporary = new_file(options.output.parent if options.output else store.folder, ".safetensors")
    try:
        write_safetensors(temporary, checkpoint.state, facts, told)
        stored = StoredWeights(
            name=target.name,
            file=temporary.name,
            size=temporary.stat().st_size,
            sha256=file_digest(temporary),
            source=path.name,
            source_sha256=checkpoint.sha256,
            pulled=False,
            licence=licence,
            options=told,
        )
        written = _put(temporary, options.output, stored, store)
    finally:
        temporary.unlink(missing_ok=True)
    return Imported(
        name=target.name,
        path=written,
        sha256=stored.sha256,
        source_format=checkpoint.format,
        source_sha256=checkpoint.sha256,
        entries=len(checkpoint.state),
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        licence=licence,
        options=told,
    )


def _check_output(path: Path, output: Path | None) -> None:
    if output is None:
        return
    if output.suffix != ".safetensors" or output.is_dir():
        raise UsageError("the output's name must end in .safetensors", path=output)
    if output.exists() and path.exists() and output.samefile(path):
        raise UsageError("the output would overwrite the input", path=output)


def _published(path: Path, sha256: str, said: PublishedFile | None) -> PublishedFile | None:
    """The published file that this is: the one it is said to be, else told by its digest.

    Raises:
        CheckpointError: it is said to be a published file and is not.
    """
    if said is not None and said.sha256 not in ("", sha256):
        raise CheckpointError(
            f"is not the published file of {said.name}: its SHA-256 is {sha256} "
            f"instead of {said.sha256}",
            path=path,
            remedy="leave out --as if it is a file of your own",
        )
    return said or find_by_digest(sha256)


def _put(temporary: Path, output: Path | None, stored: StoredWeights, store: Store) -> Path:
    """Rename the finished file to where it belongs."""
    if output is not None:
        with disk_errors(output):
            temporary.replace(output)
        return output
    with store.lock(stored.name, lambda: None):
        return store.path(store.install(temporary, stored))
