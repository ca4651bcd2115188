"""Entry point of the ``mattecli`` command."""

from __future__ import annotations

import atexit
import os
import signal
import sys
from contextlib import suppress

__all__ = ["main"]

_INTERRUPTED = 130


def main() -> None:
    """Run the command line and exit with its status."""
    for number in (signal.SIGINT, signal.SIGTERM):  # until there is something to end in order
        signal.signal(number, lambda *_: os._exit(_INTERRUPTED))
    from mattecli.cli.app import run

    status = run(sys.argv[1:])
    for number in (signal.SIGINT, signal.SIGTERM):  # all is done and said
        signal.signal(number, signal.SIG_IGN)
    # An orderly end would wait for threads that were left behind; and Python ends as if by SIGINT
    # when that came amid the making of a class, handled or not.
    if status != _INTERRUPTED and not _has_lost_threads():
        atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            with suppress(OSError, ValueError):
                stream.flush()
    # Nothing is left to lose, and taking PyTorch apart would keep a core busy for a third of a
    # second, which a script pays for each photo.
    os._exit(status)


def _has_lost_threads() -> bool:
    watch = sys.modules.get("mattecli.engine.watch")  # not loaded by every command
    return watch is not None and watch.has_lost_threads()


if __name__ == "__main__":
    main()
