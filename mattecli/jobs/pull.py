"""Downloads published weights into the store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mattecli.errors import CheckpointError, ModelUnavailableError, UsageError
from mattecli.jobs.models import find_target
from mattecli.models.download import Progress, fetch
from mattecli.models.order import Order
from mattecli.models.published import PublishedFile
from mattecli.models.spec import ModelSpec
from mattecli.models.store import Store, StoredWeights, file_digest

__all__ = ["Progress", "PullOptions", "comes_along", "pull_weights"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PullOptions:
    """How to download.

    Attributes:
        url: address to use instead of the table's; only here is plain ``http`` accepted.
        accept_licence: the user accepts a licence that forbids commercial use.
        stall: seconds without a byte after which a connection is given up.
        pause: seconds between two tries.
    """

    url: str = ""
    accept_licence: bool = False
    stall: float = 30.0
    pause: float = 1.0


def comes_along(name: str) -> bool:
    """Whether a model's weights are part of the package, so that there is nothing to pull.

    Raises:
        UsageError: no such model.
    """
    target = find_target(name)
    return target.published is None and bool(target.spec.built_in)


def pull_weights(
    name: str, options: PullOptions, progress: Progress, *, store: Store | None = None
) -> StoredWeights:
    """Download weights into the store, unless they are there and sound.

    A file whose digest nobody published is read and tried before it is accepted, and its digest is
    pinned: a later download must have the same.

    Args:
        name: of a model or of a published file.

    Raises:
        ModelUnavailableError: no address gives the file, or it is not what it must be.
        UsageError: no such model, or its licence is not accepted.
        ResourceError: the disk does not take it.
    """
    target = find_target(name)
    store = store or Store()
    here = _sound(name, store, lambda text: None)
    if here is not None:
        return here
    published = _accepted(name, target.published, options)
    addresses = _addresses(published, options)
    with store.lock(name, lambda: progress.note(f"another process pulls {name}; waiting")):
        here = _sound(name, store, progress.note)
        if here is not None:
            return here
        pull = _Pull(target.spec, published, options, progress, store)
        return pull.from_first(addresses)


def _sound(name: str, store: Store, on_damage: Callable[[str], None]) -> StoredWeights | None:
    """The weights in the store, if they are what they were when they were put there.

    Args:
        on_damage: told where their record is damaged, which counts as none.
    """
    try:
        here = store.find(name)
    except ModelUnavailableError as error:
        on_damage(f"{error.cause}; it is replaced")
        return None
    return here if here is not None and file_digest(store.path(here)) == here.sha256 else None


def _accepted(name: str, published: PublishedFile | None, options: PullOptions) -> PublishedFile:
    if comes_along(name):
        raise ModelUnavailableError(
            f"the weights of {name} come along with the program", remedy="use them as they are"
        )
    if published is None:
        raise ModelUnavailableError(
            f"there are no published weights for {name}",
            remedy="'mattecli models list' says what each model needs",
        )
    if not published.commercial and not options.accept_licence:
        raise UsageError(
            f"the licence of {name}'s weights is: {published.licence}",
            remedy="give --accept-licence if you accept it",
        )
    return published


def _addresses(published: PublishedFile, options: PullOptions) -> tuple[str, ...]:
    if options.url:
        return (options.url,)
    if not published.addresses:
        raise ModelUnavailableError(
            f"{published.file} has no address that a program may download from",
            remedy=_by_hand(published),
        )
    return published.addresses


@dataclass(frozen=True, slots=True)
class _Pull:
    """One file's way into the store."""

    spec: ModelSpec
    published: PublishedFile
    options: PullOptions
    progress: Progress
    store: Store

    def from_first(self, addresses: tuple[str, ...]) -> StoredWeights:
        """The file from the first address that gives it."""
        for address in addresses:
            try:
                return self._from(address)
            except ModelUnavailableError as error:
                if len(addresses) == 1:
                    error.remedy = error.remedy or _by_hand(self.published)
                    raise
                self.progress.note(error.cause)
        raise ModelUnavailableError(
            f"none of {len(addresses)} addresses gave {self.published.file}",
            remedy=_by_hand(self.published),
        )

    def _from(self, address: str) -> StoredWeights:
        order = self._order(address)
        digest = fetch(order, self.progress)
        try:
            if not order.sha256:
                self._check_unpinned(order, digest)
            return self.store.install(order.part, self._record(order, digest))
        finally:
            order.part.unlink(missing_ok=True)

    def _order(self, address: str) -> Order:
        return Order(
            address=address,
            part=self.store.part_path(self.published.name),
            size=self.published.size,
            sha256=self.published.sha256,
            insecure=bool(self.options.url),
            stall=self.options.stall,
            pause=self.options.pause,
        )

    def _record(self, order: Order, digest: str) -> StoredWeights:
        return StoredWeights(
            name=self.published.name,
            file=self.published.file,
            size=order.part.stat().st_size,
            sha256=digest,
            source=order.address,
            source_sha256=digest,
            pulled=True,
            licence=self.published.licence,
            options=self.published.options,
        )

    def _check_unpinned(self, order: Order, digest: str) -> None:
        """A file without a published digest must be the pinned one, and load as its network."""
        from mattecli.models.checkpoint import read_checkpoint
        from mattecli.models.weights import build

        pinned = self.store.pinned(self.published.name)
        if pinned not in ("", digest):
            raise CheckpointError(
                f"{order.address} has SHA-256 {digest}, but the first pull had {pinned}",
                remedy="if you trust the new file, delete "
                f"{self.store.record_path(self.published.name)}",
            )
        try:
            build(self.spec, read_checkpoint(order.part), self.published.options)
        except CheckpointError as error:
            raise CheckpointError(
                f"{order.address} gives no weights for {self.published.name} ({error.cause})"
            ) from error


def _by_hand(published: PublishedFile) -> str:
    """How a person gets the file."""
    command = f"mattecli models import {published.file} --as {published.name}"
    if not published.by_hand:
        return f"download it in a browser, then run '{command}'"
    return f"download it in a browser from {published.by_hand}, then run '{command}'"
