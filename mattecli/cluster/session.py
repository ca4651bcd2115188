"""A connection to Ray that says nothing, keeps our signal handlers, and ends with the run."""

from __future__ import annotations

import logging
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import ray

from mattecli.errors import UsageError

__all__ = ["Places", "connected", "places"]

_STORE_BYTES = 256 << 20  # only names and records lie in it
_PATIENCE = 10.0  # seconds that a cluster has to answer
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is sent to anybody
    "RAY_worker_niceness": "0",  # workers run at the program's own priority
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # CPU workers see the GPUs that they do not use
}


@dataclass(frozen=True, slots=True)
class Places:
    """How many workers of a kind a cluster has room for, and what each takes."""

    count: int
    cpus: int
    gpus: int


@contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Ray for as long as the block runs: a cluster that is there, or this machine's cores.

    Where the process is connected already, that connection is used and stays.

    Args:
        address: ``auto``, ``HOST:PORT``, or None for this machine alone.

    Raises:
        UsageError: there is no such cluster.
    """
    if ray.is_initialized():
        yield
        return
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    _keep_off_standard_output()
    if address and address != "auto":
        _require_answer(address)
    own: dict[str, Any] = (
        {} if address else {"include_dashboard": False, "object_store_memory": _STORE_BYTES}
    )
    try:
        ray.init(
            address=address or "local",
            logging_level=logging.ERROR,
            log_to_driver=False,
            **own,
        )
    except (ConnectionError, RuntimeError, ValueError, AssertionError) as error:
        raise _no_cluster(address, " ".join(str(error).split())[:200]) from error
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    try:
        yield
    finally:
        ray.shutdown()


def _require_answer(address: str) -> None:
    """Ray itself would wait for minutes.

    Raises:
        UsageError: nobody listens there.
    """
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=_PATIENCE).close()
    except (OSError, ValueError, OverflowError) as error:
        raise _no_cluster(address, str(error)) from error


def _no_cluster(address: str | None, said: str) -> UsageError:
    cause = f"there is no Ray cluster at {address}" if address else "Ray did not start"
    return UsageError(
        f"{cause} ({said})",
        remedy="on a machine of the cluster give --ray-address auto; 'ray start --head' makes one;"
        " without --ray-address this machine's cores are used",
    )


def _keep_off_standard_output() -> None:
    """Ray prints what its machines report to standard output, which is for data alone.

    There is no setting for it.
    """
    from ray._private import worker

    if hasattr(worker, "print_to_stdstream"):
        worker.print_to_stdstream = lambda *_, **__: None


def places(workers: int, *, wants_gpu: bool) -> Places:
    """What the cluster has room for: a worker for each GPU, or for each core.

    Args:
        workers: threads of a worker, each of which takes a core; 0 is the usual number.
        wants_gpu: workers use GPUs where the cluster has them.

    Raises:
        UsageError: no machine of it has so many cores.
    """
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    cores = [int(node.get("CPU", 0)) for node in nodes]
    gpus = [int(node.get("GPU", 0)) for node in nodes]
    if wants_gpu and any(gpus):
        most = min(core // gpu for core, gpu in zip(cores, gpus, strict=True) if gpu)
        cpus = min(workers or most, most) or 1
        return Places(sum(gpus), cpus, 1)
    cpus = workers or 1
    count = sum(core // cpus for core in cores)
    if count == 0:
        raise UsageError(
            f"no machine of the cluster has {cpus} cores (the largest: {max(cores, default=0)})",
            remedy="give fewer --workers",
        )
    return Places(count, cpus, 0)
