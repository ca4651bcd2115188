"""Looks at everything that a run depends on."""

from __future__ import annotations

from collections.abc import Iterator

from mattecli.jobs.checks.finding import Finding, Verdict

__all__ = ["Finding", "Verdict", "examine"]


def examine() -> Iterator[Finding]:
    """Findings about packages, processors, codecs, weights and disks, as they are made.

    What cannot even be imported is a finding of its own, and what depends on it is left out.
    """
    from mattecli.jobs.checks.libraries import library_findings

    yield from library_findings()
    yield from _of("torch", "PyTorch", "pip install --force-reinstall torch")
    yield from _of(
        "cv2",
        "OpenCV",
        "install libgl1 and libglib2.0-0, or opencv-python-headless in place of opencv-python",
    )
    from mattecli.jobs.checks.storage import storage_findings

    yield from storage_findings()


def _of(package: str, title: str, remedy: str) -> Iterator[Finding]:
    """The findings that need ``package``, or that it cannot be imported."""
    try:
        __import__(package)
    except (ImportError, OSError) as error:  # a shared library that is missing is either
        cause = " ".join(str(error).split())
        yield Finding(
            subject=title, detail=f"cannot be imported ({cause})", verdict="problem", remedy=remedy
        )
        return
    if package == "torch":
        from mattecli.jobs.checks.compute import compute_findings

        yield from compute_findings()
    else:
        from mattecli.jobs.checks.codecs import codec_findings

        yield from codec_findings()
