"""Downloads from a server on this machine: whole and checked, or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.client import HTTPMessage
from io import BytesIO
from pathlib import Path
from urllib.request import Request

import pytest
from weights_server import Script, serving

from mattecli.errors import ModelUnavailableError, ResourceError, UsageError
from mattecli.models.download import Order, _Redirects, fetch

BODY = bytes(range(256)) * 4000
DIGEST = hashlib.sha256(BODY).hexdigest()


@dataclass
class Log:
    """Remembers what it is told of a download."""

    done: list[int] = field(default_factory=list)
    totals: set[int | None] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)

    def transferred(self, done: int, total: int | None) -> None:
        self.done.append(done)
        self.totals.add(total)

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def server() -> Iterator[Script]:
    with serving(Script(BODY)) as script:
        yield script


@pytest.fixture
def order(server: Script, tmp_path: Path) -> Order:
    return Order(
        address=server.address, part=tmp_path / "a.part", insecure=True, stall=0.5, pause=0.0
    )


def test_a_file_comes_whole_with_its_digest(server: Script, order: Order) -> None:
    log = Log()
    assert fetch(order, log) == DIGEST
    assert order.part.read_bytes() == BODY
    assert log.done == sorted(log.done)
    assert (log.done[-1], log.totals, log.notes) == (len(BODY), {len(BODY)}, [])
    assert server.asked == [""]
    assert list(order.part.parent.iterdir()) == [order.part]


def test_a_broken_connection_is_taken_up_where_it_broke(server: Script, order: Order) -> None:
    server.cuts = [300_000, 200_000]
    log = Log()
    assert fetch(order, log) == DIGEST
    assert server.asked == ["", "bytes=300000-", "bytes=500000-"]
    assert server.sent == len(BODY)
    assert "ended after 300,000 of 1,024,000 bytes" in log.notes[0]


def test_a_later_call_continues_what_an_earlier_one_left(server: Script, order: Order) -> None:
    server.cuts = [300_000]
    with pytest.raises(ModelUnavailableError, match="run the same command again to continue"):
        fetch(replace(order, tries=1), Log())
    assert order.part.stat().st_size == 300_000
    assert fetch(order, Log()) == DIGEST
    assert server.sent == len(BODY)


def test_a_server_without_ranges_sends_everything_again(server: Script, order: Order) -> None:
    server.cuts, server.ranges = [300_000], False
    assert fetch(order, Log()) == DIGEST
    assert server.sent == len(BODY) + 300_000


def test_a_file_that_changed_meanwhile_is_begun_anew(server: Script, order: Order) -> None:
    server.cuts = [300_000]
    with pytest.raises(ModelUnavailableError):
        fetch(replace(order, tries=1), Log())
    server.body, server.tag = BODY[::-1], '"two"'
    assert fetch(order, Log()) == hashlib.sha256(BODY[::-1]).hexdigest()


def test_a_file_that_became_shorter_is_begun_anew(server: Script, order: Order) -> None:
    server.cuts = [300_000]
    with pytest.raises(ModelUnavailableError):
        fetch(replace(order, tries=1), Log())
    server.body = b"short"
    assert fetch(order, Log()) == hashlib.sha256(b"short").hexdigest()


def test_without_version_or_digest_nothing_is_continued(server: Script, order: Order) -> None:
    server.cuts, server.tag = [300_000], ""
    assert fetch(order, Log()) == DIGEST
    assert server.asked == ["", ""]


def test_a_known_digest_makes_continuing_safe(server: Script, order: Order) -> None:
    server.cuts, server.tag = [300_000], ""
    assert fetch(replace(order, sha256=DIGEST), Log()) == DIGEST
    assert server.asked == ["", "bytes=300000-"]


def test_a_rest_from_another_address_is_not_continued(
    server: Script, order: Order, tmp_path: Path
) -> None:
    server.cuts = [300_000]
    with pytest.raises(ModelUnavailableError):
        fetch(replace(order, tries=1), Log())
    assert fetch(replace(order, address=f"{order.address}?other"), Log()) == DIGEST
    assert server.asked == ["", ""]


def test_a_wrong_digest_is_named_and_nothing_is_kept(order: Order) -> None:
    with pytest.raises(ModelUnavailableError, match=f"{DIGEST} instead of {'0' * 64}"):
        fetch(replace(order, sha256="0" * 64), Log())
    assert not list(order.part.parent.iterdir())


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("size", [len(BODY) - 1, len(BODY) + 1])
def test_a_wrong_size_is_refused(server: Script, order: Order, size: int, announced: bool) -> None:
    server.lengths = announced
    with pytest.raises(ModelUnavailableError):
        fetch(replace(order, size=size), Log())
    assert not order.part.exists() or order.part.stat().st_size <= size


def test_a_size_that_nobody_announces_is_no_hindrance(server: Script, order: Order) -> None:
    server.lengths = False
    log = Log()
    assert fetch(order, log) == DIGEST
    assert log.totals == {None}


@pytest.mark.parametrize("status", [403, 404, 410])
def test_an_address_without_the_file_is_given_up_at_once(
    server: Script, order: Order, status: int
) -> None:
    server.status = status
    with pytest.raises(ModelUnavailableError, match=f"answers {status}"):
        fetch(order, Log())
    assert len(server.asked) == 1
    assert not order.part.exists()


def test_a_server_in_trouble_is_asked_again(server: Script, order: Order) -> None:
    server.status = 503
    with pytest.raises(ModelUnavailableError, match=r"answers 503 .* 3 times"):
        fetch(order, Log())
    assert len(server.asked) == 3


def test_a_server_that_stalls_is_given_up_and_its_bytes_are_kept(
    server: Script, order: Order
) -> None:
    server.stall_at = 400_000
    with pytest.raises(ModelUnavailableError, match=r"sent nothing for 0\.5 seconds"):
        fetch(replace(order, tries=1), Log())
    assert order.part.stat().st_size == 400_000
    server.stall_at = None
    assert fetch(order, Log()) == DIGEST
    assert server.sent == len(BODY)


def test_a_server_that_brings_a_few_bytes_each_time_is_given_up(
    server: Script, order: Order
) -> None:
    server.cuts = [200_000, *[100] * 500]
    with pytest.raises(ModelUnavailableError, match=r"ended after 200,\d00 of"):
        fetch(order, Log())
    assert len(server.asked) == order.tries


def test_a_server_that_is_not_there_is_given_up_at_once(tmp_path: Path) -> None:
    with serving(Script(BODY)) as script:
        address = script.address
    order = Order(address=address, part=tmp_path / "a.part", insecure=True)
    with pytest.raises(ModelUnavailableError, match="cannot be reached"):
        fetch(order, Log())


@pytest.mark.parametrize(
    "address",
    ["http://127.0.0.1:9/a", "ftp://127.0.0.1/a", "file:///etc/passwd", "https://[x", "a"],
)
def test_only_https_is_fetched_unasked(address: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no https address"):
        fetch(Order(address=address, part=tmp_path / "a.part"), Log())


@pytest.mark.parametrize("location", ["ftp://127.0.0.1/a", "file:///etc/passwd"])
def test_a_redirect_away_from_the_web_is_refused(
    server: Script, order: Order, location: str
) -> None:
    server.location = location
    with pytest.raises(ModelUnavailableError, match=r"which is not (https|followed); "):
        fetch(order, Log())


def test_a_redirect_from_https_to_http_is_refused() -> None:
    request = Request("https://example.org/a")
    follow = _Redirects(insecure=True).redirect_request
    with pytest.raises(ModelUnavailableError, match="leads to http://example"):
        follow(request, BytesIO(), 302, "Found", HTTPMessage(), "http://example.org/b")


def test_a_redirect_on_the_web_is_followed(server: Script, order: Order) -> None:
    with serving(Script(b"", location=server.address)) as first:
        assert fetch(replace(order, address=first.address), Log()) == DIGEST


def test_more_bytes_than_any_weights_have_are_refused(
    server: Script, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mattecli.models.download._MOST_BYTES", 1000)
    with pytest.raises(ModelUnavailableError, match="announces 1,024,000 bytes"):
        fetch(order, Log())
    server.lengths = False
    with pytest.raises(ModelUnavailableError, match="sends more than 1,000 bytes"):
        fetch(order, Log())
    assert not order.part.exists()


def test_a_disk_that_takes_nothing_is_said(order: Order, tmp_path: Path) -> None:
    (tmp_path / "a.part").mkdir()
    with pytest.raises(ResourceError, match="cannot be written"):
        fetch(order, Log())
