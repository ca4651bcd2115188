"""Which crew the options ask for."""

from __future__ import annotations

import os

from mattecli.errors import UsageError
from mattecli.jobs.crew import Crew
from mattecli.settings import EngineOptions, RunOptions

__all__ = ["crew_for"]


def crew_for(engine: EngineOptions, run: RunOptions) -> Crew | None:
    """Who does the work; None: this process.

    Raises:
        UsageError: Ray is asked for and not installed, or not asked for and an address is given.
    """
    if engine.engine == "local":
        if engine.ray_address is not None:
            raise UsageError("--ray-address is for --engine ray", remedy="add it")
        return None
    # Read when Ray is imported; keeps a thread that outlives the run from starting Ray again.
    os.environ.setdefault("RAY_ENABLE_AUTO_CONNECT", "0")
    try:
        from mattecli.cluster.ray_crew import RayCrew
    except ImportError as error:
        raise UsageError(
            f"--engine ray needs Ray, which is not installed here ({error})",
            remedy="run: pip install 'mattecli[ray]'",
        ) from error
    return RayCrew(engine.ray_address, workers=run.workers)
