"""What ``mattecli bench`` measured."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from mattecli.engine.ceilings import Ceilings
from mattecli.records import Size

__all__ = ["Bench", "StageTime", "WholeTime"]


@dataclass(frozen=True, slots=True)
class StageTime:
    """One stage for one photo, on one core (on a GPU: until it is done).

    Attributes:
        name: of the stage.
        seconds: median.
        floor: seconds that it takes at best; None where there is nothing to tell it by.
        reason: what the floor is.
    """

    name: str
    seconds: float
    floor: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class WholeTime:
    """A folder of photos, from files to files, without start-up.

    Attributes:
        writes: kinds of output.
        refine: how alpha got the photo's detail, as ``--refine`` names it.
        photos: number.
        seconds: wall time.
        core_seconds: of all threads on the CPU's cores.
        busy: share of the cores' time that was used, 0..1.
    """

    writes: tuple[str, ...]
    refine: str
    photos: int
    seconds: float
    core_seconds: float
    busy: float


@dataclass(frozen=True, slots=True)
class Bench:
    """What was measured.

    Attributes:
        model: name.
        device, precision: where and how the network ran.
        size: of the photos.
        seen: what the network saw.
        cores: how many this process may use.
        gflop: arithmetic of one estimate, by the authors' layers.
        ceilings: of one core in this precision, or of the GPU.
        stages: each apart.
        wholes: all together.
    """

    model: str
    device: str
    precision: str
    size: Size
    seen: Size
    cores: int
    gflop: float
    ceilings: Ceilings
    stages: tuple[StageTime, ...]
    wholes: tuple[WholeTime, ...]

    def as_json(self) -> dict[str, object]:
        """For ``--json``."""
        return asdict(self)
