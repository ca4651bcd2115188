"""The journal: what is complete with these settings, what is stale, what failed."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import Cli, Result, load, photo, save

MASK = np.zeros((20, 30), np.uint8)
MASK[5:15, 8:20] = 255
NAME = ".mattecli-journal.jsonl"


@pytest.fixture
def masks(tmp_path: Path) -> Path:
    for number in range(3):
        save(tmp_path / "masks" / f"m{number}.png", np.roll(MASK, number, axis=1))
    return tmp_path / "masks"


def statuses(done: Result) -> list[str]:
    rows = [json.loads(line) for line in done.out.splitlines()]
    return [row["status"] for row in rows if "status" in row]


def test_skip_knows_what_is_stale(cli: Cli, masks: Path, tmp_path: Path) -> None:
    again = ("trimap", masks, "-o", "out", "--existing", "skip", "--json")
    assert statuses(cli(*again)) == ["done"] * 3
    assert statuses(cli(*again)) == ["skipped"] * 3
    assert statuses(cli(*again, "--dilate", "3")) == ["done"] * 3  # other settings
    assert statuses(cli(*again, "--dilate", "3")) == ["skipped"] * 3
    time.sleep(0.01)
    save(masks / "m1.png", np.roll(MASK, 9, axis=1))  # another input under the same name
    assert statuses(cli(*again, "--dilate", "3", "--dry-run")) == ["skipped", "planned", "skipped"]
    assert statuses(cli(*again, "--dilate", "3")) == ["skipped", "done", "skipped"]
    (tmp_path / "out" / "m2-trimap.png").unlink()
    assert statuses(cli(*again, "--dilate", "3")) == ["skipped", "skipped", "done"]


def test_without_an_entry_an_output_that_is_there_is_complete(cli: Cli, masks: Path) -> None:
    assert cli("trimap", masks, "-o", "out", "--journal", "none").code == 0
    assert not Path("out", NAME).exists()
    done = cli("trimap", masks, "-o", "out", "--existing", "skip", "--json", "--dilate", "9")
    assert statuses(done) == ["skipped"] * 3


def test_retry_failed_does_only_what_failed(cli: Cli, masks: Path, tmp_path: Path) -> None:
    whole = (masks / "m1.png").read_bytes()
    (masks / "m1.png").write_bytes(whole[:60])
    assert cli("trimap", masks, "-o", "out").code == 1
    entries = [json.loads(line) for line in (tmp_path / "out" / NAME).read_text().split("\n")[:-1]]
    assert [entry["status"] for entry in entries] == ["done", "failed", "done"]
    assert "m1.png" in entries[1]["error"]
    retry = ("trimap", masks, "-o", "out", "--retry-failed", "--json")
    assert statuses(cli(*retry)) == ["failed"]
    (masks / "m1.png").write_bytes(whole)
    kept = (tmp_path / "out" / "m0-trimap.png").stat().st_mtime_ns
    assert statuses(cli(*retry)) == ["done"]
    assert (tmp_path / "out" / "m0-trimap.png").stat().st_mtime_ns == kept
    nothing = cli(*retry)
    assert (nothing.code, statuses(nothing)) == (0, [])


def test_another_quality_makes_pictures_stale(
    cli: Cli, tmp_path: Path, modnet_weights: Path
) -> None:
    save(tmp_path / "in" / "a.png", photo(70, 60))
    matte = ("matte", "in", "--size", "64", "--weights", modnet_weights, "--format", "webp")
    fill = ("composite", "mattes", "--format", "jpg")
    for command, name in (
        (matte, Path("mattes") / "a-foreground.webp"),
        (fill, Path("composites") / "a-foreground-composite.jpg"),
    ):
        again = (*command, "--existing", "skip", "--json", "--quality")
        assert statuses(cli(*again, "85")) == ["done"]
        fine = (tmp_path / name).stat().st_size
        assert statuses(cli(*again, "85")) == ["skipped"]
        assert statuses(cli(*again, "10")) == ["done"]
        assert (tmp_path / name).stat().st_size < fine


def test_other_weights_make_mattes_stale(cli: Cli, tmp_path: Path, modnet_weights: Path) -> None:
    from safetensors.torch import load_file, save_file

    save(tmp_path / "in" / "a.png", photo(70, 60))
    other = tmp_path / "other.safetensors"
    state = load_file(modnet_weights)
    state["f_branch.conv_f.1.layers.0.bias"] = state["f_branch.conv_f.1.layers.0.bias"] + 2
    save_file(state, other)
    moved = tmp_path / "moved.safetensors"
    moved.write_bytes(modnet_weights.read_bytes())
    again = ("matte", "in", "--size", "64", "-w", "alpha", "--existing", "skip", "--json")
    assert statuses(cli(*again, "--weights", modnet_weights)) == ["done"]
    assert statuses(cli(*again, "--weights", moved)) == ["skipped"]  # the same in another place
    before = load(tmp_path / "mattes" / "a-alpha.png")
    assert statuses(cli(*again, "--weights", other)) == ["done"]
    assert not np.array_equal(before, load(tmp_path / "mattes" / "a-alpha.png"))
    assert statuses(cli(*again, "--weights", other, "--choke", "1")) == ["done"]


def test_what_the_store_says_of_weights_makes_mattes_stale(
    cli: Cli, tmp_path: Path, modnet_weights: Path
) -> None:
    save(tmp_path / "in" / "a.png", photo(70, 60))
    again = ("matte", "in", "-w", "alpha", "--existing", "skip", "--json")
    for side, found in (("64", ["done"]), ("64", ["skipped"]), ("32", ["done"])):
        told = ("--as", "modnet", "--set", f"short_side={side}")
        assert cli("models", "import", modnet_weights, *told).code == 0
        assert statuses(cli(*again)) == found


def test_composites_over_several_backgrounds_are_told_apart(cli: Cli, tmp_path: Path) -> None:
    save(tmp_path / "cut" / "a.png", np.dstack((photo(30, 20), MASK)))
    for name in ("sky", "wall"):
        save(tmp_path / "bgs" / f"{name}.png", photo(30, 20, seed=len(name)))
    again = ("composite", "cut", "-b", "bgs", "--each-background", "-o", "out", "--json")
    again = (*again, "--existing", "skip")
    assert statuses(cli(*again)) == ["done"] * 2
    assert statuses(cli(*again)) == ["skipped"] * 2
    time.sleep(0.01)
    save(tmp_path / "bgs" / "wall.png", photo(30, 20, seed=77))
    assert sorted(statuses(cli(*again))) == ["done", "skipped"]


def test_a_torn_or_foreign_line_harms_nothing(cli: Cli, masks: Path, tmp_path: Path) -> None:
    again = ("trimap", masks, "-o", "out", "--existing", "skip", "--json")
    cli(*again)
    journal = tmp_path / "out" / NAME
    lines = journal.read_bytes().splitlines(keepends=True)
    noise = b'null\n{"input": 3}\n[[[[\n\xff\xfe\n{"a": {"b": 1}}\n'
    journal.write_bytes(noise + b"".join(lines)[:-40])  # the last line was being written
    assert statuses(cli(*again, "--dilate", "2")) == ["done", "done", "skipped"]
    assert statuses(cli(*again, "--dilate", "2")) == ["skipped"] * 3


def test_the_journal_is_no_input_and_no_output(cli: Cli, masks: Path, tmp_path: Path) -> None:
    named = tmp_path / "log" / "run.jsonl"
    assert cli("trimap", masks, "-o", masks, "--journal", named).code == 0
    assert named.read_text().count('"status": "done"') == 3
    assert cli("trimap", masks, "-o", masks).code == 0
    assert (masks / NAME).exists()
    done = cli("trimap", masks, "-o", masks, "--json")
    assert statuses(done) == ["done"] * 3
    single = cli("trimap", masks / "m0.png", "-o", "one.png")
    assert single.code == 0
    assert not (tmp_path / NAME).exists()


def test_what_cannot_be_a_journal_is_refused_before_the_work(
    cli: Cli, masks: Path, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    done = cli("trimap", masks, "-o", "out", "--journal", "folder")
    assert done.code == 2
    assert "folder: the journal cannot be used" in done.err
    assert not (tmp_path / "out").exists()
    blind = cli("trimap", masks / "m0.png", "-o", "one.png", "--retry-failed")
    assert blind.code == 2
    assert "--journal" in blind.err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is full")
def test_a_journal_that_cannot_grow_costs_no_output(cli: Cli, masks: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / NAME).symlink_to("/dev/full")
    done = cli("trimap", masks, "-o", "out")
    assert done.code == 0
    assert f"{NAME}: not written" in done.err
    assert len(list((tmp_path / "out").iterdir())) == 4


class TestOneNameOfTwoPhotos:
    """Outputs of one name are kept only for the photo that they were last made of."""

    @pytest.fixture
    def days(self, tmp_path: Path) -> Path:
        """Masks of the same names and sizes, of the same minute, on two days."""
        for day, name in ((1, "mon"), (9, "tue")):
            for number in range(3):
                path = save(tmp_path / name / f"m{number}.png", np.roll(MASK, day, axis=1))
                os.utime(path, (1e9, 1e9))
        return tmp_path

    @staticmethod
    def run(cli: Cli, day: str | Path, *more: str | Path) -> list[str]:
        return statuses(cli("trimap", day, "-o", "out", "--json", *more))

    def test_anothers_output_is_made_again(self, cli: Cli, days: Path) -> None:
        made = days / "out" / "m0-trimap.png"
        skip = ("--existing", "skip")
        assert self.run(cli, "mon") == ["done"] * 3
        of_monday = load(made)
        assert self.run(cli, "tue", *skip, "--dry-run") == ["planned"] * 3
        done = cli("trimap", "tue", "-o", "out", *skip)
        assert "outputs are there for 3 of the inputs, but were made of others" in done.err
        assert not np.array_equal(load(made), of_monday)
        assert self.run(cli, "tue", *skip) == ["skipped"] * 3
        assert self.run(cli, "mon/m0.png", *skip) == ["done"]  # they were made of it, but not last
        assert np.array_equal(load(made), of_monday)
        assert self.run(cli, "tue", *skip) == ["done", "skipped", "skipped"]

    def test_every_output_counts_not_the_first_alone(self, cli: Cli, days: Path) -> None:
        both = ("--preview", "--existing", "skip")
        assert self.run(cli, "mon", *both) == ["done"] * 3
        assert self.run(cli, "tue", "--name", "{stem}-preview{ext}") == ["done"] * 3
        assert self.run(cli, "mon", *both) == ["done"] * 3
        assert self.run(cli, "mon", *both) == ["skipped"] * 3

    def test_by_whatever_links_the_folders_are_reached(self, cli: Cli, days: Path) -> None:
        (days / "link").symlink_to(days, target_is_directory=True)
        assert self.run(cli, "mon") == ["done"] * 3
        again = ("--existing", "skip", "--json")
        there = cli("trimap", days / "link" / "mon", "-o", days / "link" / "out", *again)
        assert statuses(there) == ["skipped"] * 3
        there = cli("trimap", days / "link" / "tue", "-o", days / "link" / "out", *again)
        assert statuses(there) == ["done"] * 3
        assert self.run(cli, "mon", "--existing", "skip") == ["done"] * 3

    def test_of_a_photo_of_another_format(self, cli: Cli, tmp_path: Path) -> None:
        for name in ("a.jpg", "a.bmp"):
            save(tmp_path / name, MASK)
            assert self.run(cli, name, "--existing", "skip") == ["done"]
        assert self.run(cli, "a.bmp", "--existing", "skip") == ["skipped"]

    def test_a_run_that_was_killed_before_it_could_say_so(self, cli: Cli, days: Path) -> None:
        """What it replaced is nobody's: neither run's photos are taken to be done."""
        journal = days / "out" / NAME
        assert self.run(cli, "mon") == ["done"] * 3
        assert self.run(cli, "tue") == ["done"] * 3
        lines = journal.read_text().splitlines(keepends=True)
        journal.write_text("".join(lines[:-3]))  # its outputs are there, their entries are not
        for day in ("mon", "tue"):
            assert self.run(cli, day, "--existing", "skip", "--dry-run") == ["planned"] * 3
        assert self.run(cli, "tue", "--existing", "skip") == ["done"] * 3
        assert self.run(cli, "tue", "--existing", "skip") == ["skipped"] * 3
        assert self.run(cli, "tue", "--retry-failed") == []

    def test_parts_and_retries_share_one_journal(self, cli: Cli, days: Path) -> None:
        skip = ("--existing", "skip")
        assert self.run(cli, "mon") == ["done"] * 3
        (days / "tue" / "m2.png").write_bytes(b"no picture")
        shards = [self.run(cli, "tue", *skip, "--shard", f"{part}/2") for part in range(2)]
        assert shards == [["done", "failed"], ["done"]]
        assert self.run(cli, "tue", *skip, "--retry-failed") == ["failed"]
        save(days / "tue" / "m2.png", MASK)
        assert self.run(cli, "tue", *skip, "--retry-failed") == ["done"]
        assert self.run(cli, "tue", *skip) == ["skipped"] * 3

    def test_an_older_journal_tells_it_too(self, cli: Cli, days: Path) -> None:
        assert self.run(cli, "mon") == ["done"] * 3
        journal = days / "out" / NAME
        old = [json.loads(line) for line in journal.read_text().splitlines()]
        for entry in old:
            del entry["others"], entry["kinds"]
        journal.write_text("".join(json.dumps(entry) + "\n" for entry in old))
        assert self.run(cli, "mon", "--existing", "skip") == ["skipped"] * 3
        assert self.run(cli, "tue", "--existing", "skip") == ["done"] * 3


class TestOutputsBesideTheirInputs:
    """Whatever outputs are called, a second run does not take them for inputs."""

    @pytest.mark.parametrize("name", ["{stem}_t{ext}", "{stem}-{kind}{ext}"])
    def test_of_trimap(self, cli: Cli, masks: Path, name: str) -> None:
        save(masks / "M1.PNG", MASK)  # m1.png is called like it
        again = ("trimap", masks, "-o", masks, "--name", name, "--existing", "skip", "--json")
        assert statuses(cli(*again)) == ["done"] * 4
        assert statuses(cli(*again)) == ["skipped"] * 4

    def test_of_composite_over_each_background(self, cli: Cli, tmp_path: Path) -> None:
        save(tmp_path / "cut" / "a.png", np.dstack((photo(30, 20), MASK)))
        for name in ("sky", "wall"):
            save(tmp_path / "bgs" / f"{name}.png", photo(30, 20))
        again = ("composite", "cut", "-b", "bgs", "--each-background", "-o", "cut", "--json")
        for expected in ("done", "skipped"):
            assert statuses(cli(*again, "--existing", "skip")) == [expected] * 2

    def test_of_matte_which_trimap_takes(self, cli: Cli, tmp_path: Path) -> None:
        save(tmp_path / "in" / "a.png", photo(30, 20))
        save(tmp_path / "trimaps" / "a.png", np.where(np.arange(30) < 15, MASK, 128).astype("u1"))
        matte = ("matte", "in", "--trimap", "trimaps", "--model", "rw", "-o", "in", "--json")
        named = (*matte, "--name", "{stem}_{kind}{ext}")
        for _ in range(2):
            done = cli(*named)
            assert statuses(done) == ["done"], done.err
        assert cli("trimap", "in", "-o", "in", "--name", "{stem}_t{ext}").code == 0
        assert (tmp_path / "in" / "a_alpha_t.png").exists()
        assert not (tmp_path / "in" / "a_t.png").exists()

    def test_what_took_an_outputs_name_later_is_an_input(self, cli: Cli, masks: Path) -> None:
        again = ("trimap", masks, "-o", masks, "--name", "{stem}_t{ext}", "--json")
        assert statuses(cli(*again)) == ["done"] * 3
        later = time.time() + 60
        save(masks / "m1_t.png", MASK)
        os.utime(masks / "m1_t.png", (later, later))
        done = cli("trimap", masks, "-o", "out", "--dry-run", "--json")
        assert statuses(done) == ["planned"] * 4
        assert "2 files taken for earlier outputs (m0_t.png, m2_t.png)" in done.err
        done = cli("trimap", masks, "-o", masks, "--name", "{stem}_u{ext}", "--dry-run", "--json")
        assert b"m1_t.png" in done.out
        assert b"m0_t.png" not in done.out
        named = cli("trimap", masks / "m0_t.png", "-o", masks, "--name", "{stem}_u{ext}", "--json")
        assert statuses(named) == ["done"]

    def test_another_folders_outputs_are_inputs(self, cli: Cli, masks: Path) -> None:
        assert cli("trimap", masks, "-o", "out", "--name", "{stem}{ext}").code == 0
        done = cli("trimap", "out", "-o", "out", "--name", "{stem}_{kind}{ext}", "--json")
        assert statuses(done) == ["done"] * 3


class TestOutputsBelowTheirInputs:
    """With -r, what runs wrote into folders inside the input's is no input of later ones."""

    @pytest.fixture
    def tree(self, tmp_path: Path) -> Path:
        for name in ("a.png", "sub/b.png"):
            save(tmp_path / name, MASK)
        return tmp_path

    @staticmethod
    def inputs(done: Result) -> list[str]:
        assert done.code == 0, done.err
        rows = [json.loads(line) for line in done.out.splitlines()]
        return [row["input"] for row in rows if "input" in row]

    @pytest.mark.parametrize("journal", [(), ("--journal", "none")])
    def test_of_any_earlier_run(self, cli: Cli, tree: Path, journal: tuple[str, ...]) -> None:
        trimap = ("trimap", ".", "-r", "--preview", "--json")
        assert self.inputs(cli(*trimap, *journal)) == ["a.png", "sub/b.png"]
        done = cli(*trimap, "-o", "other", "--dry-run")
        assert self.inputs(done) == ["a.png", "sub/b.png"]
        assert (
            "4 files taken for earlier outputs"
            " (a-preview.png, a-trimap.png, b-preview.png, ...)" in done.err
        )

    def test_whatever_they_are_called_and_wherever(self, cli: Cli, tree: Path) -> None:
        trimap = ("trimap", ".", "-r", "--json", "--name", "{dir}/x/{stem}_t{ext}")
        for folder in ("one", "two/deep"):
            assert self.inputs(cli(*trimap, "-o", folder)) == ["a.png", "sub/b.png"]
        (tree / "a.png").unlink()  # what is left of it is still no photo
        assert self.inputs(cli(*trimap, "-o", "three", "--dry-run")) == ["sub/b.png"]

    def test_but_photos_that_lie_there_are(self, cli: Cli, tree: Path) -> None:
        assert cli("trimap", ".", "-r").code == 0
        for name in ("trimaps/mine.png", "trimaps/ship-mask.png", "mattes/c.png"):
            save(tree / name, MASK)
        done = cli("trimap", ".", "-r", "-o", "out", "--dry-run", "--json")
        mine = ["a.png", "mattes/c.png", "sub/b.png", "trimaps/mine.png", "trimaps/ship-mask.png"]
        assert self.inputs(done) == mine

    def test_a_folder_of_outputs_that_is_named_is_meant(self, cli: Cli, tree: Path) -> None:
        assert cli("trimap", ".", "-r", "-o", "out").code == 0
        done = cli("trimap", "out", "-r", "-o", "again", "--json", "--repair")
        assert self.inputs(done) == ["out/a-trimap.png", "out/sub/b-trimap.png"]

    def test_those_that_a_command_takes_stand_for_their_photos(self, cli: Cli, tree: Path) -> None:
        known = np.where(np.arange(30) < 15, MASK, 128).astype(np.uint8)
        matte = (
            "matte",
            "a.png",
            "-o",
            "cut",
            "--model",
            "rw",
            "--trimap",
            save(tree.parent / f"{tree.name}-t.png", known),
        )
        assert cli(*matte).code == 0
        done = cli("composite", ".", "-r", "-b", "red", "--dry-run", "--json")
        assert self.inputs(done) == ["cut/a-foreground.png", "sub/b.png"]
        assert "taken for" not in done.err
