"""Whole folders: failures, resuming, reports, memory."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import Cli, load, outputs_in, photo, save

SMALL = ("--model", "modnet", "--size", "64")


def many(folder: Path, count: int) -> Path:
    for number in range(count):
        save(folder / f"p{number}.jpg", photo(64, 48, seed=number))
    return folder


def ten_bad(folder: Path) -> list[str]:
    """Ten files that are no photos, each in its own way."""
    whole = save(folder / "whole.png", photo(64, 48)).read_bytes()
    jpeg = save(folder / "whole.jpg", photo(64, 48)).read_bytes()
    (folder / "whole.png").unlink()
    (folder / "whole.jpg").unlink()
    contents = {
        "bad-empty.png": b"",
        "bad-text.jpg": b"this is no picture\n",
        "bad-cut.png": whole[: len(whole) // 2],
        "bad-cut.jpg": jpeg[: len(jpeg) // 2],
        "bad-header.png": whole[:20],
        "bad-zeros.tiff": bytes(500),
        "bad-html.webp": b"<html></html>",
        "bad-bomb.png": whole[:16] + (60_000).to_bytes(4, "big") * 2 + whole[24:],
        "bad-one.bmp": b"B",
    }
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    (folder / "bad-dangling.png").symlink_to(folder / "nowhere.png")
    return [*contents, "bad-dangling.png"]


def test_ten_bad_files_among_a_hundred_good(cli: Cli, tmp_path: Path, modnet_weights: Path) -> None:
    folder = many(tmp_path / "photos", 100)
    bad = ten_bad(folder)
    done = cli(
        "matte", folder, *SMALL, "--weights", modnet_weights, "-w", "alpha", "--json",
        "--report", "report.jsonl",
    )  # fmt: skip
    assert done.code == 1
    assert len(outputs_in(tmp_path / "mattes")) == 100
    *records, summary = [json.loads(line) for line in done.out.splitlines()]
    assert (summary["done"], summary["failed"], summary["total"]) == (100, 10, 110)
    assert summary["exit_status"] == 1
    failed = {Path(r["input"]).name: r["error"] for r in records if r["status"] == "failed"}
    assert sorted(failed) == sorted(bad)
    for name, reason in failed.items():
        assert name in reason
        assert f"failed: {reason}" in done.err
    assert "traceback" not in done.err.lower()
    *lines, last = [json.loads(line) for line in Path("report.jsonl").read_text().splitlines()]
    assert [(r["input"], r["status"], r["error"]) for r in lines] == [
        (r["input"], r["status"], r["error"]) for r in records
    ]
    assert last["summary"] is True
    assert {k: v for k, v in last.items() if k != "seconds"} == {
        k: v for k, v in summary.items() if k != "seconds"
    }
    assert lines[-1]["status"] == "done"
    assert len(lines[0]["settings"]["weights_sha256"]) == 64
    assert set(lines[-1]["seconds"]) == {"decode", "network", "finish"}


def test_order_is_natural_and_follows_the_arguments(
    cli: Cli, tmp_path: Path, modnet_weights: Path
) -> None:
    many(tmp_path / "photos", 12)
    done = cli("matte", "photos", *SMALL, "--weights", modnet_weights, "-w", "alpha", "--json")
    names = [Path(json.loads(line)["input"]).stem for line in done.out.splitlines()[:-1]]
    assert names == [f"p{number}" for number in range(12)]


def test_fail_fast_stops_and_says_what_was_not_reached(
    cli: Cli, tmp_path: Path, modnet_weights: Path
) -> None:
    many(tmp_path / "photos", 40)
    (tmp_path / "photos" / "p0.jpg").write_bytes(b"no")
    done = cli(
        "matte", "photos", *SMALL, "--weights", modnet_weights, "-w", "alpha", "--fail-fast",
        "--json",
    )  # fmt: skip
    assert done.code == 1
    summary = json.loads(done.out.splitlines()[-1])
    assert summary["failed"] == 1
    assert summary["done"] == len(list(Path("mattes").glob("*.png"))) < 39
    assert f"{39 - summary['done']} not reached" in done.err


def test_existing_skip_overwrite_and_error(cli: Cli, tmp_path: Path, modnet_weights: Path) -> None:
    many(tmp_path / "photos", 3)
    common = ("matte", "photos", *SMALL, "--weights", modnet_weights, "--json")
    assert cli(*common).code == 0
    first = {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in outputs_in(Path("mattes"))}
    Path("mattes/p1-foreground.png").unlink()
    again = cli(*common, "--existing", "skip")
    assert again.code == 0
    statuses = [json.loads(line)["status"] for line in again.out.splitlines()[:-1]]
    assert statuses == ["skipped", "done", "skipped"]
    for path in outputs_in(Path("mattes")):
        assert path.read_bytes() == first[path.name][0]
    assert Path("mattes/p0-alpha.png").stat().st_mtime_ns == first["p0-alpha.png"][1]
    refused = cli(*common, "--existing", "error")
    assert refused.code == 1
    assert "exists" in refused.err
    assert Path("mattes/p0-alpha.png").stat().st_mtime_ns == first["p0-alpha.png"][1]


def test_dry_run_lists_and_writes_nothing(cli: Cli, tmp_path: Path) -> None:
    many(tmp_path / "photos", 2)
    done = cli("matte", "photos", "--model", "modnet", "--dry-run")
    assert done.code == 0
    assert "p0-alpha.png" in done.err
    assert not Path("mattes").exists()
    as_json = cli("matte", "photos", "--model", "modnet", "--dry-run", "--json")
    record = json.loads(as_json.out.splitlines()[0])
    assert record["status"] == "planned"
    assert record["outputs"]["alpha"].endswith("p0-alpha.png")


def start(arguments: list[str], cwd: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "mattecli", *arguments],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ.copy(),
    )


def wait_for_outputs(folder: Path, count: int) -> None:
    deadline = time.monotonic() + 60
    while len(list(folder.glob("*.png"))) < count:
        assert time.monotonic() < deadline, "the run wrote nothing"
        time.sleep(0.01)


def test_kill_9_then_skip_gives_what_an_undisturbed_run_gives(
    cli: Cli, tmp_path: Path, modnet_weights: Path
) -> None:
    many(tmp_path / "photos", 60)
    common = ["matte", "photos", *SMALL, "--weights", str(modnet_weights)]
    assert cli(*common, "-o", "undisturbed/").code == 0
    wanted = {path.name: path.read_bytes() for path in outputs_in(Path("undisturbed"))}
    for after in (1, 30, 77):
        process = start([*common, "-o", "killed/", "--existing", "skip"], tmp_path)
        wait_for_outputs(tmp_path / "killed", after)
        process.kill()
        process.communicate()
        for path in outputs_in(Path("killed")):
            if not path.name.startswith("."):
                assert path.read_bytes() == wanted[path.name]
    assert cli(*common, "-o", "killed/", "--existing", "skip").code == 0
    found = {p.name: p.read_bytes() for p in outputs_in(Path("killed")) if p.name[0] != "."}
    assert found == wanted


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_cleanly_and_lists_what_is_done(
    tmp_path: Path, modnet_weights: Path, number: signal.Signals
) -> None:
    many(tmp_path / "photos", 400)
    process = start(
        ["matte", "photos", *SMALL, "--weights", str(modnet_weights), "--json", "-w", "alpha"],
        tmp_path,
    )
    wait_for_outputs(tmp_path / "mattes", 3)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    *records, summary = [json.loads(line) for line in out.splitlines()]
    assert summary["interrupted"] is True
    assert 3 <= summary["done"] == len(records) < 400
    assert b"interrupted" in err
    assert b"Traceback" not in err
    assert not [p for p in outputs_in(tmp_path / "mattes") if p.name[0] == "."]
    for record in records:
        assert load(tmp_path / record["outputs"]["alpha"]).shape == (48, 64)


def test_a_full_report_survives_a_signal(tmp_path: Path, modnet_weights: Path) -> None:
    many(tmp_path / "photos", 200)
    process = start(
        ["matte", "photos", *SMALL, "--weights", str(modnet_weights), "--report", "r.jsonl"],
        tmp_path,
    )
    wait_for_outputs(tmp_path / "mattes", 3)
    process.terminate()
    process.communicate(timeout=60)
    *records, summary = [json.loads(x) for x in (tmp_path / "r.jsonl").read_text().splitlines()]
    assert summary["interrupted"] is True
    assert len(records) == summary["done"]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="nothing tells what is held")
def test_memory_does_not_grow_with_the_number_of_inputs(
    tmp_path: Path, modnet_weights: Path
) -> None:
    """One photo or result of each, kept by mistake, would be 50 to 350 MB."""
    base = [save(tmp_path / "base" / f"p{n}.jpg", photo(256, 192, seed=n)) for n in range(10)]
    (tmp_path / "photos").mkdir()
    for number in range(400):
        os.link(base[number % 10], tmp_path / "photos" / f"p{number}.jpg")
    command = [sys.executable, "-m", "mattecli", "matte", "photos", *SMALL, "--json", "-q"]
    held = {}
    with subprocess.Popen(
        [*command, "--weights", str(modnet_weights)], stdout=subprocess.PIPE, cwd=tmp_path
    ) as running:
        for number, _line in enumerate(running.stdout or ()):
            if number in (100, 390):
                pages = int(Path(f"/proc/{running.pid}/statm").read_text().split()[1])
                held[number] = pages * os.sysconf("SC_PAGE_SIZE") / 1e6
    assert running.returncode == 0
    assert len(outputs_in(tmp_path / "mattes")) == 800
    assert held[390] - held[100] < 30, held


def test_a_read_only_folder_is_named(cli: Cli, tmp_path: Path, modnet_weights: Path) -> None:
    many(tmp_path / "photos", 2)
    (tmp_path / "taken").write_text("a file where a folder should be")
    done = cli("matte", "photos", *SMALL, "--weights", modnet_weights, "-o", "taken/inner/")
    assert done.code == 1
    assert "taken" in done.err
    assert done.err.count("failed:") == 2


def test_shards_do_all_inputs_once(cli: Cli, tmp_path: Path, modnet_weights: Path) -> None:
    many(tmp_path / "photos", 7)
    common = ("matte", "photos", *SMALL, "--weights", modnet_weights, "-w", "alpha")
    for part in range(3):
        assert cli(*common, "--shard", f"{part}/3").code == 0
    assert len(outputs_in(Path("mattes"))) == 7
    assert cli(*common, "--shard", "3/3").code == 2
    assert cli(*common, "--shard", "x").code == 2


def test_debug_shows_the_traceback(cli: Cli, tmp_path: Path, modnet_weights: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"")
    done = cli("matte", "bad.png", *SMALL, "--weights", modnet_weights, "--debug")
    assert done.code == 1
    assert "Traceback" in done.err


def test_the_html_report_shows_errors_first_and_loads_nothing(
    cli: Cli, tmp_path: Path, modnet_weights: Path
) -> None:
    many(tmp_path / "photos", 3)
    (tmp_path / "photos" / "p9<script>.jpg").write_bytes(b"no")
    done = cli("matte", "photos", *SMALL, "--weights", modnet_weights, "--report", "r.html")
    assert done.code == 1
    page = Path("r.html").read_text()
    assert "<script>.jpg" not in page
    assert page.index("p9&lt;script&gt;") < page.index("p0.jpg")
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert page.count("data:image/") >= 9


def test_eight_bits_are_rounded_not_truncated(
    cli: Cli, tmp_path: Path, modnet_weights: Path
) -> None:
    """Sixteen bits of the same alpha tell."""
    many(tmp_path / "photos", 1)
    common = ("matte", "photos", *SMALL, "--weights", modnet_weights, "-w", "alpha")
    assert cli(*common, "-o", "a8.png").code == 0
    assert cli(*common, "-o", "a16.png", "--bit-depth", "16").code == 0
    eight, sixteen = load(Path("a8.png")), load(Path("a16.png"))
    assert np.array_equal(eight, np.rint(sixteen / 257.0).astype(np.uint8))
