"""What the README says of commands, options and models is what the program has."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import pytest
import typer
from conftest import ROOT

from mattecli.cli.app import app
from mattecli.models.registry import MODELS

README = (ROOT / "README.md").read_text("utf-8")
_STOPS = re.compile(r"[|;&<>]+")


def commands() -> list[list[str]]:
    """Every ``mattecli ...`` in the README's code, as words; a pipe or the like ends it."""
    blocks = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    inline = re.findall(r"`(mattecli [^`]+)`", README)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [words for text in (*lines, *inline) for words in _in_line(text)]


def _in_line(text: str) -> Iterator[list[str]]:
    for part in _STOPS.split(text):
        words = shlex.split(part, comments=True)
        if words[:1] == ["mattecli"]:
            yield words[1:]


def command_of(words: list[str]) -> tuple[typer.core.TyperCommand, list[str]]:
    """The command that the words begin with, and the rest of them."""
    found = typer.main.get_command(app)
    rest = list(words)
    while hasattr(found, "commands") and rest and rest[0] in found.commands:
        found = found.commands[rest.pop(0)]
    return found, rest


def test_there_are_commands_to_check() -> None:
    used = {words[0] for words in commands() if words}
    assert {"matte", "trimap", "composite", "models", "evaluate"} <= used


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_and_option_exists(words: list[str]) -> None:
    command, rest = command_of(words)
    names = {name for parameter in command.params for name in parameter.opts}
    names |= {"--help", "-h"}
    for word in rest:
        if word.startswith("-") and word != "-" and not word[1:2].isdigit():
            assert word.partition("=")[0] in names, f"{word} in {words}"
    assert rest == [] or not hasattr(command, "commands") or rest[0].startswith("-")


def test_every_model_is_in_the_table_and_no_other() -> None:
    table = README.partition("\n## Models\n")[2].partition("\n### ")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`([^`]+)`", row)}
    assert named == set(MODELS)


@pytest.mark.parametrize("flag", sorted(set(re.findall(r"`(--[a-z-]+)", README))))
def test_every_option_that_the_text_names_belongs_to_a_command(flag: str) -> None:
    group = typer.main.get_command(app)
    known = {"--version", "--help"}
    pending = [group]
    while pending:
        command = pending.pop()
        known |= {name for parameter in command.params for name in parameter.opts}
        pending += getattr(command, "commands", {}).values()
    assert flag in known
