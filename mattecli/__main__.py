"""Entry point of the ``mattecli`` command."""

from __future__ import annotations

import os
import sys

from mattecli.cli.app import run

__all__ = ["main"]


def main() -> None:
    """Run the command line and exit with its status."""
    status = run(sys.argv[1:])
    watch = sys.modules.get("mattecli.engine.watch")  # not loaded by every command
    if watch is not None and watch.has_lost_threads():
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
        os._exit(status)  # an orderly end would wait for them
    sys.exit(status)


if __name__ == "__main__":
    main()
