"""Names of inputs and outputs, ordinary and hostile."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import Cli, load, outputs_in, photo, save

MASK = np.zeros((20, 30), np.uint8)
MASK[5:15, 8:20] = 255

HOSTILE = [
    "with space.png",
    "new\nline.png",
    "-leading-dash.png",
    "%d percent %s.png",
    "quote'\"`$(touch canary).png",
    "[brackets]*?.png",
    "ünïcödé-名前.png",
    "dots..in..it.png",
    "tab\tand\x07bell.png",
    "x" * 251 + ".png",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_work_in_folders_and_as_arguments(
    cli: Cli, tmp_path: Path, name: str
) -> None:
    save(tmp_path / "in" / "plain.png", MASK).rename(tmp_path / "in" / name)
    by_folder = cli("trimap", "in", "-o", "a/", "--json")
    assert by_folder.code == 0, by_folder.err
    by_name = cli("trimap", "-o", "b/", "--json", "--", str(tmp_path / "in" / name))
    assert by_name.code == 0, by_name.err
    record = json.loads(by_name.out.splitlines()[0])
    assert Path(record["input"]).name == name
    assert load(Path(record["outputs"]["trimap"])).shape == MASK.shape
    assert len(outputs_in(tmp_path / "a")) == 1
    assert not (tmp_path / "canary").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="such names exist on Linux alone")
def test_a_name_that_is_no_utf8(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "in" / os.fsdecode(b"n\xffame.png")
    save(tmp_path / "in" / "plain.png", MASK).rename(path)
    done = cli("trimap", "in", "-o", "a/", "--json")
    assert done.code == 0, done.err
    assert [os.fsencode(p.name) for p in outputs_in(tmp_path / "a")] == [b"n\xffame-trimap.png"]
    assert json.loads(done.out.splitlines()[0])["input"] == os.fspath(path.relative_to(tmp_path))
    path.rename(path.with_suffix(".txt"))
    missing = cli("trimap", path)
    assert missing.code == 1
    assert r"n\xffame.png" in missing.err


def test_an_error_about_a_hostile_name_stays_on_one_line(cli: Cli, tmp_path: Path) -> None:
    done = cli("trimap", "no\nsuch\x1b[31mfile.png")
    assert done.code == 1
    assert r"no\nsuch" in done.err
    assert "\x1b" not in done.err
    assert done.err.count("\n") == 1


def test_two_photos_that_would_give_the_same_name_get_distinct_ones(
    cli: Cli, tmp_path: Path
) -> None:
    save(tmp_path / "in" / "a.png", MASK)
    save(tmp_path / "in" / "a.jpg", 255 - MASK)
    done = cli("trimap", "in", "--dilate", "2", "-o", "out/", "--json")
    assert done.code == 0
    outputs = {
        Path(r["input"]).suffix: Path(r["outputs"]["trimap"])
        for r in map(json.loads, done.out.splitlines()[:-1])
    }
    assert outputs[".png"] != outputs[".jpg"]
    assert load(outputs[".png"])[10, 14] == 255
    assert load(outputs[".jpg"])[10, 14] != 255
    again = cli("trimap", "in", "--dilate", "2", "-o", "out/", "--json", "--existing", "skip")
    assert json.loads(again.out.splitlines()[-1])["skipped"] == 2


def test_the_same_stem_in_two_folders(cli: Cli, tmp_path: Path) -> None:
    save(tmp_path / "in" / "x" / "a.png", MASK)
    save(tmp_path / "in" / "y" / "a.png", MASK)
    assert cli("trimap", "in", "-r", "-o", "out/").code == 0
    assert sorted(str(p.relative_to("out")) for p in Path("out").rglob("*.png")) == [
        "x/a-trimap.png",
        "y/a-trimap.png",
    ]
    assert cli("trimap", "in/x/a.png", "in/y/a.png", "-o", "flat/").code == 0
    assert len(list(Path("flat").rglob("*.png"))) == 2


def test_an_output_that_would_overwrite_an_input_is_refused(cli: Cli, tmp_path: Path) -> None:
    mask = save(tmp_path / "m.png", MASK)
    before = mask.read_bytes()
    done = cli("trimap", "m.png", "-o", "m.png")
    assert done.code == 2
    assert "m.png" in done.err
    (tmp_path / "link.png").symlink_to(mask)
    assert cli("trimap", "m.png", "-o", "link.png").code == 2
    assert cli("trimap", "m.png", "-o", ".", "--name", "{stem}{ext}").code == 2
    assert mask.read_bytes() == before


def test_one_output_file_for_several_inputs_is_refused(cli: Cli, tmp_path: Path) -> None:
    save(tmp_path / "a.png", MASK)
    save(tmp_path / "b.png", MASK)
    done = cli("trimap", "a.png", "b.png", "-o", "out.png")
    assert done.code == 2
    assert not (tmp_path / "out.png").exists()


def test_a_name_of_a_format_that_is_not_written_makes_no_folder(cli: Cli, tmp_path: Path) -> None:
    save(tmp_path / "a.png", MASK)
    done = cli("trimap", "a.png", "-o", "out.jxl")
    assert done.code == 2
    assert "out.jxl: images cannot be written as '.jxl'; choose one of: .png" in done.err
    assert not (tmp_path / "out.jxl").exists()
    assert cli("trimap", "a.png", "-o", "out.jxl/").code == 0
    assert cli("trimap", "a.png", "-o", "out.jxl").code == 0, "the folder is there by now"


def test_names_by_template(cli: Cli, tmp_path: Path) -> None:
    save(tmp_path / "a.png", MASK)
    assert cli("trimap", "a.png", "-o", "out", "--name", "{kind}s/{index}_{stem}{ext}").code == 0
    found = [str(p.relative_to("out")) for p in Path("out").rglob("*.png")]
    assert len(found) == 1
    assert found[0].startswith("trimaps/")
    assert cli("trimap", "a.png", "-o", "out.v2", "--name", "{stem}-{kind}").code == 0
    assert [path.name for path in outputs_in(tmp_path / "out.v2")] == ["a-trimap.png"]
    assert cli("trimap", "a.png", "--name", "../{stem}-{kind}{ext}").code == 2
    assert cli("trimap", "a.png", "--name", "{nonsense}").code == 2


def test_own_outputs_and_hidden_files_in_the_input_folder_are_not_inputs(
    cli: Cli, tmp_path: Path
) -> None:
    save(tmp_path / "a.png", MASK)
    save(tmp_path / ".hidden.png", MASK)
    assert cli("trimap", ".", "-o", ".").code == 0
    again = cli("trimap", ".", "-o", ".", "--json")
    assert [json.loads(x)["input"] for x in again.out.splitlines()[:-1]] == ["a.png"]
    assert cli("trimap", ".", "-r", "-o", "out/").code == 0
    third = cli("trimap", ".", "-r", "-o", "out/", "--json")
    assert json.loads(third.out.splitlines()[-1])["total"] == 1


def test_file_lists(cli: Cli, tmp_path: Path) -> None:
    names = ["a.png", "new\nline.png", "-dash.png"]
    for name in names:
        save(tmp_path / "plain.png", MASK).rename(tmp_path / name)
    (tmp_path / "list0").write_bytes(b"\0".join(name.encode() for name in names) + b"\0")
    done = cli("trimap", "--files-from", "list0", "-0", "-o", "out/", "--json")
    assert done.code == 0, done.err
    assert [json.loads(x)["input"] for x in done.out.splitlines()[:-1]] == names
    (tmp_path / "list").write_text("a.png\n-dash.png\n")
    done = cli("trimap", "--files-from", "list", "-o", "out2/")
    assert done.code == 0
    assert len(outputs_in(Path("out2"))) == 2


def test_globs_are_ours_when_quoted(cli: Cli, tmp_path: Path) -> None:
    for name in ("m1.png", "m10.png", "m2.png", "other.png"):
        save(tmp_path / name, MASK)
    done = cli("trimap", "m*.png", "-o", "out/", "--json")
    names = [json.loads(x)["input"] for x in done.out.splitlines()[:-1]]
    assert names == ["m1.png", "m2.png", "m10.png"]
    save(tmp_path / "plain.png", MASK).rename(tmp_path / "m[1].png")
    literal = cli("trimap", "m[1].png", "-o", "lit/", "--json")
    assert json.loads(literal.out.splitlines()[0])["input"] == "m[1].png"


def test_standard_input_and_output(shell: Cli, tmp_path: Path) -> None:
    data = save(tmp_path / "mask.png", MASK).read_bytes()
    piped = shell("trimap", "--dilate", "3", stdin=data)
    assert piped.code == 0, piped.err
    assert piped.err == ""
    explicit = shell("trimap", "--dilate", "3", "-", "-o", "-", stdin=data)
    assert explicit.out == piped.out
    (tmp_path / "piped.png").write_bytes(piped.out)
    assert set(np.unique(load(tmp_path / "piped.png"))) == {0, 128, 255}
    to_file = shell("trimap", "-", "-o", "out.png", stdin=data)
    assert to_file.code == 0
    assert load(tmp_path / "out.png").shape == MASK.shape
    bad = shell("trimap", stdin=b"not an image")
    assert bad.code == 1
    assert bad.out == b""
    assert bad.err.count("\n") == 1


def test_two_images_do_not_fit_on_standard_output(
    cli: Cli, tmp_path: Path, modnet_weights: Path
) -> None:
    save(tmp_path / "p.png", photo(60, 50))
    done = cli(
        "matte", "p.png", "--model", "modnet", "--weights", modnet_weights, "-o", "-",
        "--write", "alpha,foreground",
    )  # fmt: skip
    assert done.code == 2
    assert "standard output takes one picture" in done.err


def test_no_input_on_a_terminal_is_a_usage_error_with_an_example(shell: Cli) -> None:
    import pty
    import subprocess

    master, slave = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "mattecli", "trimap"],
        stdin=slave, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    os.close(master)
    os.close(slave)
    assert done.returncode == 2
    assert "mattecli trimap --dilate 15 < mask.png > trimap.png" in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_format_follows_the_output_s_name(cli: Cli, tmp_path: Path) -> None:
    save(tmp_path / "m.png", MASK)
    for suffix, magic in ((".tif", b"II"), (".webp", b"RIFF"), (".png", b"\x89PNG")):
        assert cli("trimap", "m.png", "-o", f"t{suffix}").code == 0
        assert (tmp_path / f"t{suffix}").read_bytes().startswith(magic)
    assert cli("trimap", "m.png", "-o", "out/", "--format", "webp").code == 0
    assert (tmp_path / "out" / "m-trimap.webp").exists()


def test_a_run_into_the_default_folder_can_be_repeated(cli: Cli, tmp_path: Path) -> None:
    save(tmp_path / "a.png", MASK)
    assert cli("trimap", ".", "-r").code == 0
    again = cli("trimap", ".", "-r", "--existing", "skip", "--json")
    assert again.code == 0, again.err
    assert json.loads(again.out.splitlines()[-1])["skipped"] == 1


def test_a_report_takes_no_image_s_place(cli: Cli, tmp_path: Path) -> None:
    mask = save(tmp_path / "m.png", MASK).rename(tmp_path / "m.jsonl")
    before = mask.read_bytes()
    assert cli("trimap", "m.jsonl", "--report", "m.jsonl", "-o", "out/").code == 2
    assert mask.read_bytes() == before


def test_an_image_and_json_do_not_share_standard_output(cli: Cli, tmp_path: Path) -> None:
    save(tmp_path / "m.png", MASK)
    done = cli("trimap", "m.png", "-o", "-", "--json")
    assert (done.code, done.out) == (2, b"")
    assert "--json" in done.err


def test_a_nul_in_a_list_is_explained(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "list").write_bytes(b"a.png\0b.png\0")
    done = cli("trimap", "--files-from", "list")
    assert done.code == 2
    assert "-0" in done.err
