"""Assembles the commands."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Annotated

import typer

from mattecli import __version__
from mattecli.cli.bench import bench
from mattecli.cli.composite import composite
from mattecli.cli.doctor import doctor
from mattecli.cli.evaluate import evaluate
from mattecli.cli.matte import matte
from mattecli.cli.models import app as models
from mattecli.cli.progress import say
from mattecli.cli.render import catch_signals, finish
from mattecli.cli.strict import StrictCommand
from mattecli.cli.train import adapt, train
from mattecli.cli.trimap import trimap
from mattecli.cli.video import video

__all__ = ["app", "run"]

app = typer.Typer(
    name="mattecli",
    help="Takes the foreground out of photos and video in bulk.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)
app.command("matte")(matte)
app.command("trimap")(trimap)
app.command("composite")(composite)
app.command("video")(video)
app.command("evaluate")(evaluate)
app.command("train")(train)
app.command("adapt")(adapt)
app.command("bench")(bench)
app.add_typer(models, name="models")
app.command("doctor")(doctor)
for known in (*app.registered_commands, *models.registered_commands):
    known.cls = StrictCommand


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mattecli {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    """Takes the foreground out of photos and video in bulk."""


def run(arguments: Sequence[str]) -> int:
    """Run one command; the exit status is as in the README.

    Args:
        arguments: the command line without the program's name.
    """
    debug = "--debug" in arguments or bool(os.environ.get("MATTECLI_DEBUG"))
    if not _has_current_folder():
        say("mattecli: the current folder is not there any more; change to another")
        return 1
    try:
        catch_signals()
        command = typer.main.get_command(app)
        # The root of the parser's errors, whichever parser this Typer has.
        usage_error = typer.BadParameter.__mro__[2]
        return finish(
            lambda: command.main(list(arguments), prog_name="mattecli", standalone_mode=False),
            usage_error,
            debug=debug,
        )
    except (typer.Abort, KeyboardInterrupt):
        say("mattecli: interrupted")
        return 130


def _has_current_folder() -> bool:
    """Whether the current folder is there; without one some libraries end the process."""
    try:
        os.getcwd()  # noqa: PTH109 - Path.cwd() is the same call
    except OSError:
        return False
    return True
