"""Which adapter computes the cases of which system."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from parity.adapters import bgm, bgmv2, dim_segnet, dim_vgg, modnet, shm
from parity.core import Adapter, Case, Outputs


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
    "bgm": Row(bgm.compute, slow_kinds=frozenset({"image"})),
    "bgmv2_mobilenetv2": Row(bgmv2.compute),
    "bgmv2_resnet50": Row(bgmv2.compute),
    "bgmv2_resnet101": Row(bgmv2.compute),
}
"""By the system that a fixture file names."""


def compute(case: Case) -> Outputs:
    """The outputs of a case of any system.

    Raises:
        LookupError: no adapter knows the system or the kind.
    """
    row = ADAPTERS.get(case.fixture.name)
    if row is None:
        raise LookupError(f"no adapter for {case.fixture.name}")
    return row.compute(case)
