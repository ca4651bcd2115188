"""Where finished pictures go: files that appear whole, or standard output."""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np

from mattecli.errors import ImageWriteError
from mattecli.jobs.task import Task
from mattecli.media.confinement import require_inside
from mattecli.media.disk import require_room
from mattecli.media.encode import encode_image
from mattecli.media.files import write_atomically
from mattecli.media.formats import Format, writable_format
from mattecli.ops.lazy import LazyImage
from mattecli.ops.pixels import to_float, to_levels
from mattecli.records import Array, Resolution

__all__ = ["write_outputs"]

_COLOUR_KINDS = {"foreground", "composite", "preview"}


def write_outputs(
    task: Task,
    image: Callable[[str], Array | LazyImage],
    *,
    icc: bytes | None = None,
    resolution: Resolution | None = None,
    quality: int | None = None,
    is_associated: bool = False,
) -> None:
    """Make, encode and write each output of a task.

    Pixels of more bits than the format holds are rounded. All are encoded first, so that an
    encoding failure writes nothing.

    Args:
        task: with its planned outputs.
        image: makes the picture of one kind.
        icc: colour profile for pictures that show the photo's colours.
        resolution: the input's, for all.
        quality: 1..100, of formats that have one; None: the usual.
        is_associated: the colours of RGBA pictures are multiplied with alpha.

    Raises:
        ImageWriteError: an output cannot be written.
    """
    encoded = []
    for kind, target in task.outputs.items():
        picture = image(kind)
        task.show(kind, picture)
        profile = icc if kind in _COLOUR_KINDS else None
        held = _held(picture, writable_format(task.format))
        data = encode_image(
            held,
            task.format,
            icc=profile,
            resolution=resolution,
            quality=quality,
            is_associated=is_associated,
        )
        encoded.append((target, data))
    task.begin_writing()
    for target, data in encoded:
        if target is None:
            _write_standard_output(data)
        else:
            require_inside(target, task.root)
            require_room(target, len(data), task.min_free)
            write_atomically(target, data, through_link=task.root is None)
            task.written += len(data)


def _write_standard_output(data: bytes) -> None:
    if sys.stdout is None:
        raise ImageWriteError("standard output is closed", remedy="give -o FILE")
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except OSError as error:
        raise ImageWriteError(
            f"standard output takes no more ({error.strerror})",
            remedy="look at what reads it, or give -o FILE",
        ) from error


def _held(image: Array | LazyImage, row: Format) -> Array | LazyImage:
    """An image with as many bits a channel as a format holds."""
    have = image.dtype.itemsize * 8
    held = row.held(have)
    if held == have:
        return image
    pixels = np.asarray(image)
    return to_float(pixels) if held == 32 else to_levels(pixels, np.dtype(f"uint{held}"))
