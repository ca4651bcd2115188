"""OpenCV as a decoder and encoder of whole files in memory; colours are BGR on this side."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from mattecli.errors import ImageWriteError, ResourceError
from mattecli.media.containers.header import damaged
from mattecli.records import Array

__all__ = ["decode", "encode"]

# OpenCV reports failing files on standard error by itself; here each becomes an exception.
# The function has moved within OpenCV 4; 0 is "silent" in both places.
_set_log_level = getattr(cv2, "setLogLevel", None) or cv2.utils.logging.setLogLevel
_set_log_level(0)


def decode(data: bytes, flags: int = cv2.IMREAD_UNCHANGED) -> Array:
    """H,W (grey), H,W,3 (BGR) or H,W,4 (BGRA), of the file's type.

    Args:
        data: a file.
        flags: ``cv2.IMREAD_*``.

    Raises:
        ImageReadError: it cannot be decoded.
        ResourceError: memory does not suffice.
    """
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        _raise_if_out_of_memory(error)
        raise damaged(f"its pixels cannot be decoded ({error.err or error})") from error
    if image is None:
        raise damaged("its pixels cannot be decoded")
    return image


def encode(suffix: str, image: Array, parameters: Sequence[int] = ()) -> bytes:
    """The file that ``cv2.imencode`` makes of an image.

    Args:
        suffix: names the format, with its dot.
        image: H,W (grey), H,W,3 (BGR) or H,W,4 (BGRA).
        parameters: ``cv2.IMWRITE_*`` keys and values in turn.

    Raises:
        ImageWriteError: it cannot be encoded.
        ResourceError: memory does not suffice.
    """
    try:
        done, encoded = cv2.imencode(suffix, image, parameters)
    except cv2.error as error:
        _raise_if_out_of_memory(error)
        raise ImageWriteError(f"it cannot be encoded as {suffix} ({error.err or error})") from error
    if not done:
        raise ImageWriteError(f"it cannot be encoded as {suffix}", remedy="choose another format")
    return encoded.tobytes()


def _raise_if_out_of_memory(error: cv2.error) -> None:
    if error.code == cv2.Error.StsNoMem:
        raise ResourceError(
            "memory does not suffice for this image", remedy="use fewer --workers"
        ) from error
