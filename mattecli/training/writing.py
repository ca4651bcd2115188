"""Writing the files of a training: each is whole, or what was there before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from mattecli.errors import ImageWriteError, ResourceError
from mattecli.media.files import atomic_path

__all__ = ["replacing"]


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """An empty file that takes the name ``path`` when the block ends well.

    Raises:
        ResourceError: it cannot be made, renamed, or written in the block.
    """
    try:
        with atomic_path(path, through_link=False) as part:
            yield part
    except (OSError, SafetensorError, ImageWriteError) as error:
        raise ResourceError(
            f"cannot be written ({getattr(error, 'cause', error)})",
            path=path,
            remedy="free some space, then go on with --resume",
        ) from error
