"""Entry point of the ``mattecli`` command."""

from __future__ import annotations

import os
import signal
import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line and exit with its status."""
    for number in (signal.SIGINT, signal.SIGTERM):  # until there is something to end in order
        signal.signal(number, lambda *_: os._exit(130))
    from mattecli.cli.app import run

    status = run(sys.argv[1:])
    for number in (signal.SIGINT, signal.SIGTERM):  # all is done and said
        signal.signal(number, signal.SIG_IGN)
    watch = sys.modules.get("mattecli.engine.watch")  # not loaded by every command
    if watch is not None and watch.has_lost_threads():
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
        os._exit(status)  # an orderly end would wait for them
    sys.exit(status)


if __name__ == "__main__":
    main()
