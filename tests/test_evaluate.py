"""``evaluate``: recorded cases through files, pairing, means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from evaluation_files import disk, named, options, save, three_pairs
from metrics_fixture import ENTRIES, FIXTURE, STILLS, needs_fixture, recorded, within

from mattecli.jobs.evaluate import evaluate_mattes
from mattecli.settings.evaluate import EvaluateOptions, PairOptions, ScoreOptions


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    return three_pairs(tmp_path)


@pytest.fixture(scope="module")
def recorded_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fixture's pictures as folders of files."""
    top = tmp_path_factory.mktemp("recorded")
    for name in STILLS:
        for role, image in zip(("pred", "truth", "trimaps"), inputs(name), strict=True):
            save(top / f"stills/{role}/{name}.png", image)
    for number, frame in enumerate(zip(*inputs("sequence"), strict=True)):
        for role, image in zip(("pred", "truth"), frame, strict=True):
            save(top / f"frames/{role}/clip/{number}.png", image)
    for role, image in zip(("colors", "true_colors", "alpha"), inputs("foreground"), strict=True):
        save(top / f"foreground/{role}.png", image)
    return top


def inputs(name: str) -> list[Any]:
    return [FIXTURE.arrays[key] for key in ENTRIES[name]["inputs"]]


def close_to(expected: Mapping[str, Any]) -> dict[str, object]:
    return {metric: within(value) for metric, value in expected.items()}


@needs_fixture
@pytest.mark.parametrize("protocol", ["dim", "mmedit", "rvm", "rvm-hr"])
def test_every_recorded_still(recorded_files: Path, protocol: Any) -> None:
    masked = protocol in ("dim", "mmedit")
    wish = options(recorded_files / "stills", trimaps=masked, protocol=protocol)
    found = named(evaluate_mattes(wish))
    assert found.keys() == {f"{name}.png" for name in STILLS}
    for name in STILLS:
        record = found[f"{name}.png"]
        if masked and name == "none_unknown":
            assert "no pixel of the trimap is unknown" in (record.error or "")
        else:
            assert record.scores == close_to(recorded(name, protocol))


@needs_fixture
@pytest.mark.parametrize("protocol", ["rvm", "rvm-hr"])
def test_the_recorded_clip(recorded_files: Path, protocol: Any) -> None:
    wish = options(recorded_files / "frames", protocol=protocol, frames=True)
    result = evaluate_mattes(replace(wish, pair=replace(wish.pair, recursive=True)))
    expected = recorded("sequence", protocol)["dtssd"]
    assert [r.scores["dtssd"] for r in result.records] == [within(value) for value in expected]
    mean = ENTRIES["sequence"]["values"]["rvm_clip_mean_counting_first_frame"]
    assert result.report.means["dtssd"] == within(mean)


@needs_fixture
def test_the_recorded_foreground(recorded_files: Path) -> None:
    folder = recorded_files / "foreground"
    given = PairOptions(
        pred=str(folder / "alpha.png"),
        truth=str(folder / "alpha.png"),
        foreground=str(folder / "colors.png"),
        true_foreground=str(folder / "true_colors.png"),
    )
    result = evaluate_mattes(EvaluateOptions(pair=given, score=ScoreOptions(protocol="rvm")))
    scores = result.records[0].scores
    expected = recorded("foreground", "rvm")
    assert {metric: scores[metric] for metric in expected} == close_to(expected)


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
