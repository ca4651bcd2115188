"""``evaluate`` on pairs that cannot be scored, and on options that make no sense."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import conftest
import numpy as np
import pytest
from evaluation_files import band, disk, named, options, save, three_pairs

from mattecli.errors import UsageError
from mattecli.jobs.evaluate import evaluate_mattes
from mattecli.records import ItemRecord
from mattecli.settings import RunOptions


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    return three_pairs(tmp_path)


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
    assert result.report.means == pytest.approx(means_of_the_good_pairs(folders))


def means_of_the_good_pairs(folders: Path) -> Mapping[str, float | None]:
    for name in ("size", "text", "alone", "missing"):
        for folder in ("pred", "truth"):
            (folders / folder / f"{name}.png").unlink(missing_ok=True)
    return evaluate_mattes(options(folders)).report.means


def test_floats_that_are_no_alpha_are_no_prediction(folders: Path) -> None:
    conftest.save(folders / "pred/img1.tiff", disk().astype(np.float32))
    conftest.save(folders / "pred/img2.tiff", disk().astype(np.float32) / 255)
    for name in ("img1", "img2"):
        (folders / f"pred/{name}.png").unlink()
    found = named(evaluate_mattes(options(folders)))
    assert "has floats from 0 to 255, no alpha of 0 to 1" in (found["img1.tiff"].error or "")
    assert found["img2.tiff"].status == "done"


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
    result = evaluate_mattes(options(tmp_path))
    assert result.exit_code == 1
    assert "there is no image in this folder" in (result.records[0].error or "")
    (tmp_path / "pred").rmdir()
    with pytest.raises(UsageError, match="there is no such file"):
        evaluate_mattes(options(tmp_path))


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


class StopsAfter:
    """An observer that interrupts the run when so many inputs have ended."""

    def __init__(self, count: int) -> None:
        self._left = count

    def started(self, total: int) -> None:
        assert total > self._left

    def note(self, text: str, *, detail: bool = False) -> None:
        raise AssertionError(text)

    def item(self, record: ItemRecord) -> None:
        self._left -= 1
        if self._left == 0:
            raise KeyboardInterrupt

    def finished(self, report: object) -> None:
        pass


def test_an_interrupted_run_reports_what_it_reached(folders: Path) -> None:
    save(folders / "truth/missing.png", disk())
    run = RunOptions(report=(folders / "page.html",))
    result = evaluate_mattes(replace(options(folders), run=run), StopsAfter(2))
    assert result.exit_code == 130
    assert [Path(record.source).name for record in result.records][:2] == ["img1.png", "img2.png"]
    counted = result.report.done + result.report.failed
    assert result.report.interrupted
    assert len(result.records) == counted  # all that had ended or was known
    assert "img2.png</h3>" in (folders / "page.html").read_text("utf-8")


def test_an_interrupted_run_lists_a_known_failure_beyond_what_it_left_open(folders: Path) -> None:
    for index in range(20, 60):  # more than one worker takes at once
        save(folders / f"pred/img{index}.png", disk())
        save(folders / f"truth/img{index}.png", disk())
    save(folders / "truth/missing.png", disk())
    run = RunOptions(report=(folders / "page.csv",), workers=1)
    result = evaluate_mattes(replace(options(folders), run=run), StopsAfter(1))
    names = [Path(record.source).name for record in result.records]
    assert names[0] == "img1.png"
    assert names[-1] == "missing.png"
    assert "img59.png" not in names
    assert len(names) == result.report.done + result.report.failed
    assert "missing.png" in (folders / "page.csv").read_text("utf-8")
