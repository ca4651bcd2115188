"""What is fed with broken data: each takes bytes, and ends quietly or with an error of ours."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from types import MappingProxyType

from mattecli.errors import MattecliError

__all__ = ["TARGETS", "outcome"]

MAX_PIXELS = 4_000_000


def image(data: bytes, _folder: Path) -> None:
    from mattecli.media.images import read_picture

    picture = read_picture(data, max_pixels=MAX_PIXELS)
    assert picture.color.shape[:2] == (picture.full.height, picture.full.width)


def decoder(data: bytes, _folder: Path) -> None:
    """The same in this process, also what is decoded by a child otherwise."""
    from mattecli.errors import ImageReadError
    from mattecli.media import pillow_codecs
    from mattecli.media.decode import decode_planes
    from mattecli.media.headers import read_header

    header = read_header(data, apart=pillow_codecs.read_header)
    if header.stored.pixels > MAX_PIXELS:
        raise ImageReadError("too many pixels")
    decode_planes(data, header)


def levels(data: bytes, _folder: Path) -> None:
    """Trimaps, mattes and masks."""
    from mattecli.media.images import read_levels
    from mattecli.ops.pixels import to_levels
    from mattecli.ops.trimap import TrimapOptions, make_trimap, repair_trimap, require_usable
    from mattecli.records import Size

    found = read_levels(data, max_pixels=MAX_PIXELS)
    make_trimap(found, TrimapOptions())
    repair_trimap(found)
    require_usable(to_levels(found), Size.of(found), Path("t"))


def checkpoint(data: bytes, folder: Path) -> None:
    from mattecli.models.checkpoint import read_checkpoint
    from mattecli.models.weights import known_options, recognise

    path = folder / "weights"
    path.write_bytes(data)
    found = read_checkpoint(path)
    known_options(found)
    recognise(found)


def _command(folder: Path, *arguments: str) -> None:
    """The program, in this process: it may refuse, in few lines, and nothing else."""
    from mattecli.cli.app import run

    before = Path.cwd()
    os.chdir(folder)
    try:
        with (
            Path("out").open("w") as out,
            Path("err").open("w", errors="replace") as err,
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            code = run(arguments)
        said = Path("err").read_text()
    finally:
        os.chdir(before)
    assert code in (0, 1, 2, 3), code
    assert code == 0 or said.strip(), "nothing was said"
    assert "unexpected failure" not in said, said
    assert "nothing more was done" not in said, said
    assert "Traceback" not in said, said


def config(data: bytes, folder: Path) -> None:
    (folder / "c.toml").write_bytes(data)
    _command(folder, "trimap", "m.png", "--dry-run", "--config", "c.toml")


def file_list(data: bytes, folder: Path) -> None:
    (folder / "list").write_bytes(data)
    _command(folder, "trimap", "--files-from", "list", "--dry-run", "-o", "out/")
    _command(folder, "trimap", "--files-from", "list", "-0", "--dry-run", "--json", "-o", "out/")


def journal(data: bytes, folder: Path) -> None:
    from mattecli.media.journal import RealPlaces, read_entries

    (folder / "journal").write_bytes(data)
    real = RealPlaces()
    for entry in read_entries(folder / "journal"):
        if entry is not None:
            assert len({real.of(place) for place in entry.places}) <= len(entry.outputs)


def container(data: bytes, folder: Path) -> None:
    """Headers, packets and frames of a video, by the children that read them."""
    from mattecli.jobs.video_sources import Footage
    from mattecli.media.video.records import Span
    from mattecli.settings import InputOptions
    from mattecli.settings.video import ClipOptions, VideoOptions

    path = folder / "clip"
    path.write_bytes(data)
    options = VideoOptions(
        source=InputOptions(inputs=(str(path),), max_pixels=MAX_PIXELS),
        clip=ClipOptions(stall_timeout=10),
    )
    footage = Footage.at(path, options)
    try:
        frames = iter(footage.reader(Span()))
        try:
            for number, frame in enumerate(frames):
                assert frame.color.size
                if number >= 40:
                    break
        finally:
            frames.close()
    finally:
        footage.close()


TARGETS: Mapping[str, Callable[[bytes, Path], None]] = MappingProxyType(
    {
        "image": image,
        "decoder": decoder,
        "levels": levels,
        "checkpoint": checkpoint,
        "config": config,
        "list": file_list,
        "journal": journal,
        "container": container,
    }
)


def outcome(target: str, data: bytes, folder: Path) -> str:
    """What became of some data: ``fine``, or the refusal's words.

    Raises:
        Exception: anything that is no refusal in one line: a finding.
    """
    try:
        TARGETS[target](data, folder)
    except MattecliError as error:
        refusal = error
    else:
        return "fine"
    assert refusal.cause
    assert str(refusal).isprintable(), refusal
    return str(refusal)
