"""Turns an options record into the parameters of a command, and back."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import wraps
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import typer

from mattecli.cli.config import config_parameter
from mattecli.cli.origins import name_origins
from mattecli.errors import UsageError

__all__ = ["takes"]

R = TypeVar("R")

_CONTEXT = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)


@dataclass(frozen=True, slots=True)
class _Leaf:
    """One option: the groups that lead to it, its field and its type."""

    path: tuple[str, ...]
    item: dataclasses.Field[Any]
    hint: Any
    panel: str

    @property
    def name(self) -> str:
        return self.item.name

    @property
    def own_variable(self) -> str:
        """The environment name reserved for this command's option; "" for the common name."""
        told = self.item.metadata["env"]
        return told if isinstance(told, str) else ""

    @property
    def choices(self) -> tuple[str, ...]:
        """The allowed words of an option that takes several, by commas or given repeatedly."""
        element = get_args(self.hint)[0] if get_origin(self.hint) is tuple else None
        return get_args(element) if get_origin(element) is Literal else ()


def takes(record: type[R]) -> Callable[[Callable[[R], None]], Callable[..., None]]:
    """Decorator: a Typer command whose parameters are the fields of ``record`` and its groups.

    The decorated function is called with one filled record.
    """
    leaves = list(_leaves(record))

    def decorate(function: Callable[[R], None]) -> Callable[..., None]:
        @wraps(function)
        def command(context: typer.Context, **values: Any) -> None:
            values.pop("config", None)
            try:
                function(_build(record, leaves, values))
            except typer.BadParameter as error:
                error.ctx = context
                raise
            except UsageError as error:
                name_origins(error, context)
                raise

        parameters = [_CONTEXT, *map(_parameter, leaves)]
        own = {leaf.name for leaf in leaves if leaf.own_variable}
        several = {leaf.name for leaf in leaves if get_origin(leaf.hint) is tuple}
        parameters.append(config_parameter({leaf.name for leaf in leaves}, own, several))
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what Typer reads
        command.__annotations__ = {p.name: p.annotation for p in parameters}
        return command

    return decorate


def _leaves(record: type[Any], path: tuple[str, ...] = ()) -> Iterator[_Leaf]:
    hints = get_type_hints(record)
    panel = (record.__doc__ or "").strip().rstrip(".")
    for item in dataclasses.fields(record):
        hint = hints[item.name]
        if dataclasses.is_dataclass(hint) and isinstance(hint, type):
            yield from _leaves(hint, (*path, item.name))
        else:
            yield _Leaf(path, item, hint, panel)


def _parameter(leaf: _Leaf) -> inspect.Parameter:
    meta = leaf.item.metadata
    name = leaf.own_variable or leaf.name.upper()
    variable = f"MATTECLI_{name}" if meta["env"] else None
    default: Any = leaf.item.default
    if default is dataclasses.MISSING:
        default = inspect.Parameter.empty  # Typer insists on a value
    if get_origin(leaf.hint) is tuple:
        default = list(default) or None
    info: Any
    if meta["flags"]:
        info = typer.Option(
            *meta["flags"],
            help=meta["help"],
            metavar=meta["metavar"] or None,
            envvar=variable,
            show_envvar=False,
            rich_help_panel=leaf.panel,
        )
    else:
        info = typer.Argument(help=meta["help"], metavar=meta["metavar"], show_default=False)
    return inspect.Parameter(
        leaf.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[_cli_type(leaf), info],
    )


def _cli_type(leaf: _Leaf) -> Any:
    if get_origin(leaf.hint) is tuple:
        element: Any = str if leaf.choices else get_args(leaf.hint)[0]
        return list[element] | None
    return leaf.hint


def _build(record: type[R], leaves: list[_Leaf], values: dict[str, Any]) -> R:
    groups: dict[tuple[str, ...], dict[str, Any]] = {}
    for leaf in leaves:
        groups.setdefault(leaf.path, {})[leaf.name] = _value(leaf, values[leaf.name])
    return _fill(record, (), groups)


def _fill(
    record: type[R], path: tuple[str, ...], groups: dict[tuple[str, ...], dict[str, Any]]
) -> R:
    hints = get_type_hints(record)
    nested = {
        item.name: _fill(hints[item.name], (*path, item.name), groups)
        for item in dataclasses.fields(record)  # type: ignore[arg-type]  # R is a dataclass
        if dataclasses.is_dataclass(hints[item.name])
    }
    return record(**groups.get(path, {}), **nested)


def _value(leaf: _Leaf, value: Any) -> Any:
    if get_origin(leaf.hint) is not tuple:
        return value
    return _listed(leaf, value) if leaf.choices and value is not None else tuple(value or ())


def _listed(leaf: _Leaf, texts: list[str]) -> tuple[str, ...]:
    every = (word.strip() for text in texts for word in text.split(","))
    words = tuple(dict.fromkeys(word for word in every if word))
    wrong = [word for word in words if word not in leaf.choices]
    if wrong or not words:
        flag = leaf.item.metadata["flags"][0]
        raise typer.BadParameter(
            f"{wrong[0]!r} is not one of {', '.join(leaf.choices)}"
            if wrong
            else "nothing is named",
            param_hint=flag,
        )
    return words
