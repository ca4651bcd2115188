"""The staged pipeline: order, bounds, batches, failures, early ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mattecli.engine.pipeline import Stage, run_stages
from mattecli.errors import InputError, UsageError


@dataclass(eq=False)
class Item:
    number: int
    seen: list[str] = field(default_factory=list)


def mark(name: str) -> Stage[Item]:
    def work(group: Sequence[Item]) -> None:
        for item in group:
            item.seen.append(name)

    return Stage(name=name, work=work, workers=2)


@settings(max_examples=30, deadline=None)
@given(
    count=st.integers(0, 40),
    workers=st.lists(st.integers(1, 3), min_size=1, max_size=3),
    group=st.integers(1, 4),
    budget=st.integers(1, 9),
    bad=st.sets(st.integers(0, 39)),
)
def test_every_item_comes_back_once_in_order_with_its_own_error(
    count: int, workers: list[int], group: int, budget: int, bad: set[int]
) -> None:
    def fail(items: Sequence[Item]) -> None:
        if items[0].number in bad:
            raise InputError("bad")

    stages = [
        Stage(name=f"s{i}", work=fail if i == 0 else mark(str(i)).work, workers=number)
        for i, number in enumerate(workers)
    ]
    stages.append(
        Stage(name="last", work=mark("last").work, group=group, key=lambda i: i.number % 2)
    )
    outcomes = list(run_stages([Item(n) for n in range(count)], stages, budget=budget))
    assert [outcome.item.number for outcome in outcomes] == list(range(count))
    for outcome in outcomes:
        failed = outcome.item.number in bad
        assert isinstance(outcome.error, InputError) == failed
        assert ("last" in outcome.item.seen) != failed


def test_the_budget_bounds_what_is_under_way_and_a_costly_item_goes_alone() -> None:
    under_way, most, lock = 0, 0, threading.Lock()
    costs = [1, 3, 9, 2, 2, 2, 5, 1, 1, 1, 1, 1]

    def enter(group: Sequence[int]) -> None:
        nonlocal under_way, most
        with lock:
            under_way += group[0]
            most = max(most, under_way)

    def leave(group: Sequence[int]) -> None:
        nonlocal under_way
        time.sleep(0.002)
        with lock:
            under_way -= group[0]

    stages = [Stage(name="in", work=enter, workers=4), Stage(name="out", work=leave, workers=4)]
    outcomes = list(run_stages(costs, stages, budget=5, cost=lambda cost: cost))
    assert [outcome.item for outcome in outcomes] == costs
    assert 5 <= most <= 9
    assert under_way == 0


def test_the_source_is_read_only_as_far_as_the_budget_allows() -> None:
    taken: list[int] = []
    gate = threading.Event()

    def source() -> Iterator[int]:
        for number in range(1000):
            taken.append(number)
            yield number

    stages: list[Stage[int]] = [Stage(name="wait", work=lambda _group: gate.wait(5) and None)]
    outcomes = run_stages(source(), stages, budget=3)
    waiting: list[int] = []
    reader = threading.Thread(target=lambda: waiting.append(next(outcomes).item))
    reader.start()
    while len(taken) < 4:
        time.sleep(0.005)
    time.sleep(0.1)
    assert taken == [0, 1, 2, 3]  # three are under way, one waits for room
    gate.set()
    reader.join()
    assert waiting == [0]
    outcomes.close()


def test_groups_hold_equal_keys_and_never_more_than_asked() -> None:
    groups: list[list[int]] = []
    ready = threading.Event()

    def collect(group: Sequence[int]) -> None:
        ready.wait(5)
        groups.append(list(group))

    stage: Stage[int] = Stage(name="net", work=collect, group=3, key=lambda n: n % 2)
    threading.Timer(0.2, ready.set).start()
    outcomes = list(run_stages(range(12), [stage], budget=12))
    assert [outcome.item for outcome in outcomes] == list(range(12))
    assert sorted(n for group in groups for n in group) == list(range(12))
    assert max(len(group) for group in groups) == 3
    assert all(len({n % 2 for n in group}) == 1 for group in groups)


def test_an_error_in_a_group_is_booked_on_each_member() -> None:
    ready = threading.Event()

    def fail(group: Sequence[int]) -> None:
        ready.wait(5)
        if 3 in group:
            raise InputError("three")

    stage: Stage[int] = Stage(name="net", work=fail, group=8)
    threading.Timer(0.2, ready.set).start()
    outcomes = list(run_stages(range(8), [stage], budget=8))
    failed = [outcome.item for outcome in outcomes if outcome.error]
    assert 3 in failed
    assert [outcome.item for outcome in outcomes] == list(range(8))


def test_closing_early_stops_the_threads() -> None:
    before = threading.active_count()
    outcomes = run_stages((Item(n) for n in range(10_000)), [mark("a"), mark("b")], budget=4)
    for _ in range(3):
        next(outcomes)
    outcomes.close()
    assert threading.active_count() == before


def test_what_had_ended_when_the_run_was_closed_is_handed_over() -> None:
    ended: list[int] = []
    gate = threading.Event()

    def work(group: Sequence[int]) -> None:
        if group[0] == 1:
            gate.wait(5)
        ended.append(group[0])

    left: list[int] = []
    outcomes = run_stages(
        range(6),
        [Stage(name="a", work=work, workers=2)],
        budget=6,
        unclaimed=lambda outcome: left.append(outcome.item),
    )
    assert next(outcomes).item == 0
    while len(ended) < 5:
        time.sleep(0.005)
    threading.Timer(0.05, gate.set).start()
    outcomes.close()
    assert left == [1, 2, 3, 4, 5]


def test_a_failing_source_is_raised_after_the_items_before_it() -> None:
    def source() -> Iterator[int]:
        yield 1
        yield 2
        raise InputError("the list ends here")

    outcomes = run_stages(source(), [Stage(name="a", work=lambda _group: None)], budget=9)
    assert [next(outcomes).item, next(outcomes).item] == [1, 2]
    with pytest.raises(InputError, match="the list ends here"):
        next(outcomes)


def test_no_stages_is_an_error() -> None:
    with pytest.raises(UsageError):
        list(run_stages([1], [], budget=1))


def test_seconds_are_booked_by_stage() -> None:
    def slow(_group: Sequence[int]) -> None:
        time.sleep(0.02)

    stages: list[Stage[int]] = [
        Stage(name="slow", work=slow),
        Stage(name="fast", work=lambda _: None),
    ]
    (outcome,) = run_stages([1], stages, budget=1)
    assert outcome.seconds["slow"] >= 0.02
    assert outcome.seconds["fast"] < outcome.seconds["slow"]
