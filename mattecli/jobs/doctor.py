"""Looks at everything that a run depends on."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from mattecli.jobs.checks.finding import Finding, Verdict

__all__ = ["Finding", "Verdict", "examine"]


def examine() -> Iterator[Finding]:
    """Findings about packages, processors, codecs, weights and disks, as they are made.

    What cannot even be imported is a finding of its own, and what depends on it is left out.
    """
    from mattecli.jobs.checks.libraries import library_findings

    yield from library_findings()
    yield from _of(_compute, "PyTorch", "pip install --force-reinstall torch")
    yield from _of(
        _codecs,
        "OpenCV",
        "install libgl1 and libglib2.0-0, or opencv-python-headless in place of opencv-python",
    )
    from mattecli.jobs.checks.storage import storage_findings

    yield from storage_findings()


def _compute() -> Iterator[Finding]:
    from mattecli.jobs.checks.compute import compute_findings

    return compute_findings()


def _codecs() -> Iterator[Finding]:
    from mattecli.jobs.checks.codecs import codec_findings

    return codec_findings()


def _of(look: Callable[[], Iterator[Finding]], title: str, remedy: str) -> Iterator[Finding]:
    """What ``look`` finds, or that the package which it imports cannot be imported."""
    try:
        findings = look()
    except (ImportError, OSError) as error:  # a missing shared library raises either
        cause = " ".join(str(error).split())
        detail = f"cannot be imported ({cause})"
        yield Finding(subject=title, detail=detail, verdict="problem", remedy=remedy)
        return
    yield from findings
