"""The reports of ``evaluate``, and the command itself."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from evaluation_files import Array, disk, options, save, three_pairs
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from mattecli.cli.evaluate import evaluate
from mattecli.errors import MattecliError, UsageError
from mattecli.jobs.evaluate import evaluate_mattes
from mattecli.jobs.worst import WorstCases
from mattecli.ops.error_map import error_map
from mattecli.ops.metrics import ImagePair
from mattecli.records import Size
from mattecli.settings import RunOptions

app = typer.Typer()
app.command()(evaluate)


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    return three_pairs(tmp_path)


@pytest.fixture
def reports(folders: Path) -> Path:
    """The reports of a run with three good pairs and a bad one with a hostile name."""
    save(folders / "pred/<b>&amp;.png", disk(size=(9, 9)))
    save(folders / "truth/<b>&amp;.png", disk())
    paths = tuple(folders / f"out/scores{end}" for end in (".csv", ".json", ".jsonl", ".html"))
    evaluate_mattes(replace(options(folders), run=RunOptions(report=paths)))
    return folders / "out"


def test_csv_has_a_line_per_file_and_defines_its_columns(reports: Path) -> None:
    with (reports / "scores.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [Path(row["input"]).name for row in rows] == [
        "<b>&amp;.png",
        "img1.png",
        "img2.png",
        "img10.png",
    ]
    mad = "mad = 1000 x mean of |p - t| over the whole picture"
    expected_mad = 1000 * np.abs(disk(1) / 255 - disk() / 255).mean()
    assert float(rows[1][mad]) == pytest.approx(expected_mad)
    assert rows[0][mad] == ""
    assert rows[0]["status"] == "failed"
    assert "9x9" in rows[0]["error"]
    assert {row["protocol"] for row in rows} == {"plain"}


def test_json_and_json_lines_say_the_same(reports: Path) -> None:
    whole = json.loads((reports / "scores.json").read_text())
    lines = [json.loads(line) for line in (reports / "scores.jsonl").read_text().splitlines()]
    assert lines[-1]["means"] == whole["means"]
    assert [line["scores"] for line in lines[:-1]] == [item["scores"] for item in whole["items"]]
    assert whole["settings"]["protocol"] == "plain"
    assert whole["settings"]["definitions"]["sad"].startswith("0.001 x sum")
    assert lines[0]["settings"] == whole["settings"]
    assert (whole["failed"], whole["exit_status"]) == (1, 1)


def test_the_page_shows_failures_then_the_worst_first(reports: Path) -> None:
    page = (reports / "scores.html").read_text("utf-8")
    assert "<b>" not in page
    places = [
        page.index(words)
        for words in (
            "1000 x mean of |p - t| over the whole picture",
            "Not scored: 1 of 4",
            "&lt;b&gt;&amp;amp;.png",
            "Worst by mse: 3 of 3",
            "pred/img10.png</h3>",
            "pred/img2.png</h3>",
            "pred/img1.png</h3>",
            "All scores",
        )
    ]
    assert places == sorted(places)
    assert page.count("<img ") == 3 * 3
    assert page.count("src=") == page.count('src="data:image/webp;base64,') == 9


def test_an_unwritable_report_is_said(folders: Path) -> None:
    (folders / "file").write_text("")
    run = RunOptions(report=(folders / "file/scores.csv",))
    with pytest.raises(MattecliError, match="part of its path is a file"):
        evaluate_mattes(replace(options(folders), run=run))


@settings(max_examples=100, deadline=None)
@given(
    errors=st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0, 3.0]), max_size=20),
    count=st.integers(0, 6),
    order=st.randoms(use_true_random=False),
)
def test_the_worst_are_kept_in_whatever_order_they_come(
    errors: list[float], count: int, order: Any
) -> None:
    kept = WorstCases(count)
    places = list(range(len(errors)))
    order.shuffle(places)
    for place in places:
        kept.offer(place, errors[place], lambda: {"picture": b""})
    worst = sorted(range(len(errors)), key=lambda place: (-errors[place], place))[:count]
    assert set(kept.thumbs()) == set(worst)


def test_pictures_of_good_cases_are_never_made() -> None:
    kept = WorstCases(1)
    kept.offer(0, 5.0, dict)
    kept.offer(1, 4.0, lambda: pytest.fail("made in vain"))
    assert set(kept.thumbs()) == {0}


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_the_error_map_is_red_where_too_opaque_and_blue_where_too_transparent(dtype: type) -> None:
    white = 1 if dtype is np.float32 else np.iinfo(dtype).max
    pred: Array = np.zeros((8, 12), dtype)
    truth: Array = np.zeros((8, 12), dtype)
    pred[:, :4], truth[:, 8:] = white, white
    shown = error_map(ImagePair.of(pred, truth), Size(6, 4))
    assert shown.shape == (4, 6, 3)
    assert (shown[:, :2] == (255, 0, 0)).all()
    assert (shown[:, 2:4] == 0).all()
    assert (shown[:, 4:] == (0, 0, 255)).all()


def call(folders: Path, *arguments: str) -> Any:
    return CliRunner().invoke(
        app, [str(folders / "pred"), str(folders / "truth"), *arguments], env={"COLUMNS": "200"}
    )


def test_the_table_has_the_means_and_says_what_they_are(folders: Path) -> None:
    result = call(folders)
    means = evaluate_mattes(options(folders)).report.means
    assert result.exit_code == 0
    last = next(line for line in result.stdout.splitlines() if line.strip().startswith("mean"))
    assert last.split()[1:] == [f"{value:.5g}" for value in means.values() if value is not None]
    assert "protocol plain" in result.stdout
    assert "mse = 1000 x mean of (p - t)^2 over the whole picture" in result.stdout
    assert result.stdout.index("img10.png") < result.stdout.index("img1.png")


def test_names_with_markup_are_shown_as_they_are(folders: Path) -> None:
    save(folders / "pred/[red]x[1].png", disk(3))
    save(folders / "truth/[red]x[1].png", disk())
    assert "[red]x[1].png" in call(folders).stdout


def test_json_goes_to_standard_output_line_by_line(folders: Path) -> None:
    result = call(folders, "--json", "-q")
    objects = [json.loads(line) for line in result.stdout.splitlines()]
    assert [Path(item["input"]).name for item in objects[:-1]] == [
        "img1.png",
        "img2.png",
        "img10.png",
    ]
    assert objects[0]["scores"].keys() == {"sad", "mse", "mad", "grad", "conn", "iou"}
    assert objects[-1]["means"] == pytest.approx(evaluate_mattes(options(folders)).report.means)
    assert objects[-1]["settings"]["definitions"].keys() == objects[-1]["means"].keys()


def test_csv_goes_to_standard_output(folders: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(call(folders, "--csv", "-q").stdout)))
    assert [Path(row["truth"]).name for row in rows] == ["img1.png", "img2.png", "img10.png"]


def test_a_failure_sets_the_exit_status_and_is_named(folders: Path) -> None:
    (folders / "pred/img2.png").unlink()
    result = call(folders)
    assert result.exit_code == 1
    assert "img2.png: there is no prediction for it" in result.stderr
    assert "img2.png" not in result.stdout


def test_a_dry_run_lists_the_pairs_and_writes_nothing(folders: Path) -> None:
    result = call(folders, "--dry-run", "--report", str(folders / "page.html"))
    assert result.exit_code == 0
    assert result.stdout == ""
    assert f"truth {folders / 'truth/img10.png'}" in result.stderr
    assert not (folders / "page.html").exists()


def test_csv_and_json_exclude_each_other(folders: Path) -> None:
    assert isinstance(call(folders, "--csv", "--json").exception, UsageError)
