"""Lanes: each lent to one thread at a time, whatever becomes of the threads."""

from __future__ import annotations

import threading

from mattecli.engine.lanes import Lanes


def taken_elsewhere(lanes: Lanes, *, until: threading.Event | None) -> int:
    """What another thread is lent, which ends at once, or when ``until`` is set."""
    found: list[int] = []
    ready = threading.Event()

    def run() -> None:
        found.append(lanes.take())
        ready.set()
        if until is not None:
            until.wait()
            lanes.give(found[0])

    thread = threading.Thread(target=run)
    thread.start()
    ready.wait()
    if until is None:
        thread.join()
    return found[0]


def test_a_lane_is_lent_once() -> None:
    lanes = Lanes(3)
    assert sorted(lanes.take() for _ in range(3)) == [0, 1, 2]
    lanes.give(1)
    assert lanes.take() == 1


def test_who_finds_none_waits_for_one() -> None:
    lanes, done = Lanes(1), threading.Event()
    assert taken_elsewhere(lanes, until=done) == 0
    threading.Timer(0.2, done.set).start()
    assert lanes.take() == 0


def test_a_lane_whose_thread_has_ended_is_free() -> None:
    lanes = Lanes(2)
    lent = {taken_elsewhere(lanes, until=None) for _ in range(4)}
    assert lent == {1}  # given back by nobody, and lent again
