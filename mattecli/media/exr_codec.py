"""OpenEXR pictures by PyAV: the wheels of OpenCV are built without the format.

Values are as stored, linear or not: no transfer curve is applied.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from mattecli.errors import ImageWriteError
from mattecli.media.containers.header import damaged, unsupported
from mattecli.records import Array

__all__ = ["decode_exr", "encode_exr"]

# Channels of an array by plane: FFmpeg orders planes green, blue, red, alpha.
_PLANES = {1: (0,), 3: (1, 2, 0), 4: (1, 2, 0, 3)}
_FORMATS = {1: "grayf32le", 3: "gbrpf32le", 4: "gbrapf32le"}
_READ = {name: (count, "<f4") for count, name in _FORMATS.items()}
_READ |= {name.replace("32", "16"): (count, "<f2") for name, (count, _) in _READ.items()}
_FLOAT_BYTES = 4
_MOST_BYTES = 2**31 - 2**20  # of a frame in FFmpeg


def decode_exr(data: bytes) -> Array:
    """H,W (grey), H,W,3 (RGB) or H,W,4 (RGBA, associated as the format has it), float32.

    Raises:
        ImageReadError: it is damaged, or of channels that are not read.
    """
    import av

    context = av.CodecContext.create("exr", "r")
    try:
        frames = [*context.decode(av.Packet(data)), *context.decode(None)]
    except (av.FFmpegError, ValueError) as error:
        raise damaged("its pixels cannot be decoded") from error
    if not frames:
        raise damaged("it holds no picture")
    (frame, *_) = frames
    if frame.format.name not in _READ:
        raise unsupported(f"an OpenEXR image of {frame.format.name} values")
    channels, kind = _READ[frame.format.name]
    image = np.empty((frame.height, frame.width, channels), np.float32)
    for plane, channel in zip(frame.planes, _PLANES[channels], strict=True):
        stored = np.frombuffer(bytes(plane), kind).reshape(frame.height, -1)
        image[..., channel] = stored[:, : frame.width]
    return image[..., 0] if channels == 1 else image


def encode_exr(image: Array) -> bytes:
    """A file of 32-bit floats, losslessly compressed.

    Args:
        image: float32 H,W (grey), H,W,3 (RGB) or H,W,4 (RGBA, associated).

    Raises:
        ImageWriteError: it cannot be encoded.
    """
    import av

    height, width = image.shape[:2]
    channels = 1 if image.ndim == 2 else image.shape[2]
    if height * width * channels * _FLOAT_BYTES > _MOST_BYTES:
        raise ImageWriteError(
            f"exr holds no image of {width}x{height} pixels here", remedy="choose png or tiff"
        )
    context = av.CodecContext.create("exr", "w")
    context.width, context.height, context.pix_fmt = width, height, _FORMATS[channels]
    context.time_base = Fraction(1)
    context.options = {"format": "float", "compression": "zip16"}
    frame = av.VideoFrame(width, height, _FORMATS[channels])
    frame.pts = 0
    layers = image.reshape(height, width, channels)
    for plane, channel in zip(frame.planes, _PLANES[channels], strict=True):
        stored = np.zeros((height, plane.line_size // _FLOAT_BYTES), np.float32)
        stored[:, :width] = layers[..., channel]
        plane.update(stored.tobytes())
    try:
        packets = [*context.encode(frame), *context.encode(None)]
    except av.FFmpegError as error:
        raise ImageWriteError(f"it cannot be encoded as exr ({error.strerror})") from error
    return b"".join(bytes(packet) for packet in packets)
