"""``mattecli models``: what models there are, and their weights."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mattecli.cli.progress import say
from mattecli.cli.transfer import TransferBar
from mattecli.errors import CheckpointError, shown_path, shown_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mattecli.jobs.models import ModelFacts
    from mattecli.models.published import PublishedFile
    from mattecli.models.store import StoredWeights

__all__ = ["app"]

app = typer.Typer(help="List the models and get their weights.", no_args_is_help=True)

_Name = Annotated[
    str, typer.Argument(help="Model ('mattecli models list')", metavar="NAME", show_default=False)
]
_Json = Annotated[bool, typer.Option("--json", help="One JSON object a line")]


@app.command("list")
def list_(as_json: _Json = False) -> None:
    """All models: what they need, their licence, and whether their weights are here."""
    from mattecli.jobs.models import list_models

    facts = list_models()
    if as_json:
        for row in facts:
            _write_json(row)
    else:
        _write_table(facts)


@app.command()
def info(name: _Name, as_json: _Json = False) -> None:
    """All that is known about one model and its weights."""
    from mattecli.jobs.models import model_facts

    facts = model_facts(name)
    if as_json:
        _write_json(facts)
        return
    for key, text in _lines(facts):
        typer.echo(f"{key + ':':<12} {text}")
    if facts.card:
        typer.echo(f"\n{facts.card.rstrip()}")


@app.command()
def path(name: _Name) -> None:
    """Where a model's weights are; exit status 3 if they are not here."""
    from mattecli.jobs.models import weights_path

    _write_path(weights_path(name))


@app.command()
def pull(
    name: _Name,
    url: Annotated[
        str, typer.Option(help="Download from here instead; the digest is checked all the same")
    ] = "",
    accept_licence: Annotated[
        bool, typer.Option("--accept-licence", help="Accept a licence for non-commercial use only")
    ] = False,
    stall: Annotated[
        float,
        typer.Option(help="Give a connection up after SECONDS without data", min=1, max=3600),
    ] = 30.0,
) -> None:
    """Download a model's weights; an interrupted download is continued. Prints their path."""
    from mattecli.jobs.models import model_facts, weights_path
    from mattecli.jobs.pull import PullOptions, comes_along, pull_weights

    if comes_along(name):
        say(f"{name}: the weights come along with the program; there is nothing to pull")
        _write_path(weights_path(name))
        return
    bar = TransferBar(name)
    options = PullOptions(url=url, accept_licence=accept_licence, stall=stall)
    try:
        stored = pull_weights(name, options, bar)
    except KeyboardInterrupt:
        bar.note("what was fetched is kept; run the same command again to continue")
        raise
    finally:
        bar.close()
    facts = model_facts(name)
    say(f"{name}: {stored.size:,} bytes, SHA-256 {stored.sha256} ({_trust(stored, facts)})")
    _write_path(weights_path(name))


@app.command()
def verify(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Models; all that are here when left out", metavar="[NAME]..."),
    ] = None,
) -> None:
    """Read weights again and compare their SHA-256; exit status 3 if one differs or is missing."""
    from mattecli.jobs.models import verify_weights

    verdicts = verify_weights(names or ())
    for verdict in verdicts:
        typer.echo(f"{verdict.name}\t{shown_text(verdict.problem) or 'ok'}\t{verdict.sha256}")
    bad = [verdict for verdict in verdicts if verdict.problem]
    if bad:
        raise CheckpointError(
            f"{len(bad)} of {len(verdicts)} weights files are damaged or missing",
            remedy="'mattecli models pull NAME' or 'import FILE --as NAME' gets them again",
        )


@app.command()
def remove(name: _Name) -> None:
    """Delete weights that were pulled or imported, and the digest they were held to.

    Those that come along with the program stay.
    """
    from mattecli.jobs.models import model_facts, remove_weights

    freed = remove_weights(name, lambda: say(f"another process is at {name}; waiting"))
    own = model_facts(name).weights == "built in"
    said = "; those that come along are used again" if own else ""
    say(f"{name}: removed, {freed / 1e6:.0f} MB{said}")


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="Weights in any known format", metavar="FILE")],
    name: Annotated[
        str, typer.Option("--as", help="What it is; told by its keys if left out")
    ] = "",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write here, not into the store")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="What the keys do not tell, as additions=no", metavar="KEY=VALUE"
        ),
    ] = None,
) -> None:
    """Take over a weights file, as safetensors; nothing in it is executed. Prints the new path."""
    from mattecli.jobs.importing import ImportOptions, import_weights
    from mattecli.settings.key_value import parse_settings

    options = ImportOptions(name=name, output=output, options=parse_settings(settings or []))
    found = import_weights(file, options)
    if found.replaced:
        say(f"mattecli: replaces {shown_text(found.replaced)}")
    told = "".join(f", {key}={value}" for key, value in found.options.items())
    line = (
        f"{found.name}: {found.entries} tensors, {found.parameters:,} parameters{told}, "
        f"from {found.source_format}; licence: {found.licence or 'unknown'}"
    )
    say(shown_text(line))
    _write_path(found.path)


def _trust(stored: StoredWeights, facts: ModelFacts) -> str:
    """What a digest was compared with."""
    if not stored.pulled:
        return f"imported from {shown_path(stored.source)}"
    known = facts.published is not None and facts.published.sha256
    return "as published" if known else "pinned from now on: none is published"


def _write_path(path: Path) -> None:
    """The path for another program: its own bytes, whatever they are."""
    typer.echo(os.fsencode(path))


def _write_json(facts: ModelFacts) -> None:
    typer.echo(json.dumps(asdict(facts), default=str))


def _write_table(rows: list[ModelFacts]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("name", "needs", "size", "licence", "weights", "what for", box=None)
    for row in rows:
        needs = ", ".join(row.needs) or "-"
        table.add_row(
            row.name,
            needs,
            _megabytes(row),
            escape(shown_text(row.licence)),
            row.weights,
            row.title,
        )
    # A pipe has no width: nothing is cut there.
    width = None if sys.stdout.isatty() else 250
    Console(file=sys.stdout, width=width, highlight=False).print(table)


def _megabytes(facts: ModelFacts) -> str:
    if facts.size is not None:
        return f"{facts.size / 1e6:.0f} MB"
    return f"{facts.published.megabytes} MB" if facts.published else ""


def _lines(facts: ModelFacts) -> Iterator[tuple[str, str]]:
    """What there is to say, by heading."""
    yield "name", facts.name
    yield "title", facts.title
    yield "paper", facts.paper
    yield "needs", ", ".join(("a photo", *facts.needs))
    yield "licence", shown_text(facts.licence)
    yield "commercial", {True: "yes", False: "no", None: "not stated"}[facts.commercial]
    yield "weights", facts.weights
    if facts.path is not None:
        yield "path", shown_path(facts.path)
        yield "size", f"{facts.size:,} bytes"
        yield "SHA-256", facts.sha256 or "that of the program"
    for name, text in facts.options.items():
        yield "option", shown_text(f"{name}={text}")
    if facts.published is not None:
        yield from _published_lines(facts.published)
    if len(facts.editions) > 1:
        yield "editions", ", ".join(facts.editions)


def _published_lines(published: PublishedFile) -> Iterator[tuple[str, str]]:
    size = f"{published.size:,} bytes" if published.size else f"about {published.megabytes} MB"
    yield "published", f"{published.file}, {size}"
    yield "digest", published.sha256 or "not known: pinned on first use"
    if published.note:
        yield "note", published.note
    for address in published.addresses:
        yield "from", address
    if published.by_hand:
        yield "by hand", published.by_hand
