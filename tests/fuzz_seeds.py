"""Sound files to begin with, and how data are broken so that more than checksums is reached."""

from __future__ import annotations

import io
import json
import random
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from tests.media_samples import (
    FLOAT,
    HAS_AVIF,
    HAS_HEIC,
    RGB,
    RGBA,
    SIXTEEN,
    SRGB,
    exif,
    heic,
    pil,
    tiff,
)

__all__ = ["mutated", "seeds"]

_NUMBERS = (0, 1, 2, 7, 8, 127, 128, 255, 256, 2**15 - 1, 2**15, 2**16 - 1, 2**16, 2**31, 2**32 - 1)
_MOST_BYTES = 1 << 20


def _images() -> list[bytes]:
    from PIL import Image

    small, mask = RGB[:20, :24], RGBA[:20, :24, 3]
    cmyk = Image.fromarray(small).convert("CMYK")
    files = [
        pil(small, "JPEG", exif=exif(6), icc_profile=SRGB),
        pil(small, "JPEG", progressive=True),
        pil(mask, "JPEG"),
        pil(cmyk, "JPEG", icc_profile=SRGB),
        pil(RGBA[:20, :24], "PNG", exif=exif(3), icc_profile=SRGB),
        pil(Image.fromarray(small).quantize(16), "PNG", transparency=0),
        pil(Image.fromarray(mask).convert("1"), "PNG"),
        cv2.imencode(".png", SIXTEEN[:20, :24])[1].tobytes(),
        pil(RGBA[:20, :24], "WEBP", exif=exif(6), icc_profile=SRGB),
        pil(small, "WEBP", lossless=True),
        pil(small, "WEBP", save_all=True, append_images=[Image.fromarray(small[::-1].copy())]),
        pil(small, "TIFF"),
        pil(RGBA[:20, :24], "TIFF", compression="tiff_adobe_deflate"),
        pil(small, "TIFF", compression="tiff_lzw"),
        pil(small, "TIFF", compression="jpeg"),
        pil(Image.fromarray(mask).convert("1"), "TIFF", compression="group4"),
        pil(cmyk, "TIFF"),
        tiff(SIXTEEN[:20, :24], photometric="rgb", compression="zlib", rowsperstrip=7),
        tiff(SIXTEEN[:20, :24], photometric="rgb", byteorder=">", bigtiff=True),
        tiff(FLOAT[:20, :24], photometric="rgb", tile=(16, 16)),
        pil(small, "BMP"),
        pil(Image.fromarray(small).quantize(16), "BMP"),
        pil(small, "GIF"),
        pil(small, "PPM"),
        pil(mask, "PPM"),
        pil(small, "GIF", save_all=True, append_images=[Image.fromarray(small[::-1].copy())]),
    ]
    files += [pil(small, "AVIF")] if HAS_AVIF else []
    return [*files, heic(small)] if HAS_HEIC else files


def _checkpoints() -> list[bytes]:
    import torch
    from safetensors.torch import save

    torch.manual_seed(0)
    state = {
        "conv.weight": torch.randn(4, 3, 3, 3),
        "conv.bias": torch.zeros(4),
        "n": torch.tensor(3),
    }
    module = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2))
    found = [save(state, {"mattecli": json.dumps({"model": "shm", "options": {"a": "b"}})})]
    for content, zipped in (
        (state, True),
        (state, False),
        ({"state_dict": state, "e": 3}, True),
        (module, True),
    ):
        stream = io.BytesIO()
        torch.save(content, stream, _use_new_zipfile_serialization=zipped)
        found.append(stream.getvalue())
    return found


def _clips() -> list[bytes]:
    from tests.video_clips import make_clip

    codecs = {
        "a.mp4": ("-c:v", "libx264", "-preset", "ultrafast"),
        "b.mkv": ("-c:v", "ffv1"),
        "c.webm": ("-c:v", "libvpx-vp9", "-deadline", "realtime"),
        "d.mov": ("-c:v", "prores_ks"),
        "e.avi": ("-c:v", "mjpeg"),
        "f.nut": ("-c:v", "mpeg4"),
        "g.ts": ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none"),
        "h.gif": (),
    }
    with tempfile.TemporaryDirectory() as folder:
        return [
            make_clip(Path(folder) / name, *codec, frames=4, size=(32, 32)).read_bytes()
            for name, codec in codecs.items()
        ]


_CONFIG = b"""model = "modnet"
workers = 2
report = ["a.jsonl"]
existing = "skip"
[trimap]
dilate = 5
low = 0.1
kernel = "disk"
[tool.mattecli]
quiet = true
[tool.mattecli.matte]
write = ["alpha", "mask"]
"""
_ENTRY = {"input": "/a", "output": "/b", "stamp": "1:2", "made_with": "x", "status": "done"}
_TEXTS = {
    "config": [_CONFIG, b"dilate = 3\n", b"[tool.mattecli]\ndilate = 4\n"],
    "list": [b"m.png\n-x.png\n", b"m.png\0*.png\0.\0", "ä\nfile:m.png\n~/x\n//a\n".encode()],
    "journal": [json.dumps(_ENTRY).encode() + b"\n", b'{"input": 3}\n[]\n' + b"[" * 2000],
}


def seeds(target: str) -> list[bytes]:
    """Sound data for a target."""
    makers: dict[str, Callable[[], list[bytes]]] = {
        "image": _images,
        "decoder": _images,
        "levels": _images,
        "checkpoint": _checkpoints,
        "container": _clips,
    }
    return _TEXTS[target] if target in _TEXTS else makers[target]()


def mutated(data: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """Broken data: a few changes, and at times the checksums set right again."""
    if data[:4] == b"PK\x03\x04" and rng.random() < 0.7:
        broken = _rezipped(data, others, rng)
    else:
        broken = _changed(data, others, rng)
    if broken[:8] == b"\x89PNG\r\n\x1a\n" and rng.random() < 0.8:
        broken = _with_sums(broken)
    return broken[:_MOST_BYTES]


def _changed(data: bytes, others: list[bytes], rng: random.Random) -> bytes:
    mutant = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 3, 6, 12))):
        reach = len(mutant) if rng.random() < 0.6 else min(len(mutant), 300)
        at = rng.randrange(reach + 1)
        match rng.randrange(8):
            case 0:
                del mutant[at : at + rng.choice((1, 2, 4, rng.randrange(1, 400)))]
            case 1:
                mutant[at:at] = rng.randbytes(rng.choice((1, 2, 4, 40)))
            case 2 if at < len(mutant):
                mutant[at] ^= 1 << rng.randrange(8)
            case 3 if at < len(mutant):
                mutant[at] = rng.randrange(256)
            case 4:
                kind = rng.choice(("<I", ">I", "<H", ">H"))
                number = rng.choice(_NUMBERS)
                packed = struct.pack(kind, number & (0xFFFF if kind[1] == "H" else 0xFFFFFFFF))
                mutant[at : at + len(packed)] = packed
            case 5:
                length = rng.randrange(1, 200)
                mutant[at:at] = bytes(mutant[at : at + length]) * rng.choice((1, 2, 50))
            case 6:
                other = rng.choice(others)
                start = rng.randrange(len(other) + 1)
                mutant[at : at + rng.randrange(100)] = other[start : start + rng.randrange(200)]
            case _:
                del mutant[at:]
    return bytes(mutant)


def _with_sums(data: bytes) -> bytes:
    """A PNG whose chunks have right checksums."""
    parts = [data[:8]]
    at = 8
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        body = data[at + 4 : at + 8 + length]
        parts.append(data[at : at + 4] + body + struct.pack(">I", zlib.crc32(body)))
        at += 12 + length
    return b"".join([*parts, data[at:]])


def _rezipped(data: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """A zip file with one changed entry."""
    stream = io.BytesIO()
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive, zipfile.ZipFile(stream, "w") as made:
            names = archive.namelist()
            pickles = [name for name in names if name.endswith(".pkl")]
            chosen = rng.choice(pickles if pickles and rng.random() < 0.8 else names)
            for name in names:
                content = archive.read(name)
                made.writestr(name, _changed(content, others, rng) if name == chosen else content)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, zlib.error, EOFError):
        return _changed(data, others, rng)
    return stream.getvalue()


def png_mask() -> bytes:
    """A small mask, for commands that want one."""
    return cv2.imencode(".png", np.eye(12, dtype=np.uint8) * 255)[1].tobytes()
