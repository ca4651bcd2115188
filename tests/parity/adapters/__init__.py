"""Which adapter computes the cases of which fixture file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from parity.adapters import dim_segnet, dim_vgg, modnet, shm
from parity.core import Adapter


@dataclass(frozen=True)
class Row:
    """How the cases of one system are run.

    Attributes:
        compute: the adapter.
        slow_kinds: kinds of cases that take longer than ten seconds.
    """

    compute: Adapter
    slow_kinds: frozenset[str] = frozenset()


ADAPTERS: Mapping[str, Row] = {
    "modnet": Row(modnet.compute),
    "shm": Row(shm.compute),
    "dim_segnet": Row(dim_segnet.compute),
    "dim_vgg": Row(dim_vgg.compute),
}
"""By the stem of the fixture file."""
