"""Where an option's value came from, for messages: people do not find in a file what is blamed on
the command line."""

from __future__ import annotations

from typing import Any

from mattecli.errors import UsageError, shown_path

__all__ = ["name_origins", "origin"]


def origin(context: Any, parameter: Any) -> str:
    """The variable or file that a value is from; "" for the command line and defaults.

    Args:
        context: the parser's, of the command.
        parameter: one of its parameters.
    """
    # By name: each version of the parser has an enumeration of its own.
    source = getattr(context.get_parameter_source(parameter.name), "name", "")
    if source == "ENVIRONMENT":
        return str(parameter.envvar)
    if source == "DEFAULT_MAP":
        return shown_path(context.params["config"])
    return ""


def name_origins(error: UsageError, context: Any) -> None:
    """Have an error that names options, or quotes values, say which came from elsewhere."""
    words = {word.strip("'\",;:()") for word in error.cause.split()}
    for parameter in context.command.params:
        value = context.params.get(parameter.name)
        is_quoted = isinstance(value, str) and repr(value) in error.cause
        is_meant = is_quoted or words.intersection(parameter.opts)
        where = origin(context, parameter) if is_meant else ""
        if where:
            error.cause += f" ({parameter.opts[0]} is from {where})"
