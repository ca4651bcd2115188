"""Photos and results in an S3 bucket, by a real server on loopback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from uuid import uuid4

import cv2
import numpy as np
import pytest

from tests.conftest import Cli, load, outputs_in, photo, save
from tests.store_server import PLACE, Bucket

pytest.importorskip("moto", reason="the S3 server of the tests (moto) is not installed")
pytest.importorskip("s3fs", reason="mattecli[cloud] is not installed")


def masks(folder: Path, count: int, side: int = 40) -> None:
    for number in range(count):
        mask = np.zeros((side, side + number % 7), np.uint8)
        mask[5 : 20 + number % 9, 8:30] = 255
        save(folder / f"m{number}.png", mask)


def same_as_here(bucket: Bucket, below: str, folder: Path) -> bool:
    here = {path.name: path.read_bytes() for path in outputs_in(folder)}
    there = {key.rpartition("/")[2]: bucket.get(key) for key in bucket.outputs(below)}
    return here == there


def test_trimaps_from_bucket_to_bucket_are_those_of_files(
    cli: Cli, tmp_path: Path, bucket: Bucket
) -> None:
    masks(tmp_path / "masks", 12)
    bucket.fill(tmp_path / "masks", "in")
    assert cli("trimap", "masks", "-o", "here").code == 0
    done = cli("trimap", f"{bucket.url}/in", "-o", f"{bucket.url}/out/", "--json")
    assert done.code == 0
    assert done.err.splitlines()[-1].startswith("12 done, of 12, in ")
    assert same_as_here(bucket, "out/", tmp_path / "here")
    first = json.loads(done.out.splitlines()[0])
    assert first["input"] == f"{bucket.url}/in/m0.png"
    assert first["outputs"] == {"trimap": f"{bucket.url}/out/m0-trimap.png"}
    assert bucket.unfinished() == []


def test_folders_names_patterns_and_lists(cli: Cli, tmp_path: Path, bucket: Bucket) -> None:
    masks(tmp_path / "masks", 3)
    for below in ("in", "in/deep", "in/deep/er"):
        bucket.fill(tmp_path / "masks", below)
    bucket.put("in/.hidden.png", b"no")
    bucket.put("in/readme.txt", b"no")

    def outputs(*arguments: str) -> set[str]:
        place = f"{bucket.url}/{uuid4().hex}"
        done = cli("trimap", *arguments, "-o", place)
        assert done.code == 0, done.err
        below = place.removeprefix(f"{bucket.url}/")
        return {key.removeprefix(f"{below}/") for key in bucket.outputs(f"{below}/")}

    flat = {f"m{number}-trimap.png" for number in range(3)}
    assert outputs(f"{bucket.url}/in") == flat
    assert outputs(f"{bucket.url}/in/", "-r") == {
        f"{folder}{name}" for folder in ("", "deep/", "deep/er/") for name in flat
    }
    assert outputs(f"{bucket.url}/in/m[12].png") == {"m1-trimap.png", "m2-trimap.png"}
    assert outputs(f"{bucket.url}/in/deep/**/m1.png") == {"m1-trimap.png", "er/m1-trimap.png"}
    listed = "\n".join(f"{bucket.url}/in/deep/m{number}.png" for number in range(3))
    (tmp_path / "list.txt").write_text(listed)
    assert outputs("--files-from", "list.txt") == flat
    bucket.put("list.txt", listed.encode())
    assert outputs("--files-from", f"{bucket.url}/list.txt") == flat


def test_mixed_places_companions_and_reports(cli: Cli, tmp_path: Path, bucket: Bucket) -> None:
    """Photos here, trimaps there; cut-outs there, backgrounds there, composites here."""
    picture = photo(60, 50)
    save(tmp_path / "photos" / "a.png", picture)
    trimap = np.full((50, 60), 128, np.uint8)
    trimap[:10], trimap[40:] = 0, 255
    bucket.put("trimaps/a-trimap.png", cv2.imencode(".png", trimap)[1].tobytes())
    solved = ("matte", "photos", "--model", "closed-form", "--trimap", f"{bucket.url}/trimaps")
    done = cli(*solved, "-o", f"{bucket.url}/cut", "--report", f"{bucket.url}/run.jsonl")
    assert done.code == 0, done.err
    assert bucket.outputs("cut/") == ["cut/a-alpha.png", "cut/a-foreground.png"]
    lines = [json.loads(line) for line in bucket.get("run.jsonl").splitlines()]
    assert lines[0]["companions"] == {"trimap": f"{bucket.url}/trimaps/a-trimap.png"}
    assert lines[-1]["done"] == 1

    bucket.put("blue.png", cv2.imencode(".png", np.full((9, 9, 3), 200, np.uint8))[1].tobytes())
    over = ("composite", f"{bucket.url}/cut", "-b", f"{bucket.url}/blue.png")
    done = cli(*over, "-o", "here", "--report", f"{bucket.url}/page.html")
    assert done.code == 0, done.err
    assert load(tmp_path / "here" / "a-foreground-composite.png").shape == (50, 60, 3)
    assert b"a-foreground-composite.png" in bucket.get("page.html")

    bucket.put("truth/a.png", bucket.get("cut/a-alpha.png"))
    scored = cli("evaluate", f"{bucket.url}/cut", f"{bucket.url}/truth", "--json")
    assert scored.code == 0, scored.err
    assert json.loads(scored.out.splitlines()[0])["input"] == f"{bucket.url}/cut/a-alpha.png"


def test_a_file_url_is_a_file(cli: Cli, tmp_path: Path) -> None:
    masks(tmp_path / "a b", 2)
    done = cli("trimap", f"file://{tmp_path}/a%20b", "-o", f"file://{tmp_path}/out")
    assert done.code == 0, done.err
    assert len(outputs_in(tmp_path / "out")) == 2


def run_killed_after(bucket: Bucket, below: str, count: int, tmp_path: Path, *words: str) -> None:
    """The program, killed without warning once some outputs are there."""
    process = subprocess.Popen(
        [sys.executable, "-m", "mattecli", *words],
        cwd=tmp_path, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    end = time.monotonic() + 120
    while len(bucket.outputs(below)) < count and time.monotonic() < end:
        assert process.poll() is None, "it ended before it was killed"
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()


def test_a_killed_run_leaves_whole_outputs_and_goes_on(
    cli: Cli, tmp_path: Path, bucket: Bucket
) -> None:
    masks(tmp_path / "masks", 80, side=400)
    bucket.fill(tmp_path / "masks", "in")
    assert cli("trimap", "masks", "-o", "here").code == 0
    words = ("trimap", f"{bucket.url}/in", "-o", f"{bucket.url}/out")
    run_killed_after(bucket, "out/", 10, tmp_path, *words)
    kept = bucket.outputs("out/")
    assert 10 <= len(kept) < 80
    for key in kept:
        assert bucket.get(key) == (tmp_path / "here" / key.rpartition("/")[2]).read_bytes()
    done = cli(*words, "--existing", "skip")
    assert done.code == 0
    assert f"{80 - len(kept)} done, {len(kept)} skipped" in done.err
    assert same_as_here(bucket, "out/", tmp_path / "here")


def test_the_journal_in_a_bucket_knows_what_is_stale_and_what_failed(
    cli: Cli, tmp_path: Path, bucket: Bucket
) -> None:
    masks(tmp_path / "masks", 4)
    bucket.fill(tmp_path / "masks", "in")
    bucket.put("in/m9.png", b"\x89PNG\r\n\x1a\n damaged")
    words = ("trimap", f"{bucket.url}/in", "-o", f"{bucket.url}/out", "--existing", "skip")
    assert cli(*words).code == 1
    assert "4 skipped" in cli(*words).err
    stale = cli(*words, "--dilate", "3")
    assert "4 done" in stale.err
    assert "4 skipped" in cli(*words, "--dilate", "3").err
    bucket.put("in/m9.png", bucket.get("in/m1.png"))
    mended = cli(*words, "--dilate", "3", "--retry-failed")
    assert (mended.code, mended.err) == (0, "")
    assert "out/m9-trimap.png" in bucket.outputs("out/")
    bucket.put("in/m0.png", bucket.get("in/m3.png"))
    assert "1 done, 4 skipped" in cli(*words, "--dilate", "3").err


def test_a_bucket_that_refuses_writes_is_named_for_each_file(
    cli: Cli, tmp_path: Path, bucket: Bucket
) -> None:
    masks(tmp_path / "masks", 3)
    bucket.fill(tmp_path / "masks", "in")
    bucket.refuse("PutObject")
    done = cli("trimap", f"{bucket.url}/in", "-o", f"{bucket.url}/out", "--json")
    assert done.code == 1
    records = [json.loads(line) for line in done.out.splitlines()]
    assert records[-1]["failed"] == 3
    for number, record in enumerate(records[:-1]):
        assert record["error"].startswith(f"{bucket.url}/out/m{number}-trimap.png: ")
        assert "does not let it be written" in record["error"]
        assert "policy" in record["error"]
        assert f"failed: {record['error']}" in done.err
    assert bucket.outputs("out/") == []


def test_what_is_not_there_is_named(cli: Cli, tmp_path: Path, bucket: Bucket) -> None:
    masks(tmp_path / "masks", 1)
    bucket.fill(tmp_path / "masks", "in")
    missing = cli("trimap", f"{bucket.url}/in/m0.png", f"{bucket.url}/no.png", "-o", "here")
    assert missing.code == 1
    assert f"{bucket.url}/no.png: there is no such object; check the name" in missing.err
    nowhere = cli("trimap", "masks", "-o", "s3://no-such-bucket-here/out")
    assert nowhere.code == 1
    assert "there is no bucket no-such-bucket-here" in nowhere.err
    assert "Traceback" not in nowhere.err


def test_outputs_never_take_the_place_of_inputs_there(
    cli: Cli, tmp_path: Path, bucket: Bucket
) -> None:
    masks(tmp_path / "masks", 1)
    bucket.fill(tmp_path / "masks", "in")
    done = cli("trimap", f"{bucket.url}/in", "-o", f"{bucket.url}/in", "--name", "{name}")
    assert done.code == 2
    assert "would overwrite the input" in done.err
    again = cli("trimap", f"{bucket.url}/in/m0.png", "-o", f"{bucket.url}/x.png")
    assert again.code == 0
    held = cli(
        "trimap", f"{bucket.url}/in/m0.png", "-o", f"{bucket.url}/x.png", "--existing", "error"
    )
    assert held.code == 1
    assert "exists already" in held.err


@pytest.mark.parametrize("url", ["http://a.b/c.png", "ftp://a/b", "s3://"])
def test_other_places_are_refused_in_one_line(cli: Cli, url: str) -> None:
    done = cli("trimap", url)
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert "s3://" in done.err


def test_without_the_extra_the_way_to_it_is_said(tmp_path: Path) -> None:
    hidden = "import sys; sys.modules['fsspec'] = None; from mattecli.__main__ import main; main()"
    for url, extra in (("s3://bucket/a.png", "cloud"), ("gs://bucket/a.png", "gcs")):
        done = subprocess.run(
            [sys.executable, "-c", hidden, "trimap", url],
            capture_output=True, text=True, cwd=tmp_path, check=False, timeout=60,
            env=os.environ | PLACE,
        )  # fmt: skip
        assert done.returncode == 2
        assert f"pip install 'mattecli[{extra}]'" in done.stderr
        assert done.stderr.count("\n") == 1
