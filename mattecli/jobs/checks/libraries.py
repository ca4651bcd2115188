"""The program, Python, and the packages that the program stands on."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from importlib import metadata

from packaging.requirements import Requirement

from mattecli import __version__
from mattecli.jobs.checks.finding import Finding

__all__ = ["library_findings"]

_OPENCVS = (
    "opencv-python",
    "opencv-python-headless",
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
)


def library_findings() -> Iterator[Finding]:
    """Versions of all packages that are required, against what the program asks for."""
    system = f"{platform.system()} {platform.release()}, {platform.machine()}"
    yield Finding(
        subject="mattecli",
        detail=f"{__version__} on Python {platform.python_version()}, {system}",
    )
    for requirement in _requirements():
        yield _package(requirement)
    opencvs = [name for name in _OPENCVS if _version(name) is not None]
    if len(opencvs) > 1:
        yield Finding(
            subject="OpenCV",
            detail=f"several packages write over each other's files: {', '.join(opencvs)}",
            verdict="note",
            remedy=f"pip uninstall -y {' '.join(opencvs)} and install one of them again",
        )


def _requirements() -> list[Requirement]:
    parsed = (Requirement(text) for text in metadata.requires("mattecli") or ())
    return [r for r in parsed if r.marker is None or r.marker.evaluate({"extra": ""})]


def _package(requirement: Requirement) -> Finding:
    found = _version(requirement.name)
    if found is None and requirement.name == "opencv-python":  # the same files without windows
        found = next((v for v in map(_version, _OPENCVS) if v is not None), None)
    wanted = str(requirement.specifier)
    remedy = f"pip install '{requirement.name}{wanted}'"
    if found is None:
        return Finding(
            subject=requirement.name, detail="is missing", verdict="problem", remedy=remedy
        )
    if not requirement.specifier.contains(found, prereleases=True):
        return Finding(
            subject=requirement.name,
            detail=f"{found}, where {wanted} is tested",
            verdict="note",
            remedy=remedy,
        )
    return Finding(subject=requirement.name, detail=found)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
