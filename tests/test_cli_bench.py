"""``mattecli bench`` on small photos."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import Cli

SMALL = ("--megapixels", "0.05", "--photos", "3", "--repeats", "1", "--size", "64")
SEEN = {
    "modnet": ("decode at 1/2", "decode at 1/1"),
    "bgm": ("decode at 1/1",),
}


@pytest.mark.parametrize("model", ["modnet", "bgm"])
def test_json_has_every_stage_and_the_whole(cli: Cli, model: str) -> None:
    """Without weights here: random ones take the same time."""
    done = cli("bench", "--model", model, *SMALL, "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found["model"] == model
    stages = {stage["name"]: stage for stage in found["stages"]}
    others = ("scale", "network", "enlarge alpha", "encode alpha", "foreground", "encode cut-out")
    assert tuple(stages) == (*SEEN[model], *others)
    for stage in stages.values():
        assert stage["seconds"] > 0
    expected = found["gflop"] * 1e9 / found["ceilings"]["flops"]
    assert stages["network"]["floor"] == pytest.approx(expected)
    ways = [(whole["refine"], whole["writes"]) for whole in found["wholes"]]
    assert ways[-2:] == [("auto", ["alpha"]), ("auto", ["alpha", "foreground"])]
    assert ways[:-2] == ([("none", ["alpha"])] if model == "modnet" else [])
    for whole in found["wholes"]:
        assert whole["photos"] == 3
        busy = whole["core_seconds"] / whole["seconds"] / found["cores"]
        assert whole["busy"] == pytest.approx(busy)


def test_the_arithmetic_is_that_of_the_authors_layers(cli: Cli) -> None:
    """31 GFLOP at 512x512."""
    done = cli("bench", "--megapixels", "0.05", "--photos", "1", "--repeats", "1", "--json")
    found = json.loads(done.out)
    pixels = found["seen"][0] * found["seen"][1]
    assert found["gflop"] / pixels * 512 * 512 == pytest.approx(31.0, abs=0.5)


def test_the_table_shows_weights_that_are_given(cli: Cli, modnet_weights: Path) -> None:
    done = cli("bench", *SMALL, "--weights", modnet_weights, "--precision", "fp32")
    assert done.code == 0, done.err
    assert b"modnet, float32, cpu" in done.out
    assert b"| network |" in done.out
    assert b"| alpha, foreground | auto | 3 |" in done.out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--model", "closed-form"), "is no network"),
        (("--photos", "0"), "out of range"),
        (("--model", "unheard-of"), "there is no model"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    cli: Cli, arguments: tuple[str, ...], says: str
) -> None:
    done = cli("bench", *arguments)
    assert done.code == 2
    assert says in done.err
