"""What a run does otherwise than a user may think is told, or refused; nothing is done twice."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from mattecli.media.images import read_picture
from tests.conftest import Cli, load, outputs_in, photo, save
from tests.video_clips import Identity, ffmpeg, make_clip, run_video

RAMP = "geq=r='X*255/(W-1)':g='X*255/(W-1)':b='X*255/(W-1)'"


def half(color: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    return np.full(color.shape[:2], 0.5, np.float32)


def planes(path: Path) -> npt.NDArray[np.float32]:
    """An EXR file of ffmpeg, as H,W,4 (or 3) floats."""
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
    form = "gbrapf32le" if "a" in frame.format.name.replace("gray", "") else "gbrpf32le"
    return np.asarray(frame.reformat(format=form).to_ndarray(), np.float32)


@pytest.fixture
def ramp(tmp_path: Path) -> Path:
    return make_clip(
        tmp_path / "ramp.mkv", "-c:v", "ffv1", "-pix_fmt", "gbrp", frames=2, size=(256, 32),
        filters=f"format=gbrp,{RAMP}",
    )  # fmt: skip


@pytest.mark.parametrize("premultiply", [False, True])
def test_openexr_multiplies_once_and_keeps_eight_bits(
    ramp: Path, tmp_path: Path, premultiply: bool
) -> None:
    done = run_video(
        ramp, tmp_path / "e" / "%d.exr", ("foreground",), Identity(half), premultiply=premultiply
    )
    assert done.report.done == 1, done.item.error
    assert any("multiplied with alpha" in note for note in done.item.notes)
    exr = planes(tmp_path / "e" / "1.exr")[16]
    level = np.arange(256) / 255
    assert np.abs(exr[:, 3] - 0.5).max() < 0.004
    assert np.abs(exr[:, 0] - level * exr[:, 3]).max() < 0.002


def test_white_of_eight_bits_is_one_in_openexr(ramp: Path, tmp_path: Path) -> None:
    whole = Identity(lambda color: np.ones(color.shape[:2], np.float32))
    done = run_video(
        ramp, tmp_path / "e" / "%d.exr", ("composite",), whole, background_fill="white"
    )
    assert done.report.done == 1, done.item.error
    exr = planes(tmp_path / "e" / "1.exr")[16]
    assert np.abs(exr[:, 0] - np.arange(256) / 255).max() < 0.001


def test_a_tiff_says_that_its_colours_are_multiplied(cli: Cli, tmp_path: Path) -> None:
    rgba = np.dstack([photo(40, 30), np.full((30, 40), 100, np.uint8)])
    save(tmp_path / "in.png", rgba)
    trimap = np.repeat(np.uint8([0] * 10 + [128] * 10 + [255] * 20)[None], 30, axis=0)
    save(tmp_path / "trimap.png", trimap)
    common = ("matte", "in.png", "--model", "closed-form", "--trimap", "trimap.png")
    for name, more, tag in (("straight", (), 2), ("product", ("--premultiply",), 1)):
        done = cli(*common, "-o", f"{name}.tif", *more)
        assert done.code == 0, done.err
        with Image.open(tmp_path / f"{name}.tif") as image:
            assert image.tag_v2[338] == (tag,)  # type: ignore[attr-defined]
    straight, product = (read_picture(tmp_path / f"{n}.tif") for n in ("straight", "product"))
    shown = straight.alpha > 50  # type: ignore[operator]
    apart = np.abs(straight.color.astype(int) - product.color)[shown]
    assert apart.max() <= 3  # reading divides again


def test_trimaps_are_not_written_with_loss(cli: Cli, tmp_path: Path) -> None:
    save(tmp_path / "mask.png", np.full((8, 8), 255, np.uint8))
    for words in (("--format", "jpg"), ("-o", "t.jpg")):
        done = cli("trimap", "mask.png", *words)
        assert done.code == 2
        assert "jpeg does not keep the three values of a trimap; use png" in done.err


def test_a_name_and_a_format_that_contradict_each_other_are_refused(
    cli: Cli, tmp_path: Path
) -> None:
    save(tmp_path / "mask.png", np.full((8, 8), 255, np.uint8))
    done = cli("trimap", "mask.png", "--format", "png", "-o", "t.webp")
    assert done.code == 2
    assert "t.webp: --format png contradicts its name" in done.err
    for same in ("tiff", "TIF", ".tiff"):
        assert cli("trimap", "mask.png", "--format", same, "-o", "t.tif").code == 0


def test_a_format_goes_by_all_its_names(cli: Cli, tmp_path: Path) -> None:
    save(tmp_path / "mask.png", np.full((8, 8), 255, np.uint8))
    for name, ext in {"PNG": ".png", "tif": ".tiff", "bmp": ".bmp", "dib": ".bmp"}.items():
        done = cli("trimap", "mask.png", "--format", name, "-o", f"as {name}")
        assert done.code == 0, done.err
        assert [path.name for path in outputs_in(tmp_path / f"as {name}")] == [f"mask-trimap{ext}"]
    again = ("trimap", "mask.png", "-o", "as PNG", "--existing", "skip", "--format")
    assert "1 skipped" in cli(*again, ".png").err, "it is the same setting"
    for name in ("gif", "heic", "jxl", ""):
        done = cli("trimap", "mask.png", "--format", name)
        assert done.code == 2
        assert f"images cannot be written as '{name}'; choose one of: .png" in done.err


def test_a_refused_run_does_not_undo_what_is_done(cli: Cli, tmp_path: Path) -> None:
    for number in range(2):
        save(tmp_path / "in" / f"{number}.png", photo(16, 16, seed=number)[..., 0])
    assert cli("trimap", "in", "-o", "out").code == 0
    assert cli("trimap", "in", "-o", "out", "--existing", "error").code == 1
    assert "2 skipped" in cli("trimap", "in", "-o", "out", "--existing", "skip").err
    assert "there was nothing to do" in cli("trimap", "in", "-o", "out", "--retry-failed").err


def test_a_list_of_times_takes_no_other_file_s_place(ramp: Path, tmp_path: Path) -> None:
    out = tmp_path / "o"
    out.mkdir()
    (out / "timecodes.txt").write_text("mine\n")
    done = run_video(ramp, out / "%d.png", ("alpha",), Identity(half))
    assert done.item.error is not None
    assert "timecodes.txt: it is no list of times" in done.item.error
    refused = run_video(ramp, out / "%d.png", ("alpha",), Identity(half), existing="error")
    assert "timecodes.txt: exists already" in (refused.item.error or "")
    assert (out / "timecodes.txt").read_text() == "mine\n"


def test_an_image_that_was_changed_since_outlives_a_shorter_run(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "c.mp4", frames=5, size=(32, 32))
    out = tmp_path / "o" / "%d.png"
    run_video(clip, out, ("alpha",), Identity(half))
    mine = save(out.with_name("4.png"), photo(32, 32))
    later = time.time() + 60
    os.utime(mine, (later, later))
    done = run_video(clip, out, ("alpha",), Identity(half), end="2f")
    assert done.report.done == 1, done.item.error
    assert sorted(path.name for path in outputs_in(out.parent) if path.suffix == ".png") == [
        "1.png", "2.png", "4.png",
    ]  # fmt: skip
    assert "4.png is newer than the run that made it, and stays" in done.item.notes


def test_bits_and_brightness_that_get_lost_are_told(tmp_path: Path) -> None:
    source = tmp_path / "hdr.mkv"
    ffmpeg(
        "-f", "lavfi", "-i", "testsrc2=s=64x48:r=10:d=0.3", "-vf",
        "setparams=color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc",
        "-c:v", "ffv1", "-pix_fmt", "yuv420p10le", source,
    )  # fmt: skip
    done = run_video(source, tmp_path / "o.webm", ("foreground",), Identity(half))
    assert done.report.done == 1, done.item.error
    assert "its 10 bits are rounded to 8" in done.item.notes
    assert any("HDR metadata" in note for note in done.item.notes)
    deep = run_video(source, tmp_path / "o.mov", ("foreground",), Identity(half))
    assert not any("rounded" in note for note in deep.item.notes)


@pytest.mark.parametrize("command", ["matte", "trimap", "composite", "video"])
def test_a_dry_run_tells_of_inputs_that_are_not_there(command: str, cli: Cli) -> None:
    done = cli(command, "nosuch.png" if command != "video" else "no.mp4", "-o", "out/", "--dry-run")
    assert done.code == 1
    assert "there is no such file" in done.err


def test_a_dry_run_tells_of_weights_that_are_not_there(cli: Cli, tmp_path: Path) -> None:
    save(tmp_path / "p.png", photo(16, 16))
    done = cli("matte", "p.png", "--model", "dim", "--trimap", "auto", "-o", "out/", "--dry-run")
    assert done.code == 3
    assert "there are no weights for dim here" in done.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model", "modnet:webcam@v9"], "modnet:webcam@v9"),
        (["--model", "modnet:webcam"], "there are no weights for modnet:webcam here"),
        (["--refine", "dim"], "--refine dim is for photos|dim, which is to refine, has no weights"),
        (["--weights", "none.pth"], "none.pth: there is no such file"),
    ],
)
@pytest.mark.parametrize("command", ["matte", "video"])
def test_a_dry_run_tells_of_all_weights_that_a_run_would_load(
    command: str, arguments: list[str], words: str, cli: Cli, tmp_path: Path
) -> None:
    if command == "video":
        make_clip(tmp_path / "p.mp4", frames=2)
    else:
        save(tmp_path / "p.png", photo(16, 16))
    source, target = ("p.mp4", "o.mov") if command == "video" else ("p.png", "o.png")
    done = cli(command, source, *arguments, "-o", target, "--dry-run")
    assert done.code in (2, 3)
    assert any(word in done.err for word in words.split("|")), done.err
    assert cli(command, source, *arguments, "-o", target).code == done.code


def test_a_trimap_that_no_model_can_use_is_told(cli: Cli, tmp_path: Path) -> None:
    save(tmp_path / "white.png", np.full((20, 20), 255, np.uint8))
    done = cli("trimap", "white.png", "--json")
    assert done.code == 0
    (note,) = json.loads(done.out.splitlines()[0])["notes"]
    assert note.startswith("no model can use it: ")
    assert cli("trimap", "trimaps/white-trimap.png", "--check").code == 1


def test_what_follows_a_picture_on_standard_input_is_told(shell: Cli, tmp_path: Path) -> None:
    cutout = np.dstack([photo(40, 30), np.full((30, 40), 200, np.uint8)])
    png, jpg = (
        save(tmp_path / f"p{suffix}", cutout[..., :channels]).read_bytes()
        for suffix, channels in ((".png", 4), (".jpg", 3))
    )
    words = "-: the first picture on standard input; what follows is not read"
    for command, first in (("composite", png), ("trimap", png), ("matte", jpg)):
        for rest, told in ((b"", 0), (jpg, 1), (png, 1), (bytes(99), 0)):
            if command == "matte" and rest in (png, bytes(99)):
                continue  # a network's start-up for each
            done = shell(command, stdin=first + rest)
            assert done.code == 0, done.err
            assert done.err.count(words) == told, (command, rest[:4])
            assert done.out.startswith(b"\x89PNG")


@pytest.mark.parametrize("suffix", ["mp4", "webm", "mkv", "avi", "flv", "ts", "m2ts", "wmv", "mpg"])
def test_a_video_is_sent_to_its_command(cli: Cli, tmp_path: Path, suffix: str) -> None:
    make_clip(tmp_path / f"v.{suffix}", frames=3)
    for command in ("matte", "trimap", "composite"):
        done = cli(command, f"v.{suffix}")
        assert done.code == 1
        assert f"v.{suffix}: a video or audio file cannot be read" in done.err
        assert "'mattecli video' takes videos" in done.err


@pytest.mark.parametrize("new", ["white", "#00b140", "0,177,64", "blur"])
def test_a_new_background_is_not_taken_for_a_plate(cli: Cli, tmp_path: Path, new: str) -> None:
    save(tmp_path / "p.png", photo(48, 32))
    done = cli("matte", "p.png", "--background", new)
    assert done.code == 2
    assert "it is for a photo of the empty background" in done.err
    assert f"a new background is --background-fill '{new}'" in done.err
    (tmp_path / new).mkdir()
    done = cli("matte", "p.png", "--background", new)
    assert "--background-fill" not in done.err, "a folder of that name is one of plates"


def test_an_output_among_the_inputs_is_refused_before_the_work(cli: Cli, tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        save(tmp_path / name, np.full((20, 20), 255, np.uint8))
    for inputs in (("a.png", "out.png"), ("a.png", "b.png", "new/out.jpg")):
        done = cli("trimap", *inputs)
        assert done.code == 2
        assert f"{inputs[-1]}: there is no such file; outputs are named with -o" in done.err
    assert not (tmp_path / "trimaps").exists()
    for inputs in (
        ("a.png", "out.png", "-o", "there"),  # the output is named
        ("out.png", "a.png"),  # just not there
        ("gone.png", "out.png"),
        ("a.png", "out.txt"),
        ("a.png", "*.webp"),
        ("out.png",),
    ):
        assert cli("trimap", *inputs).code == 1
    assert cli("trimap", "a.png", "b.png").code == 0


def test_only_the_first_of_several_pictures_is_told(cli: Cli, tmp_path: Path) -> None:
    first = Image.fromarray(photo(48, 32))
    second = Image.fromarray(photo(48, 32, seed=1))
    for name in ("a.gif", "b.tif", "c.webp", "d.png"):
        first.save(tmp_path / name, save_all=True, append_images=[second])
    done = cli("matte", "a.gif", "b.tif", "c.webp", "d.png", "-w", "alpha", "--size", "64")
    assert done.code == 0, done.err
    assert done.err.count("the first of the 2 pictures in it") == 4
    assert load(tmp_path / "mattes" / "a-alpha.png").shape == (32, 48)


def test_verify_looks_at_the_package_s_own_weights_too(cli: Cli) -> None:
    done = cli("models", "verify")
    assert done.code == 0, done.err
    for name in ("modnet", "shm", "bgmv2"):
        assert name in done.err + done.out.decode()


def test_options_without_effect_are_told(cli: Cli, tmp_path: Path) -> None:
    save(tmp_path / "p.png", photo(48, 32))
    common = ("matte", "p.png", "-w", "alpha", "--size", "64")
    idle = ("--dilate", "40", "--margin", "9", "--background-fill", "red", "--premultiply")
    done = cli(*common, *idle)
    assert done.code == 0, done.err
    assert (
        "without effect on what is written: --dilate, --background-fill, --premultiply, --margin"
        in done.err
    )
    assert "without effect" not in cli(*common, "--crop", "subject", "--margin", "9").err


def test_a_report_holds_what_was_asked_of_the_model(cli: Cli, tmp_path: Path) -> None:
    save(tmp_path / "p.png", photo(48, 32))
    for words, asked in (
        (("--size", "64"), {"size": 64}),
        (("--set", "short_side=96"), {"set": ["short_side=96"]}),
    ):
        assert cli("matte", "p.png", "-w", "alpha", *words, "--report", "r.jsonl").code == 0
        record = json.loads((tmp_path / "r.jsonl").read_text().splitlines()[0])
        assert record["settings"]["model_options"] == asked


def test_a_rate_for_images_is_not_silently_that_of_a_video(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "c.mp4", frames=3, size=(32, 32))
    done = run_video(clip, tmp_path / "o.mkv", ("alpha",), Identity(half), fps="50")
    assert "--fps is for numbered images: it keeps its own rate" in done.item.notes


def test_what_nobody_foresaw_is_one_line_but_for_debug(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_given: object, **_more: object) -> None:
        raise ZeroDivisionError("a bug\nof ours")

    save(tmp_path / "mask.png", np.full((8, 8), 255, np.uint8))
    monkeypatch.setattr("mattecli.jobs.trimap.make_trimaps", broken)
    done = cli("trimap", "mask.png")
    assert done.code == 1
    assert done.err == (
        "mattecli: unexpected failure (ZeroDivisionError: a bug of ours); run it with --debug and"
        " report it\n"
    )
    assert "Traceback" in cli("trimap", "mask.png", "--debug").err


def test_a_thumbnail_in_a_tiff_is_no_second_picture(tmp_path: Path) -> None:
    whole, small = Image.fromarray(photo(48, 32)), Image.fromarray(photo(12, 8))
    small.encoderinfo = {"tiffinfo": {254: 1}}
    whole.save(tmp_path / "t.tif", save_all=True, append_images=[small])
    assert read_picture(tmp_path / "t.tif").frames == 1


def test_a_refused_list_of_times_leaves_the_other_outputs_as_they_were(
    ramp: Path, tmp_path: Path
) -> None:
    kinds = ("alpha", "fill")
    first = run_video(ramp, f"{tmp_path}/o/", kinds, Identity(half), format="png")
    assert first.report.done == 1, first.item.error
    lists = sorted((tmp_path / "o").rglob("*timecodes.txt"))
    assert len(lists) == 2
    kept = lists[0].read_text()
    lists[1].write_text("mine\n")
    again = run_video(ramp, f"{tmp_path}/o/", kinds, Identity(half), format="png")
    assert "it is no list of times" in (again.item.error or "")
    assert lists[0].read_text() == kept


@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
def test_photos_left_out_as_outputs_are_named(
    cli: Cli, tmp_path: Path, dry: tuple[str, ...]
) -> None:
    for name in ("mud.png", "mud-mask.webp", "ship.png", "ship-trimap.png"):
        save(tmp_path / "in" / name, np.zeros((8, 8), np.uint8))
    check = ("composite", "in", "--background", "red", *dry)
    assert "2 files taken for earlier outputs (mud-mask.webp, ship-trimap.png)" in cli(*check).err
    assert "1 file taken for earlier outputs (mud-mask.webp)" in cli(
        "composite", "in/m*.*", "--background", "red", *dry
    ).err  # fmt: skip
    assert "taken for" not in cli(*check, "-q").err
    named = cli("composite", "in/mud.png", "in/mud-mask.webp", "--background", "red", *dry)
    assert "taken for" not in named.err


@pytest.mark.parametrize(
    "words", [("matte",), ("trimap",), ("composite",), ("trimap", "--model", "modnet"), ("video",)]
)
def test_without_input_a_command_shows_an_example_of_its_own(
    cli: Cli, words: tuple[str, ...]
) -> None:
    done = cli(*words)
    assert done.code == 2
    assert f": mattecli {' '.join(words)} " in done.err
