"""PNG files of our own writer, as other programs read them."""

from __future__ import annotations

import io
import struct
import subprocess
import zlib

import cv2
import imageio_ffmpeg
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from mattecli.media.containers import png_writer
from mattecli.media.containers.png_writer import png_file
from tests.conftest import photo
from tests.media_samples import Pixels

COLOUR = photo(131, 67, seed=3)
ALPHA = photo(131, 67, seed=4)[..., 0]
CUTOUT = np.dstack([np.where(ALPHA[..., None] > 90, COLOUR, 0), np.where(ALPHA > 90, ALPHA, 0)])
DEEP = CUTOUT.astype(np.uint16) * 257 - np.minimum(CUTOUT, 3)
IMAGES = {
    "grey": ALPHA,
    "rgb": COLOUR,
    "rgba": CUTOUT,
    "grey 16": DEEP[..., 0].copy(),
    "rgb 16": DEEP[..., :3].copy(),
    "rgba 16": DEEP,
    "one pixel": np.array([[7]], np.uint8),
    "one row": COLOUR[:1],
    "one column": CUTOUT[:, :1],
}
_FFMPEG_FORMATS = {
    (1, 1): ("gray", np.uint8),
    (3, 1): ("rgb24", np.uint8),
    (4, 1): ("rgba", np.uint8),
    (1, 2): ("gray16le", np.dtype("<u2")),
    (3, 2): ("rgb48le", np.dtype("<u2")),
    (4, 2): ("rgba64le", np.dtype("<u2")),
}


def by_opencv(data: bytes) -> Pixels:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert image is not None
    return image if image.ndim == 2 else image[..., [2, 1, 0, *range(3, image.shape[2])]]


def by_ffmpeg(data: bytes, image: Pixels) -> Pixels:
    channels = 1 if image.ndim == 2 else image.shape[2]
    layout, kind = _FFMPEG_FORMATS[channels, image.dtype.itemsize]
    command = [
        imageio_ffmpeg.get_ffmpeg_exe(),
        *("-v", "error", "-xerror", "-f", "png_pipe", "-i", "-"),
        *("-f", "rawvideo", "-pix_fmt", layout, "-"),
    ]
    done = subprocess.run(command, input=data, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    return np.frombuffer(done.stdout, kind).reshape(image.shape)


@pytest.mark.parametrize("name", IMAGES)
def test_opencv_pillow_and_ffmpeg_read_the_same(name: str) -> None:
    image = IMAGES[name]
    data = png_file(image)
    np.testing.assert_array_equal(by_opencv(data), image, strict=True)
    np.testing.assert_array_equal(by_ffmpeg(data, image), image)
    read = np.asarray(Image.open(io.BytesIO(data)))
    if image.dtype == np.uint8 or image.ndim == 2:  # Pillow reads deep colours as 8 bits
        np.testing.assert_array_equal(read, image)


@settings(deadline=None)
@given(
    hnp.arrays(
        st.sampled_from((np.uint8, np.uint16)),
        st.one_of(
            st.tuples(st.integers(1, 40), st.integers(1, 40)),
            st.tuples(st.integers(1, 40), st.integers(1, 40), st.sampled_from((3, 4))),
        ),
    ),
    st.integers(1, 600),
)
def test_bands_of_any_height_give_the_pixels_back(image: Pixels, band_bytes: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(png_writer, "_BAND_BYTES", band_bytes)
        data = png_file(image)
    np.testing.assert_array_equal(by_opencv(data), image, strict=True)


def test_the_file_is_made_as_the_specification_says() -> None:
    """Chunks, checksums, filter bytes and length, read with nothing but the standard library."""
    data = png_file(CUTOUT)
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    at, names, stream = 8, [], b""
    while at < len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        body = data[at + 8 : at + 8 + length]
        (checksum,) = struct.unpack_from(">I", data, at + 8 + length)
        assert checksum == zlib.crc32(name + body)
        names.append(name)
        stream += body if name == b"IDAT" else b""
        at += 12 + length
    assert names[0] == b"IHDR"
    assert names[-1] == b"IEND"
    assert set(names[1:-1]) == {b"IDAT"}
    rows = np.frombuffer(zlib.decompress(stream), np.uint8).reshape(67, 1 + 4 * 131)
    assert (rows[:, 0] == 2).all()
    restored = np.cumsum(rows[:, 1:], axis=0, dtype=np.uint8)
    np.testing.assert_array_equal(restored.reshape(CUTOUT.shape), CUTOUT)


def test_the_file_is_as_small_as_opencv_makes_it_at_its_first_level() -> None:
    """On a photo-like picture and on its cut-out."""
    large = photo(900, 700, seed=9)
    inside = cv2.GaussianBlur(photo(900, 700, seed=2), (0, 0), 20)[..., 0] > 120
    cut = np.dstack([large * inside[..., None], inside.astype(np.uint8) * 255])
    for image in (large, cut):
        order = cv2.COLOR_RGB2BGR if image.shape[2] == 3 else cv2.COLOR_RGBA2BGRA
        _, theirs = cv2.imencode(
            ".png", cv2.cvtColor(image, order), [cv2.IMWRITE_PNG_COMPRESSION, 1]
        )
        assert len(png_file(image)) < 1.15 * len(theirs)
