"""Pulling from several addresses, without a web."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mattecli.errors import ModelUnavailableError
from mattecli.jobs import pull
from mattecli.jobs.pull import PullOptions, pull_weights
from mattecli.models.download import Order, Progress
from mattecli.models.published import PUBLISHED
from mattecli.models.store import Store, file_digest

NAME = "modnet:photographic"
ADDRESSES = PUBLISHED[NAME].addresses


class Notes:
    """Keeps the remarks."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def transferred(self, done: int, total: int | None) -> None:
        """Of no interest here."""

    def note(self, text: str) -> None:
        self.texts.append(text)


def web(good: str) -> Callable[[Order, Progress], str]:
    """A web where one address alone has the file."""

    def fetch(order: Order, progress: Progress) -> str:
        assert not order.insecure
        assert order.sha256 == PUBLISHED[NAME].sha256
        if order.address != good:
            raise ModelUnavailableError(f"{order.address} answers 404 (Not Found)")
        order.part.write_bytes(b"weights")
        return file_digest(order.part)

    return fetch


def test_the_next_address_is_tried_when_one_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pull, "fetch", web(ADDRESSES[2]))
    notes, store = Notes(), Store(tmp_path)
    stored = pull_weights(NAME, PullOptions(), notes, store=store)
    assert stored.source == ADDRESSES[2]
    assert store.path(stored).read_bytes() == b"weights"
    assert notes.texts == [f"{address} answers 404 (Not Found)" for address in ADDRESSES[:2]]


def test_when_all_addresses_fail_the_way_by_hand_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pull, "fetch", web("nowhere"))
    with pytest.raises(
        ModelUnavailableError, match=f"none of {len(ADDRESSES)} addresses"
    ) as caught:
        pull_weights(NAME, PullOptions(), Notes(), store=Store(tmp_path))
    assert PUBLISHED[NAME].by_hand in caught.value.remedy
    assert f"--as {NAME}" in caught.value.remedy
