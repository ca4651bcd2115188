"""The only printing: progress, warnings, results, errors, exit statuses.

Standard output carries data alone (JSON lines here; images are written by the jobs). Everything
for people goes to standard error.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import TYPE_CHECKING, Any

from mattecli.cli.origins import origin
from mattecli.cli.progress import Meter, say
from mattecli.errors import MattecliError, UsageError, shown_path, unexpected
from mattecli.interruption import forget_interrupts, interrupt

if TYPE_CHECKING:
    from mattecli.records import ItemRecord, Report
    from mattecli.settings import RunOptions

__all__ = ["Console", "catch_signals", "finish"]

_ONE_SIGNAL = 0.5  # seconds


class Console:
    """Shows a run to the person at the terminal, or to a log."""

    def __init__(self, run: RunOptions) -> None:
        self._run = run
        self._meter: Meter | None = None
        self._total = 0
        self._count = 0
        self._begin = time.monotonic()
        self._stages: dict[str, float] = {}

    def started(self, total: int) -> None:
        """Begin to count ``total`` inputs."""
        self._total = total
        self._begin = time.monotonic()
        if total > 1 and not self._run.quiet:
            self._meter = Meter("image", total)

    def note(self, text: str, *, detail: bool = False) -> None:
        """A remark about the run; a detail is for ``--verbose``."""
        if not self._run.quiet and (self._run.verbose or not detail):
            self._line(text)

    def item(self, record: ItemRecord) -> None:
        """One input has ended."""
        from mattecli.media.report import as_json

        self._count += 1
        if record.error is not None:
            self._line(f"failed: {record.error}")
            if self._run.debug and record.trouble is not None:
                self._line("".join(traceback.format_exception(record.trouble)).rstrip())
        elif record.status == "planned" and not self._run.json:
            for kind, path in record.outputs.items():
                self._line(f"{shown_path(record.source)} -> {shown_path(path)} ({kind})")
        for note in record.notes:
            self.note(f"{shown_path(record.source)}: {note}")
        if self._run.json:
            _print_json(as_json(record))
        self._advance(record)

    def finished(self, report: Report) -> None:
        """The account at the end."""
        from mattecli.media.report import summary_as_json

        self._leave()
        for trouble in report.unwritten:
            self._line(f"failed: {trouble}")
        if self._run.json:
            _print_json(summary_as_json(report))
        if self._run.verbose and report.stages:
            shares = ", ".join(f"{name} {value:.2f} s" for name, value in report.stages.items())
            self.note(f"time by stage, all threads: {shares}")
        if report.total == 0:
            self.note("there was nothing to do")
        if report.total > 1 or report.skipped or report.interrupted:
            self.note(_summary(report) + self._way_on(report))

    def _way_on(self, report: Report) -> str:
        """Where an interrupted run has left what it did, and how another goes on."""
        if not (report.interrupted and report.done and report.folder):
            return ""
        again = self._again(report.folder)
        return f"; what is done is in {shown_path(report.folder)}, {again} goes on"

    def _again(self, _folder: str) -> str:
        """With what the same command continues a run that was interrupted."""
        return "--existing skip"

    def _advance(self, record: ItemRecord) -> None:
        for name, seconds in record.seconds.items():
            self._stages[name] = self._stages.get(name, 0.0) + seconds
        if self._meter is None:
            return
        known = [(name, value) for name, value in self._stages.items() if value > 0]
        rates = " ".join(f"{name} {self._count / value:.1f}/s" for name, value in known)
        self._meter.moved(self._count, self._progress, rates=rates)

    def _progress(self) -> str:
        rate = self._count / (time.monotonic() - self._begin)
        left = (self._total - self._count) / rate
        return f"{self._count} of {self._total}, {rate:.1f} a second, {left:.0f} s left"

    def _line(self, text: str) -> None:
        if self._meter is not None:
            self._meter.write(text)
        else:
            say(text)

    def _leave(self) -> None:
        if self._meter is not None:
            self._meter.close()
            self._meter = None


def _summary(report: Report) -> str:
    counts = [(report.done, "done"), (report.skipped, "skipped (outputs were there)")]
    counts += [(report.planned, "planned"), (report.failed, "failed")]
    text = ", ".join(f"{count} {name}" for count, name in counts if count) or "nothing done"
    left = report.total - sum(count for count, _ in counts)
    if left:
        text += f", {left} not reached"
    begin = "interrupted: " if report.interrupted else ""
    return f"{begin}{text}, of {report.total}, in {report.seconds:.1f} s"


def _print_json(record: dict[str, object]) -> None:
    if sys.stdout is None:
        raise UsageError("standard output is closed", remedy="leave --json out")
    sys.stdout.write(json.dumps(record) + "\n")
    sys.stdout.flush()


def catch_signals() -> None:
    """SIGTERM ends a run as SIGINT does; a second signal, a moment later, ends it at once.

    Some programs send two for one (GNU timeout: to the process, and to its group).
    """

    def stop(_number: int, _frame: FrameType | None) -> None:
        begun = time.monotonic()

        def again(_number: int, _frame: FrameType | None) -> None:
            if time.monotonic() - begun > _ONE_SIGNAL:
                os._exit(130)

        signal.signal(signal.SIGINT, again)
        signal.signal(signal.SIGTERM, again)
        interrupt()

    forget_interrupts()
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)


def finish(command: Callable[[], object], usage_error: type[Exception], *, debug: bool) -> int:
    """Run a command and turn what it raises into one line and an exit status."""
    try:
        result = command()
        if sys.stdout is not None:  # None: it was closed before we began
            sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except MattecliError as error:
        _explain(str(error), debug=debug)
        return error.exit_code
    except usage_error as error:
        explained = _usage(error)
        if explained:
            _explain(explained, debug=debug)
        return 2
    except KeyboardInterrupt:
        say("mattecli: interrupted")
        return 130
    except SystemExit as end:
        if not isinstance(end.__context__, BrokenPipeError):  # the parser made it this
            raise
        _silence_stdout()
        _explain("standard output was closed by its reader", debug=debug)
        return 1
    except Exception as error:  # noqa: BLE001 - the last boundary: one line unless for --debug
        _silence_stdout()
        _explain(_unforeseen(error), debug=debug)
        return 1


def _unforeseen(error: Exception) -> str:
    """One line on what the system refused, or on a bug."""
    if isinstance(error, OSError):
        where = f"{shown_path(os.fsdecode(error.filename))}: " if error.filename else ""
        return f"{where}{error.strerror or error}; nothing more was done"
    return unexpected(error if str(error) else error.__cause__ or error)  # the parser wraps some


def _silence_stdout() -> None:
    """Nothing more can be said on standard output, not even by the interpreter's own flush."""
    if sys.stdout is not None:
        with suppress(OSError):  # no descriptor is left: then nothing can be written there either
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _usage(error: Exception) -> str:
    """One line out of the parser's error, with the way to the help; "" where that was shown."""
    message = " ".join(str(getattr(error, "format_message", lambda: error)()).split())
    if not message:
        return ""
    context = getattr(error, "ctx", None)
    where = "" if context is None else _origin(error, context)
    if where:
        message = f"{where}: {message[0].lower()}{message[1:]}"
    path = getattr(context, "command_path", "mattecli")
    return f"{message.rstrip('.')}; see '{path} --help'"


def _origin(error: Exception, context: Any) -> str:
    """The file or variable that a bad value is from; "" for the command line."""
    parameter, hint = getattr(error, "param", None), getattr(error, "param_hint", None)
    found = (each for each in context.command.params if hint in each.opts)
    parameter = parameter or next(found, None)
    return "" if parameter is None else origin(context, parameter)


def _explain(text: str, *, debug: bool) -> None:
    if debug:
        say(traceback.format_exc().rstrip())
    say(f"mattecli: {text}")
