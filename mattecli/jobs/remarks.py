"""What is told of a photo, or refused, for what is in it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mattecli.errors import InputError
from mattecli.ops.pixels import Float32
from mattecli.records import Picture

__all__ = ["nothing_found", "nothing_left", "remarks_on"]

_FOUND = 0.5  # an alpha that nowhere is as large shows no subject
_ROUNDING = 1e-3


def remarks_on(picture: Picture) -> Iterator[str]:
    """What the user of a photo would not expect to be done with it."""
    if picture.frames > 1:
        yield f"the first of the {picture.frames} pictures in it"
    if picture.color.dtype != np.float32:
        return
    least, most = float(picture.color.min()), float(picture.color.max())
    if not np.isfinite((least, most)).all():
        yield "it holds values that are no numbers, or infinite"
    elif most > 1 + _ROUNDING or least < -_ROUNDING:
        yield f"its values reach from {least:.3g} to {most:.3g}; what is beyond 0 to 1 is cut off"


def nothing_found(alpha: Float32) -> InputError | None:
    """What there is to say where a model found nothing in a photo; None where it did.

    Args:
        alpha: as found, H,W, 0..1.
    """
    most = float(alpha.max())
    if most >= _FOUND:
        return None
    return InputError(
        f"nothing was found in it: alpha is {most:.0%} at most",
        remedy="look at the photo; --trimap or --mask says where a subject is",
    )


def nothing_left(alpha: Float32) -> InputError | None:
    """What there is to say where finishing left nothing of a subject; None where it did.

    Args:
        alpha: as it is written, H,W, 0..1.
    """
    if alpha.any():
        return None
    return InputError("nothing is left of it", remedy="look at --min-area, --choke and --threshold")
