"""What a job's report tells a program of the inputs that failed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mattecli.jobs.evaluate import evaluate_mattes
from mattecli.jobs.matte import matte_images
from mattecli.jobs.runner import Silent
from mattecli.jobs.trimap import make_trimaps
from mattecli.jobs.video import matte_videos
from mattecli.records import ItemRecord, Report
from mattecli.settings import (
    EvaluateOptions,
    InputOptions,
    MatteOptions,
    ModelOptions,
    OutputOptions,
    PairOptions,
    RunOptions,
    TrimapCommandOptions,
    VideoOptions,
    VideoOutputOptions,
)
from tests.conftest import photo, save
from tests.video_clips import make_clip


class Kept(Silent):
    """Keeps all records."""

    def __init__(self) -> None:
        self.records: list[ItemRecord] = []

    def item(self, record: ItemRecord) -> None:
        self.records.append(record)


def told(report: Report) -> list[tuple[str, str]]:
    """File name and reason of each failure."""
    assert all(record.status == "failed" for record in report.failures)
    return [(Path(record.source).name, record.error or "") for record in report.failures]


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two photos of which one is cut off, with a trimap for one."""
    monkeypatch.chdir(tmp_path)
    trimap = np.repeat(np.array([0, 128, 255], np.uint8), 20)
    save(tmp_path / "trimaps" / "a.png", np.tile(trimap, (40, 1)))
    save(tmp_path / "photos" / "a.png", photo(60, 40))
    whole = save(tmp_path / "photos" / "b.png", photo(60, 40, 1)).read_bytes()
    (tmp_path / "photos" / "b.png").write_bytes(whole[: len(whole) // 2])
    save(tmp_path / "photos" / "c.png", photo(60, 40, 2))
    return tmp_path / "photos"


def test_failures_of_photos_are_named_with_their_reasons(photos: Path) -> None:
    observer = Kept()
    report = matte_images(
        MatteOptions(
            source=InputOptions(inputs=photos),
            target=OutputOptions(output="out"),
            model=ModelOptions(model="closed-form", trimap="trimaps"),
        ),
        observer,
    )
    assert (report.done, report.failed) == (1, 2)
    (cut_off, lone) = told(report)
    assert cut_off[0] == "b.png"
    assert lone[0] == "c.png"
    assert "no trimap" in lone[1] or "partner" in lone[1]
    seen = [record for record in observer.records if record.status == "failed"]
    assert [record.error for record in seen] == [error for _, error in (cut_off, lone)]
    assert all(record.trouble is not None for record in seen)
    assert all(record.trouble is None for record in report.failures)  # it holds frames


def test_failures_of_other_jobs(photos: Path) -> None:
    (photos / "b.png").unlink()
    (photos / "b.png").write_bytes(b"nothing")
    masks = make_trimaps(
        TrimapCommandOptions(source=InputOptions(inputs=photos / "b.png"), target=OutputOptions())
    )
    assert [name for name, _ in told(masks)] == ["b.png"]
    scores = evaluate_mattes(EvaluateOptions(pair=PairOptions(pred=photos, truth="trimaps")))
    assert "c.png" in [name for name, _ in told(scores.report)]


def test_failures_of_videos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_clip(Path("good.mp4"), frames=2)
    Path("bad.mp4").write_bytes(b"nothing")
    report = matte_videos(
        VideoOptions(
            source=InputOptions(inputs=("bad.mp4", "good.mp4")),
            target=VideoOutputOptions(output="out"),
            model=ModelOptions(model="modnet", size=64),
        )
    )
    assert (report.done, report.failed) == (1, 1)
    assert [name for name, _ in told(report)] == ["bad.mp4"]


def test_the_first_thousand_are_kept_and_all_are_counted(photos: Path) -> None:
    missing = [f"missing{number}.png" for number in range(1005)]
    report = make_trimaps(
        TrimapCommandOptions(
            source=InputOptions(inputs=missing), run=RunOptions(dry_run=True, quiet=True)
        )
    )
    assert report.failed == 1005
    assert [name for name, _ in told(report)] == missing[:1000]
