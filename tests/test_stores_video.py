"""Videos in an S3 bucket: fetched, worked on here, put back when whole."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest

from tests.conftest import Cli
from tests.faults import mounted
from tests.store_server import Bucket
from tests.test_cli_video import small_clip

pytest.importorskip("moto", reason="the S3 server of the tests (moto) is not installed")
pytest.importorskip("s3fs", reason="mattecli[cloud] is not installed")


def test_clips_of_a_bucket_are_cut_out_as_here(
    cli: Cli, modnet_weights: Path, tmp_path: Path, bucket: Bucket
) -> None:
    small_clip(tmp_path / "in" / "a.mp4")
    (tmp_path / "in" / "bad.mp4").write_bytes(b"no video")
    bucket.fill(tmp_path / "in", "in")
    words = ("-w", "alpha", "--weights", modnet_weights, "--size", "64", "--format", "mkv")
    assert cli("video", "in", "-o", "here", *words).code == 1
    done = cli("video", f"{bucket.url}/in", "-o", f"{bucket.url}/out", *words, "--json")
    assert done.code == 1
    records = [json.loads(line) for line in done.out.splitlines()]
    assert records[0]["outputs"] == {"alpha": f"{bucket.url}/out/a-alpha.mkv"}
    assert (records[0]["input"], records[0]["width"]) == (f"{bucket.url}/in/a.mp4", 96)
    assert records[1]["error"].startswith(f"{bucket.url}/in/bad.mp4: ")
    assert bucket.outputs("out/") == ["out/a-alpha.mkv"]
    assert bucket.get("out/a-alpha.mkv") == (tmp_path / "here" / "a-alpha.mkv").read_bytes()
    again = cli(
        "video", f"{bucket.url}/in/a.mp4", "-o", f"{bucket.url}/out/", *words, "--existing", "skip"
    )
    assert "1 skipped" in again.err

    bucket.refuse("PutObject")
    refused = cli("video", "in/a.mp4", "-o", f"{bucket.url}/no/", *words)
    assert refused.code == 1
    assert f"{bucket.url}/no/a-alpha.mkv: the store does not let it be written" in refused.err


def test_a_full_temporary_folder_is_named_beside_the_object(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, modnet_weights: Path, tmp_path: Path, bucket: Bucket
) -> None:
    clip = small_clip(tmp_path / "a.mp4")
    given = ("video", clip, "-o", f"{bucket.url}/a.mkv", "-w", "alpha", "--size", "64")
    with mounted(tmp_path / "temporary", "size=12k") as full:
        monkeypatch.setattr(tempfile, "tempdir", str(full))
        done = cli(*given, "--weights", modnet_weights)
    assert done.code == 1
    (line,) = [line for line in done.err.splitlines() if line.startswith("failed: ")]
    assert line.startswith(f"failed: {bucket.url}/a.mkv: the disk is full")
    assert f"(in the folder for temporary files, {full}); set TMPDIR to a folder with room" in line
    assert bucket.outputs("") == []


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        (("-o", "{url}/f/%06d.png"), "numbered images"),
        (("-o", "{url}/a.mov", "--resume"), "--resume is for files here"),
        (("-o", "a.mov", "--trimap", "{url}/t.png"), "only videos and their results"),
    ],
)
def test_what_does_not_fit_a_store_is_refused_in_one_line(
    cli: Cli, tmp_path: Path, words: tuple[str, ...], cause: str, bucket: Bucket
) -> None:
    small_clip(tmp_path / "a.mp4", frames=1)
    done = cli("video", "a.mp4", *(word.format(url=bucket.url) for word in words))
    assert done.code == 2
    assert cause in done.err
    assert done.err.count("\n") == 1
