"""``--config``: a TOML file with the options' defaults."""

from __future__ import annotations

import dataclasses
import inspect
import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer

from mattecli.errors import UsageError
from mattecli.settings import (
    DeviceOptions,
    EngineOptions,
    InputOptions,
    OutputOptions,
    RunOptions,
)

__all__ = ["config_parameter"]

_MOST_BYTES = 1 << 20
_NOT_IN_FILES = {"inputs", "config", "dry_run"}
_COMMON = {
    item.name
    for record in (InputOptions, OutputOptions, EngineOptions, RunOptions, DeviceOptions)
    for item in dataclasses.fields(record)
} - _NOT_IN_FILES


def config_parameter(names: set[str], own: set[str], several: set[str]) -> inspect.Parameter:
    """The ``--config`` option of a command.

    Args:
        names: what its options are called.
        own: those of them that only its own table may hold.
        several: those that take several values; a file may give one without a list.
    """

    def load(context: typer.Context, path: Path | None) -> Path | None:
        if path is not None:
            command = context.info_name or ""
            found = _defaults(path, command, names - _NOT_IN_FILES, own)
            for name in several & found.keys():
                if not isinstance(found[name], list):
                    found[name] = [found[name]]
            context.default_map = found
        return path

    info = typer.Option(
        "--config",
        help="TOML file with defaults for these options; the command line wins",
        metavar="FILE",
        envvar="MATTECLI_CONFIG",
        show_envvar=False,
        is_eager=True,  # before the options whose defaults it holds
        callback=load,
        rich_help_panel="Run",
    )
    return inspect.Parameter(
        "config",
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[Path | None, info],
    )


def _defaults(path: Path, command: str, names: set[str], only_own: set[str]) -> dict[str, Any]:
    """Option defaults for ``command``: the common keys, then those of its own table.

    Raises:
        UsageError: the file cannot be read, is no TOML, or names an unknown option.
    """
    try:
        with path.open("rb") as stream:
            text = stream.read(_MOST_BYTES + 1)
        if len(text) > _MOST_BYTES:
            raise UsageError(
                "is too large for a file of options",
                path=path,
                remedy="check --config (or MATTECLI_CONFIG)",
            )
        document = tomllib.loads(text.decode())
    except OSError as error:
        raise UsageError(
            f"cannot be read ({error.strerror})",
            path=path,
            remedy="check --config (or MATTECLI_CONFIG)",
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(
            f"is no valid TOML ({error})",
            path=path,
            remedy='write name = value on lines of their own, texts in quotes: model = "modnet"',
        ) from error
    tool = document.get("tool", {})
    table = tool.get("mattecli", document) if isinstance(tool, dict) else document
    own = table.get(command, {}) if isinstance(table, dict) else None
    if not isinstance(own, dict):
        raise UsageError(
            f"holds a value where a table of options belongs (tool.mattecli or {command})",
            path=path,
            remedy=f"begin the table with a line [{command}]",
        )
    common = {key: value for key, value in table.items() if not isinstance(value, dict)}
    _refuse_unknown(common, (names - only_own) | _COMMON, path, command)
    _refuse_unknown(own, names, path, command)
    found = {_field(key): value for key, value in common.items() if _field(key) in names}
    return found | {_field(key): value for key, value in own.items()}


def _field(key: str) -> str:
    return key.replace("-", "_")


def _refuse_unknown(table: dict[str, Any], names: set[str], path: Path, command: str) -> None:
    for key in table:
        if _field(key) in _NOT_IN_FILES:
            raise UsageError(
                f"{key!r} is for the command line alone", path=path, remedy="take it out"
            )
        if _field(key) not in names:
            raise UsageError(
                f"{key!r} is no option of {command!r} here",
                path=path,
                remedy=f"see 'mattecli {command} --help'; what not all commands take alike belongs"
                " in a table of a command's name",
            )
