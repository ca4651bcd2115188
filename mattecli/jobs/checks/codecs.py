"""What pictures and video can be read and written here."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from importlib.util import find_spec

import cv2
from PIL import features

from mattecli.jobs.checks.finding import Finding

__all__ = ["codec_findings"]

_PICTURES = {".jpg": "JPEG", ".png": "PNG", ".webp": "WebP", ".tiff": "TIFF"}
_ENCODERS = {
    "prores_ks": "ProRes 4444",
    "libvpx-vp9": "VP9",
    "libx264": "H.264",
    "libx265": "HEVC",
    "ffv1": "FFV1",
}
_TIMEOUT = 20.0  # seconds; ffmpeg lists its encoders in a fraction of one


def codec_findings() -> Iterator[Finding]:
    """Picture formats, and ffmpeg with the encoders that video outputs need."""
    yield _pictures()
    yield _avif()
    yield _heic()
    yield from _video()


def _pictures() -> Finding:
    here = [name for suffix, name in _PICTURES.items() if cv2.haveImageWriter(suffix)]
    missing = [name for name in _PICTURES.values() if name not in here]
    if not missing:
        return Finding(subject="pictures", detail=", ".join(here))
    return Finding(
        subject="pictures",
        detail=f"{', '.join(here)}; this OpenCV lacks {', '.join(missing)}",
        verdict="note",
        remedy="install opencv-python from PyPI, which has them",
    )


def _avif() -> Finding:
    if features.check("avif"):
        return Finding(subject="AVIF", detail="read")
    return Finding(
        subject="AVIF",
        detail="this Pillow is built without it",
        verdict="note",
        remedy="install Pillow 11.3 or newer",
    )


def _heic() -> Finding:
    if find_spec("pillow_heif") is not None:
        return Finding(subject="HEIC", detail="read")
    return Finding(
        subject="HEIC",
        detail="not read without pillow-heif",
        verdict="note",
        remedy="run: pip install 'mattecli[heic]'",
    )


def _video() -> Iterator[Finding]:
    import imageio_ffmpeg

    try:
        program = imageio_ffmpeg.get_ffmpeg_exe()
        done = subprocess.run(
            [program, "-hide_banner", "-encoders"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            check=True,
        )
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        yield Finding(
            subject="ffmpeg",
            detail=f"does not run ({' '.join(str(error).split())})",
            verdict="problem",
            remedy="reinstall imageio-ffmpeg, or name a program in IMAGEIO_FFMPEG_EXE",
        )
        return
    yield Finding(subject="ffmpeg", detail=f"{_ffmpeg_version()} at {program}")
    words = set(done.stdout.split())
    here = [title for name, title in _ENCODERS.items() if name in words]
    missing = [title for name, title in _ENCODERS.items() if name not in words]
    if missing:
        yield Finding(
            subject="video",
            detail=f"this ffmpeg cannot write {', '.join(missing)}",
            verdict="note",
            remedy="unset IMAGEIO_FFMPEG_EXE, so that the package's own ffmpeg is used",
        )
    else:
        yield Finding(subject="video", detail=", ".join(here))


def _ffmpeg_version() -> str:
    import imageio_ffmpeg

    return str(imageio_ffmpeg.get_ffmpeg_version())
