"""An interrupt at any moment: what has ended is reported, once, and nothing else is begun."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from mattecli.engine.pipeline import Control, Stage, run_stages
from mattecli.interruption import Hold, forget_interrupts, interrupt, is_interrupted
from mattecli.jobs.runner import Silent
from mattecli.jobs.trimap import make_trimaps
from mattecli.records import ItemRecord, Report
from mattecli.settings import InputOptions, OutputOptions, TrimapCommandOptions
from tests.conftest import outputs_in, photo, save


@pytest.fixture
def handled() -> Iterator[None]:
    forget_interrupts()
    before = signal.signal(signal.SIGINT, lambda *_: interrupt())
    yield
    signal.signal(signal.SIGINT, before)
    forget_interrupts()


def test_without_a_hold_it_comes_at_once(handled: None) -> None:
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_one_that_python_lost_is_raised_by_the_next_hold(handled: None) -> None:
    class Lost:
        def __del__(self) -> None:  # what is raised in a callback of Python's own is printed only
            signal.raise_signal(signal.SIGINT)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "unraisablehook", lambda _told: None)
        lost = Lost()
        del lost
    with pytest.raises(KeyboardInterrupt), Hold():
        pytest.fail("the run goes on")
    with Hold():
        pass  # it was raised once


def held(block: Callable[[Hold], None]) -> None:
    with Hold() as hold:
        block(hold)


def test_a_hold_lets_its_block_end(handled: None) -> None:
    noted: list[bool] = []

    def block(hold: Hold) -> None:
        signal.raise_signal(signal.SIGINT)
        noted.append(hold.requested)

    with pytest.raises(KeyboardInterrupt):
        held(block)
    assert noted == [True]
    with pytest.raises(KeyboardInterrupt):  # nothing is held any more
        interrupt()


def test_an_error_in_the_block_is_not_hidden(handled: None) -> None:
    def block(_hold: Hold) -> None:
        signal.raise_signal(signal.SIGINT)
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        held(block)


def test_a_wait_for_an_outcome_ends(handled: None) -> None:
    asleep, rung = threading.Event(), threading.Event()
    main = threading.main_thread().ident
    assert main is not None
    ended: list[str] = []

    def work(_items: Sequence[str]) -> None:
        asleep.set()
        rung.wait(30)

    def ring() -> None:
        asleep.wait()
        signal.pthread_kill(main, signal.SIGINT)
        while not is_interrupted():
            time.sleep(0.01)
        rung.set()

    def block(hold: Hold) -> None:
        ended.extend(
            outcome.item
            for outcome in run_stages(
                ["a", "b"],
                [Stage(name="wait", work=work)],
                budget=1,
                unclaimed=lambda outcome: ended.append(outcome.item),
                control=Control(hold=hold),
            )
        )

    threading.Thread(target=ring).start()
    with pytest.raises(KeyboardInterrupt):
        held(block)
    assert ended == ["a"]


class Interrupting(Silent):
    """Interrupts while the record with a given number is being passed on."""

    def __init__(self, number: int) -> None:
        self._number = number
        self.records: list[ItemRecord] = []
        self.report: Report | None = None

    def item(self, record: ItemRecord) -> None:
        if len(self.records) == self._number:
            signal.raise_signal(signal.SIGINT)
        self.records.append(record)

    def finished(self, report: Report) -> None:
        self.report = report


@pytest.mark.parametrize("number", [0, 3, 19])
def test_an_interrupt_amid_a_record_loses_none(handled: None, tmp_path: Path, number: int) -> None:
    for index in range(20):
        save(tmp_path / "masks" / f"m{index}.png", photo(64, 48, seed=index)[..., 0])
    observer = Interrupting(number)
    out = tmp_path / "out"
    make_trimaps(
        TrimapCommandOptions(
            source=InputOptions(inputs=(str(tmp_path / "masks"),)),
            target=OutputOptions(output=f"{out}/"),
        ),
        observer,
    )
    assert observer.report is not None
    assert observer.report.interrupted
    written = {str(path) for path in outputs_in(out)}
    reported = [str(path) for record in observer.records for path in record.outputs.values()]
    assert sorted(reported) == sorted(written)
    assert observer.report.done == len(observer.records) > number
