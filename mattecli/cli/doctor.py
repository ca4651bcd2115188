"""``mattecli doctor``."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from mattecli.errors import shown_text

__all__ = ["doctor"]

_MARKS = {"ok": "ok", "note": "note", "problem": "PROBLEM"}


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a finding")] = False,
) -> None:
    """Look at devices, packages, codecs, weights and disks, and say what to do about each.

    Exit status 1 when something keeps a command from working.
    """
    from mattecli.jobs.doctor import examine

    problems = 0
    for finding in examine():
        problems += finding.verdict == "problem"
        if as_json:
            typer.echo(json.dumps(asdict(finding)))
            continue
        typer.echo(f"{_MARKS[finding.verdict]:<8} {finding.subject}: {shown_text(finding.detail)}")
        if finding.remedy:
            typer.echo(f"{'':<8} -> {shown_text(finding.remedy)}")
    raise typer.Exit(1 if problems else 0)
