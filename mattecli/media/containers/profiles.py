"""ICC profiles for colours that a file describes by other means than a profile.

What is written from such a file goes to formats that do not have those means, so that its colours
are described there by a profile of three primaries and a curve (ICC.1:2001-04, sections 6.1, 6.3.1
and 6.5). Adaptation to the profile's white D50 is Bradford's (ICC.1:2010, annex E).
"""

from __future__ import annotations

import struct
from typing import NamedTuple, TypeAlias

import numpy as np

__all__ = ["ADOBE_RGB", "ADOBE_RGB_GAMMA", "SRGB", "Primaries", "matrix_profile"]

Chromaticity: TypeAlias = tuple[float, float]
"""x and y of CIE 1931."""


class Primaries(NamedTuple):
    """The colours of full white, red, green and blue."""

    white: Chromaticity
    red: Chromaticity
    green: Chromaticity
    blue: Chromaticity


_D65 = (0.3127, 0.3290)
SRGB = Primaries(_D65, (0.64, 0.33), (0.30, 0.60), (0.15, 0.06))  # IEC 61966-2-1
ADOBE_RGB = Primaries(_D65, (0.64, 0.33), (0.21, 0.71), (0.15, 0.06))  # Adobe RGB (1998), 4.3.1
ADOBE_RGB_GAMMA = 2.19921875  # the same, 4.3.4: 2 51/256

_D50 = np.array([0.9642, 1.0, 0.8249])
_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
_VERSION = 0x02100000
_DATE = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)  # one for all, so that outputs are reproducible
_NO_RIGHTS = "no copyright"


def matrix_profile(name: str, primaries: Primaries, gamma: float) -> bytes:
    """A display profile of RGB colours: linear light is value to the power of ``gamma``.

    Args:
        name: what programs show, ASCII.
        primaries: must not lie on one line.
        gamma: 0.1 to 10, kept to 1/256.

    Raises:
        ValueError: there are no such colours.
    """
    if not 0.1 <= gamma <= 10:
        raise ValueError("no display has such a curve")
    colorants = _colorants(primaries)
    curve = _element(b"curv", struct.pack(">IH", 1, round(gamma * 256)))
    elements = {
        b"desc": _description(name),
        b"cprt": _element(b"text", _NO_RIGHTS.encode("ascii") + b"\0"),
        b"wtpt": _xyz(_D50),
        b"rXYZ": _xyz(colorants[:, 0]),
        b"gXYZ": _xyz(colorants[:, 1]),
        b"bXYZ": _xyz(colorants[:, 2]),
        b"rTRC": curve,
        b"gTRC": curve,
        b"bTRC": curve,
    }
    return _file(elements)


def _colorants(primaries: Primaries) -> np.ndarray:
    """3,3: the XYZ of red, green and blue in columns, adapted to D50; they add up to its white."""
    white, *corners = (_tristimulus(*point) for point in primaries)
    matrix = np.stack(corners, axis=1)
    try:
        matrix = matrix * np.linalg.solve(matrix, white)
    except np.linalg.LinAlgError as error:
        raise ValueError("the primaries lie on one line") from error
    gains = (_BRADFORD @ _D50) / (_BRADFORD @ white)
    adapted: np.ndarray = np.linalg.solve(_BRADFORD, gains[:, None] * (_BRADFORD @ matrix))
    if not (np.isfinite(adapted).all() and np.abs(adapted).max() < 2):
        raise ValueError("no display has such primaries")
    return adapted


def _tristimulus(x: float, y: float) -> np.ndarray:
    """XYZ of luminance 1."""
    if y <= 0:
        raise ValueError("a colour has no luminance")
    return np.array([x / y, 1.0, (1 - x - y) / y])


def _element(kind: bytes, body: bytes) -> bytes:
    data = kind + bytes(4) + body
    return data + bytes(-len(data) % 4)


def _xyz(values: np.ndarray) -> bytes:
    fixed = (round(float(value) * 65536) for value in values)
    return _element(b"XYZ ", struct.pack(">3i", *fixed))


def _description(name: str) -> bytes:
    text = name.encode("ascii") + b"\0"
    no_unicode, no_script = bytes(8), bytes(70)
    return _element(b"desc", struct.pack(">I", len(text)) + text + no_unicode + no_script)


def _file(elements: dict[bytes, bytes]) -> bytes:
    """The header, the table of elements, and those, equal ones once."""
    start = 128 + 4 + 12 * len(elements)
    table, body = [struct.pack(">I", len(elements))], b""
    places: dict[bytes, int] = {}
    for signature, data in elements.items():
        if data not in places:
            places[data] = start + len(body)
            body += data
        table.append(struct.pack(">4sII", signature, places[data], len(data)))
    white = struct.pack(">3i", *(round(float(value) * 65536) for value in _D50))
    head = b"".join(
        [
            struct.pack(">I4xI", start + len(body), _VERSION),
            b"mntrRGB XYZ ",
            _DATE,
            b"acsp",
            bytes(28),  # platform, flags, maker, model, attributes; intent 0, perceptual
            white,
            bytes(48),
        ]
    )
    return b"".join([head, *table, body])
