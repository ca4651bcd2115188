"""``mattecli evaluate``: pairing, protocols, failures by name, reports, the command."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from mattecli.cli.evaluate import evaluate
from mattecli.errors import MattecliError, UsageError
from mattecli.jobs.evaluate import evaluate_mattes
from mattecli.jobs.worst import WorstCases
from mattecli.media.evaluation import Evaluation
from mattecli.ops.error_map import error_map
from mattecli.ops.metrics import ImagePair
from mattecli.records import ItemRecord, Size
from mattecli.settings import RunOptions
from mattecli.settings.evaluate import EvaluateOptions, PairOptions, ScoreOptions

Array = npt.NDArray[Any]

PARITY = Path(
    os.environ.get(
        "MATTECLI_PARITY", Path(__file__).resolve().parents[1].parent / "shared" / "parity"
    )
)
FIXTURE = PARITY / "metrics.json"

needs_fixture = pytest.mark.skipif(
    not FIXTURE.exists(), reason=f"no {FIXTURE.name} in {PARITY} (set MATTECLI_PARITY)"
)

app = typer.Typer()
app.command()(evaluate)


def disk(shift: int = 0, size: tuple[int, int] = (40, 50)) -> Array:
    """A soft disk, moved to the right by ``shift``."""
    y, x = np.mgrid[: size[0], : size[1]]
    alpha = np.clip(0.5 + (12 - np.hypot(x - 25 - shift, y - 20)) / 6, 0, 1)
    return np.rint(alpha * 255).astype(np.uint8)


def band(alpha: Array) -> Array:
    """A trimap: unknown where alpha is neither 0 nor 255."""
    return np.select([alpha == 0, alpha == 255], [0, 255], 128).astype(np.uint8)


def save(path: Path, image: Array) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    ok, data = cv2.imencode(".png", image)
    assert ok
    path.write_bytes(data.tobytes())
    return path


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Three predictions, the more shifted the later, their truths and trimaps."""
    for number in (1, 2, 10):
        save(tmp_path / f"pred/img{number}.png", disk(number))
        save(tmp_path / f"truth/img{number}.png", disk())
        save(tmp_path / f"trimaps/img{number}.png", band(disk()))
    return tmp_path


def options(folder: Path, trimaps: bool = False, **score: Any) -> EvaluateOptions:
    given = PairOptions(
        pred=str(folder / "pred"),
        truth=str(folder / "truth"),
        trimap=str(folder / "trimaps") if trimaps else None,
    )
    return EvaluateOptions(pair=given, score=ScoreOptions(**score))


def named(evaluation: Evaluation) -> Mapping[str, ItemRecord]:
    return {Path(record.source).name: record for record in evaluation.records}


# --- the recorded cases, through files -----------------------------------------------------------


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fixture's pictures as folders of files."""
    top = tmp_path_factory.mktemp("recorded")
    content = json.loads(FIXTURE.read_text())
    with np.load(PARITY / content["npz"]) as arrays:
        for entry in content["entries"]:
            name, images = entry["name"], [arrays[key] for key in entry["inputs"]]
            if name == "sequence":
                for number, (pred, truth) in enumerate(zip(*images, strict=True)):
                    save(top / f"frames/pred/clip/{number}.png", pred)
                    save(top / f"frames/truth/clip/{number}.png", truth)
            elif name == "foreground":
                for role, image in zip(("colors", "true_colors", "alpha"), images, strict=True):
                    save(top / f"foreground/{role}.png", image)
            else:
                for role, image in zip(("pred", "truth", "trimaps"), images, strict=True):
                    save(top / f"stills/{role}/{name}.png", image)
    return top


def expected(prefix: str) -> Mapping[str, Mapping[str, float | None]]:
    entries = json.loads(FIXTURE.read_text())["entries"]
    return {
        f"{entry['name']}.png": {
            key.removeprefix(prefix): value
            for key, value in entry["values"].items()
            if key.startswith(prefix) and not key.removeprefix(prefix).startswith("hr_")
        }
        for entry in entries
        if "dim_sad" in entry["values"]
    }


@needs_fixture
@pytest.mark.parametrize("protocol", ["dim", "mmedit", "rvm", "rvm-hr"])
def test_every_recorded_still(recorded: Path, protocol: Any) -> None:
    masked = protocol in ("dim", "mmedit")
    found = named(evaluate_mattes(options(recorded / "stills", trimaps=masked, protocol=protocol)))
    values = expected(f"{protocol.replace('-', '_')}_")
    assert found.keys() == values.keys()
    for name, scores in values.items():
        if masked and name == "none_unknown.png":
            assert "no pixel of the trimap is unknown" in (found[name].error or "")
        else:
            assert found[name].scores == pytest.approx(scores, rel=1e-4, abs=1e-6)


@needs_fixture
@pytest.mark.parametrize("protocol", ["rvm", "rvm-hr"])
def test_the_recorded_clip(recorded: Path, protocol: Any) -> None:
    wish = options(recorded / "frames", protocol=protocol, frames=True)
    result = evaluate_mattes(replace(wish, pair=replace(wish.pair, recursive=True)))
    entry = json.loads(FIXTURE.read_text())["entries"][-2]
    recorded_values = entry["values"][f"{protocol.replace('-', '_')}_dtssd"]
    assert [r.scores["dtssd"] for r in result.records] == pytest.approx(recorded_values, rel=1e-4)
    mean = entry["values"]["rvm_clip_mean_counting_first_frame"]
    assert result.report.means["dtssd"] == pytest.approx(mean, rel=1e-4)


@needs_fixture
def test_the_recorded_foreground(recorded: Path) -> None:
    folder = recorded / "foreground"
    given = PairOptions(
        pred=str(folder / "alpha.png"),
        truth=str(folder / "alpha.png"),
        foreground=str(folder / "colors.png"),
        true_foreground=str(folder / "true_colors.png"),
    )
    result = evaluate_mattes(EvaluateOptions(pair=given, score=ScoreOptions(protocol="rvm")))
    values = json.loads(FIXTURE.read_text())["entries"][-1]["values"]
    scores = result.records[0].scores
    assert scores["fgr_mse"] == pytest.approx(values["rvm_fgr_mse"], rel=1e-4)
    assert scores["fgr_mad"] == pytest.approx(values["rvm_fgr_mad"], rel=1e-4)


# --- pairing and means ---------------------------------------------------------------------------


def test_folders_are_paired_by_name_in_natural_order(folders: Path) -> None:
    result = evaluate_mattes(options(folders))
    assert [Path(r.source).name for r in result.records] == ["img1.png", "img2.png", "img10.png"]
    mad = [record.scores["mad"] or 0.0 for record in result.records]
    assert 0 < mad[0] < mad[1] < mad[2]
    assert result.report.means["mad"] == pytest.approx(np.mean(mad))
    assert result.exit_code == 0
    expected_mad = 1000 * np.abs(disk(1) / 255 - disk() / 255).mean()
    assert mad[0] == pytest.approx(expected_mad)


def test_two_files(folders: Path) -> None:
    given = PairOptions(pred=str(folders / "pred/img2.png"), truth=str(folders / "truth/img10.png"))
    result = evaluate_mattes(EvaluateOptions(pair=given))
    assert [record.status for record in result.records] == ["done"]


def test_one_file_against_a_folder_leaves_the_folder_alone(folders: Path) -> None:
    given = PairOptions(pred=str(folders / "pred/img2.png"), truth=str(folders / "truth"))
    result = evaluate_mattes(EvaluateOptions(pair=given))
    assert [record.companions["truth"] for record in result.records] == [
        str(folders / "truth/img2.png")
    ]
    assert result.exit_code == 0


def test_the_folder_that_matte_writes_is_taken_as_it_is(tmp_path: Path) -> None:
    save(tmp_path / "pred/a-alpha.png", disk(1))
    save(tmp_path / "pred/a-foreground.png", np.zeros((40, 50, 4), np.uint8))
    save(tmp_path / "pred/b-foreground.png", np.zeros((40, 50, 4), np.uint8))
    for stem in "ab":
        save(tmp_path / f"truth/{stem}.png", disk())
    found = named(evaluate_mattes(options(tmp_path)))
    assert {name: record.status for name, record in found.items()} == {
        "a-alpha.png": "done",
        "b.png": "failed",  # its foreground is no prediction of alpha
    }


@pytest.mark.parametrize("form", ["16 bit", "cut-out"])
def test_predictions_of_other_forms_score_the_same(folders: Path, form: str) -> None:
    alpha = disk(2)
    shown = np.dstack([np.full((40, 50, 3), 77, np.uint8), alpha])
    save(folders / "pred/img2.png", alpha.astype(np.uint16) * 257 if form == "16 bit" else shown)
    changed = named(evaluate_mattes(options(folders)))["img2.png"].scores
    save(folders / "pred/img2.png", alpha)
    plain = named(evaluate_mattes(options(folders)))["img2.png"].scores
    assert changed == pytest.approx(plain, rel=1e-5)


def test_a_trimap_makes_plain_count_the_unknown_pixels(folders: Path) -> None:
    whole = evaluate_mattes(options(folders)).report.means
    unknown = evaluate_mattes(options(folders, trimaps=True)).report.means
    assert (unknown["mad"] or 0) > (whole["mad"] or 0)
    assert (unknown["sad"] or 0) < (whole["sad"] or 0)


def clips(top: Path) -> Path:
    """A clip of two frames and one of one."""
    for name, shift in (("a/0", 0), ("a/1", 2), ("b/0", 4)):
        save(top / f"pred/{name}.png", disk(shift))
        save(top / f"truth/{name}.png", disk())
    return top


def test_means_over_clips_come_before_means_over_frames_in_rvm(tmp_path: Path) -> None:
    wish = options(clips(tmp_path), protocol="rvm", frames=True)
    wish = replace(wish, pair=replace(wish.pair, recursive=True))
    result = evaluate_mattes(wish)
    a0, a1, b0 = (record.scores["mad"] or 0.0 for record in result.records)
    assert result.report.means["mad"] == pytest.approx(((a0 + b0) / 2 + a1) / 2)
    plain = replace(wish, score=replace(wish.score, protocol="plain"))
    assert evaluate_mattes(plain).report.means["mad"] == pytest.approx((a0 + a1 + b0) / 3)


def test_each_folder_is_a_clip_of_its_own(tmp_path: Path) -> None:
    wish = options(clips(tmp_path), frames=True)
    wish = replace(wish, pair=replace(wish.pair, recursive=True))
    dtssd = [record.scores["dtssd"] for record in evaluate_mattes(wish).records]
    change = (disk(2).astype(float) - disk(0)) / 255
    assert dtssd == [None, pytest.approx(100 * np.sqrt((change**2).mean())), None]


# --- what cannot be scored -----------------------------------------------------------------------


def test_bad_pairs_are_named_and_the_rest_is_scored(folders: Path) -> None:
    save(folders / "pred/size.png", disk(size=(30, 30)))
    save(folders / "truth/size.png", disk())
    (folders / "pred/text.png").write_text("no picture")
    save(folders / "truth/text.png", disk())
    save(folders / "pred/alone.png", disk())
    save(folders / "truth/missing.png", disk())
    result = evaluate_mattes(options(folders))
    errors = {name: record.error for name, record in named(result).items() if record.error}
    assert errors.keys() == {"size.png", "text.png", "alone.png", "missing.png"}
    assert "the prediction is 30x30, the truth 50x40" in (errors["size.png"] or "")
    assert "not an image" in (errors["text.png"] or "")
    assert "there is no alpha for it" in (errors["alone.png"] or "")
    assert "there is no prediction for it" in (errors["missing.png"] or "")
    for name, error in errors.items():
        assert name in (error or "")
    assert (result.report.done, result.report.failed, result.exit_code) == (3, 4, 1)
    assert result.report.means == evaluate_mattes_alone(folders)


def evaluate_mattes_alone(folders: Path) -> Mapping[str, float | None]:
    """The means of the three good pairs, without the others."""
    for name in ("size", "text", "alone", "missing"):
        for folder in ("pred", "truth"):
            (folders / folder / f"{name}.png").unlink(missing_ok=True)
    return evaluate_mattes(options(folders)).report.means


def test_trimaps_that_cannot_be_used(folders: Path) -> None:
    save(folders / "trimaps/img1.png", np.where(band(disk()) == 128, 127, 0).astype(np.uint8))
    save(folders / "trimaps/img2.png", band(disk(size=(30, 30))))
    (folders / "trimaps/img10.png").unlink()
    found = named(evaluate_mattes(options(folders, trimaps=True, protocol="dim")))
    assert "no pixel of the trimap is unknown (128); see" in (found["img1.png"].error or "")
    assert "the trimap is 30x30, the mattes are 50x40" in (found["img2.png"].error or "")
    assert "there is no trimap for it" in (found["img10.png"].error or "")


def test_stray_trimap_values_are_said(folders: Path) -> None:
    trimap = band(disk())
    trimap[0, :5] = 77
    save(folders / "trimaps/img1.png", trimap)
    found = named(evaluate_mattes(options(folders, trimaps=True)))
    assert found["img1.png"].notes == ("5 pixels of its trimap are not 0, 128 or 255: not unknown",)
    assert found["img2.png"].notes == ()


def test_a_frame_after_a_broken_one_says_why_it_has_no_dtssd(folders: Path) -> None:
    (folders / "pred/img1.png").write_bytes(b"broken")
    found = named(evaluate_mattes(options(folders, frames=True)))
    assert found["img1.png"].status == "failed"
    assert "dtSSD needs the frame before" in (found["img2.png"].error or "")
    assert "img1.png" in (found["img2.png"].error or "")
    assert found["img10.png"].status == "done"


def test_an_empty_folder_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "pred").mkdir()
    save(tmp_path / "truth/a.png", disk())
    assert evaluate_mattes(options(tmp_path)).exit_code == 1


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"protocol": "dim"}, "give --trimap"),
        ({"region": "unknown"}, "give --trimap"),
        ({"protocol": "rvm", "region": "unknown"}, "its own region"),
        ({"protocol": "composition-1k", "frames": True}, "no dtSSD"),
        ({"sort_by": "dtssd"}, "not measured"),
        ({"protocol": "rvm", "trimaps": True}, "leave --trimap out"),
        ({"region": "whole", "trimaps": True}, "leave --trimap out"),
    ],
)
def test_options_that_contradict_each_other(
    folders: Path, wish: Mapping[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        evaluate_mattes(options(folders, **wish))


def test_other_misuse(folders: Path, tmp_path: Path) -> None:
    wish = options(folders)
    with pytest.raises(UsageError, match="belong together"):
        evaluate_mattes(replace(wish, pair=replace(wish.pair, foreground="x")))
    with pytest.raises(UsageError, match="no kind of report"):
        evaluate_mattes(replace(wish, run=RunOptions(report=(tmp_path / "a.txt",))))
    with pytest.raises(UsageError, match="there is no such alpha"):
        evaluate_mattes(replace(wish, pair=replace(wish.pair, truth=str(tmp_path / "nowhere"))))


# --- reports -------------------------------------------------------------------------------------


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
    pred, truth = np.zeros((8, 12), dtype), np.zeros((8, 12), dtype)
    pred[:, :4], truth[:, 8:] = white, white
    shown = error_map(ImagePair.of(pred, truth), Size(6, 4))
    assert shown.shape == (4, 6, 3)
    assert (shown[:, :2] == (255, 0, 0)).all()
    assert (shown[:, 2:4] == 0).all()
    assert (shown[:, 4:] == (0, 0, 255)).all()


# --- the command ---------------------------------------------------------------------------------


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
    assert objects[0]["scores"].keys() == {"sad", "mse", "mad", "grad", "conn"}
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
