"""Finding inputs: what is taken, in which order, and what is left alone."""

from __future__ import annotations

import io
import os
import random
import sys
from pathlib import Path, PurePath
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mattecli.errors import ImageReadError, UsageError
from mattecli.media.earlier import meant_among, outputs_of_kind
from mattecli.media.sources import InputRequest, Source, find_inputs
from mattecli.media.walk import natural_key
from tests.faults import program, run


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def make(*names: str | bytes) -> None:
    for name in names:
        path = Path(os.fsdecode(name))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def sources(*paths: str | Path, **options: Any) -> list[Source]:
    return find_inputs(InputRequest(paths=paths, **options))


def found(*paths: str | Path, **options: Any) -> list[str]:
    return [str(source.path) for source in sources(*paths, **options)]


def reason(source: Source) -> str:
    with pytest.raises(ImageReadError) as caught:
        source.content()
    return str(caught.value)


def test_named_files_keep_their_order_whatever_they_are() -> None:
    make("b.txt", "a.png")
    given_order = ["b.txt", "missing.jpg", "a.png"]
    assert found(*given_order) == given_order
    assert all(source.content() == source.path for source in sources(*given_order))


def test_folders_give_images_in_natural_order() -> None:
    make("in/img10.png", "in/IMG9.jpg", "in/img2.webp", "in/a.TIFF", "in/notes.txt", "in/noext")
    expected = ["in/a.TIFF", "in/img2.webp", "in/IMG9.jpg", "in/img10.png"]
    assert found("in") == found("in/") == found(Path("in")) == expected
    assert found("z.png", "in", "a.png") == ["z.png", *expected, "a.png"]


def test_what_is_no_visible_file_is_skipped() -> None:
    make("in/.hidden.png", "in/.dir/a.png", "in/.a.png.0123abcd.part", "in/seen.png")
    Path("in/folder.png").mkdir()
    os.mkfifo("in/pipe.png")
    assert found("in", recursive=True) == ["in/seen.png"]
    assert found("in/.hidden.png", "in/.dir") == ["in/.hidden.png", "in/.dir/a.png"]


def test_a_link_that_leads_nowhere_is_not_lost() -> None:
    make("in/a.png")
    Path("in/b.png").symlink_to("gone.png")
    Path("in/c.png").symlink_to("c.png")
    assert found("in") == ["in/a.png", "in/b.png", "in/c.png"]


def test_recursion_keeps_the_structure() -> None:
    make("in/2.png", "in/10.png", "in/b/1.png", "in/a/deep/1.png", "in/a/1.png", "in/empty/x.txt")
    assert found("in") == ["in/2.png", "in/10.png"]
    listed = sources("in", recursive=True)
    assert [(str(source.path), source.folder) for source in listed] == [
        ("in/2.png", PurePath()),
        ("in/10.png", PurePath()),
        ("in/a/1.png", PurePath("a")),
        ("in/a/deep/1.png", PurePath("a/deep")),
        ("in/b/1.png", PurePath("b")),
    ]


def test_loops_of_links_end_and_each_folder_comes_once() -> None:
    make("in/a/1.png", "in/b/2.png")
    Path("in/a/up").symlink_to("..", target_is_directory=True)
    Path("in/b/again").symlink_to("../a", target_is_directory=True)
    Path("in/self").symlink_to("self")
    assert found("in", recursive=True) == ["in/a/1.png", "in/b/2.png"]
    assert found("in", "in/b/again", recursive=True)[-1] == "in/b/2.png"


def test_the_output_folder_is_not_searched() -> None:
    make("in/1.png", "in/mattes/1-alpha.png", "in/mattes/other.png", "in/more/mattes/2.png")
    output = Path("in/mattes")
    assert found("in", recursive=True, excluded=(output,)) == ["in/1.png", "in/more/mattes/2.png"]
    absolute = Path.cwd() / "in" / "more" / ".." / "mattes"
    assert "in/mattes/other.png" not in found("in", recursive=True, excluded=(absolute,))
    assert found("in/*", recursive=True, excluded=(output,)) == ["in/1.png", "in/more/mattes/2.png"]
    assert found("in/mattes", excluded=(output,)) == [
        "in/mattes/1-alpha.png",
        "in/mattes/other.png",
    ]
    assert found("in", recursive=True, excluded=(Path("in"),))[0] == "in/1.png"


def test_earlier_outputs_beside_their_photos_are_skipped() -> None:
    kinds = ("alpha", "foreground", "composite", "trimap", "mask", "preview")
    make("in/a.jpg", "in/b.c.jpg", *(f"in/a-{kind}.png" for kind in kinds))
    make("in/b.c-alpha.tiff", "in/a_jpg-alpha.png", "in/b.c_jpg-mask.webp")
    make("in/lonely-alpha.png", "in/a-other.png", "in/a-alpha-trimap.png")
    kept = ["in/a.jpg", "in/a-other.png", "in/b.c.jpg", "in/lonely-alpha.png"]
    assert sorted(found("in")) == sorted(kept)
    assert sorted(found("in/*.*")) == sorted(kept)
    assert found("in/*.png") == ["in/a-other.png", "in/lonely-alpha.png"]
    assert found("in/a-alpha.png") == ["in/a-alpha.png"]


def test_patterns() -> None:
    make("in/img2.png", "in/img10.png", "in/other.jpg", "in/x.txt", "in/sub/img3.png")
    assert found("in/img*") == ["in/img2.png", "in/img10.png"]
    assert found("in/img?.png") == ["in/img2.png"]
    assert found("in/img[0-9].png") == ["in/img2.png"]
    assert found("i*/*") == ["in/img2.png", "in/img10.png", "in/other.jpg"]
    assert found("in/*", recursive=True)[-1] == "in/sub/img3.png"
    deep = sources("in/**/img*.png")
    assert {(str(source.path), str(source.folder)) for source in deep} == {
        ("in/img2.png", "."),
        ("in/img10.png", "."),
        ("in/sub/img3.png", "sub"),
    }
    absolute = sources(str(Path.cwd() / "*" / "sub" / "*.png"))
    assert [source.folder for source in absolute] == [PurePath("in/sub")]


def test_a_pattern_that_climbs_keeps_its_outputs_below() -> None:
    make("a/x.png", "b/y.png")
    Path("b/deep").mkdir()
    (source,) = sources("b/de*/../../a/x*.png")
    assert source.path.name == "x.png"
    assert source.folder == PurePath()


def test_a_file_with_the_name_of_a_pattern_is_that_file() -> None:
    make("a[1].png", "a1.png", "what?.png")
    Path("[x]").mkdir()
    make("[x]/b.png")
    assert found("a[1].png") == ["a[1].png"]
    assert found("what?.png") == ["what?.png"]
    assert found("[x]") == ["[x]/b.png"]
    Path("a[1].png").unlink()
    assert found("a[1].png") == ["a1.png"]


def test_nothing_found_is_a_failing_item_and_the_rest_goes_on() -> None:
    make("in/notes.txt", "a.png")
    Path("empty").mkdir()
    empty, notes, pattern, last = sources("empty", "in", "no*.png", "a.png")
    assert "empty: there is no image in this folder" in reason(empty)
    assert "-r" in reason(notes)
    assert reason(pattern) == "no*.png: no image matches; check the pattern"
    assert last.content() == Path("a.png")
    (recursive,) = sources("in", recursive=True)
    assert "-r" not in reason(recursive)


_FIND = """
import sys
from mattecli.media.sources import InputRequest, find_inputs
for source in find_inputs(InputRequest(paths=tuple(sys.argv[1:]), recursive=True)):
    print(source.path, source.error)
"""


def test_a_folder_that_cannot_be_read_is_a_failing_item(tmp_path: Path) -> None:
    make("in/a.png", "in/locked/b.png", "in/shut/b.png", "in/z/c.png")
    Path("in/locked").chmod(0o111)  # its files may be opened, but not listed
    Path("in/shut").chmod(0o444)  # the other way round
    python = program()[:-2]
    try:
        listed = run([*python, "-c", _FIND, "in"], tmp_path)
        matched = run([*python, "-c", _FIND, "in/lo*/b.png"], tmp_path)
    finally:
        for name in ("in/locked", "in/shut"):
            Path(name).chmod(0o755)
    cause = "in/locked: the folder cannot be read (Permission denied); change its permissions"
    assert listed.stdout.splitlines() == [
        "in/a.png None",
        f"in/locked {cause}",
        "in/shut/b.png None",  # to read it says that it may not be read
        "in/z/c.png None",
    ], listed.stderr
    assert matched.stdout == "in/locked/b.png None\n", matched.stderr


def test_each_file_comes_once() -> None:
    make("in/a.png", "in/b.png")
    Path("in/link.png").symlink_to("a.png")
    Path("same").symlink_to("in", target_is_directory=True)
    absolute = str(Path.cwd() / "in" / "a.png")
    expected = ["in/b.png", "in/a.png", "in/link.png"]
    assert found("in/b.png", "./in/b.png", "in", absolute, "same", "in/../in/*.png") == expected
    assert found("gone.png", "./gone.png") == ["gone.png"]


HOSTILE = [
    "with space.png",
    "new\nline.png",
    "-o.png",
    "%d.png",
    "[0-9]*.png",
    "quote'\".png",
    "tab\t\x07.png",
    "ünïcödé.png",
    os.fsdecode(b"n\xff\xfe.png"),
    "x" * 251 + ".png",
]


@pytest.mark.skipif(sys.platform != "linux", reason="not every system has such names")
@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_hostile_names(name: str) -> None:
    make(f"in/{name}", "in/plain.png", name)
    assert found(name) == [name]
    assert f"in/{name}" in found("in")
    assert f"in/{name}" in found("in/*")
    data = os.fsencode(name) + b"\0in/plain.png\0"
    request = InputRequest(files_from="-", null_separated=True, stdin=io.BytesIO(data))
    assert [str(source.path) for source in find_inputs(request)] == [name, "in/plain.png"]


def test_lists_of_files() -> None:
    make("in/a.png", "b.png")
    text = b"\xef\xbb\xbfb.png\r\n\nmissing[1].png\nin\n"
    Path("list").write_bytes(text)
    expected = ["first.png", "b.png", "missing[1].png", "in/a.png"]
    assert found("first.png", files_from="list") == expected
    assert found("first.png", files_from=Path("list")) == expected
    assert found("first.png", files_from="-", stdin=io.BytesIO(text)) == expected
    assert found(files_from="-", stdin=io.BytesIO(b"b.png\0in\0"), null_separated=True) == [
        "b.png",
        "in/a.png",
    ]
    Path("-").write_bytes(b"b.png")
    assert found(files_from="./-") == ["b.png"]


def test_a_list_that_cannot_be_read_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match=r"none: the list of files cannot be read \(No such file"):
        found(files_from="none")
    with pytest.raises(UsageError, match="cannot be read"):
        found(files_from=".")


def test_standard_input() -> None:
    (source, named) = sources("-", "./-", "-")
    assert source.is_stdin
    assert source.name == "stdin"
    assert source.content(io.BytesIO(b"image")) == b"image"
    assert not named.is_stdin
    assert named.content() == Path("-")


def test_standard_input_is_not_read_twice() -> None:
    with pytest.raises(UsageError, match="both"):
        found("-", files_from="-", stdin=io.BytesIO(b""))


def test_an_empty_argument_is_not_the_current_folder() -> None:
    make("a.png")
    with pytest.raises(UsageError, match="empty"):
        found("")
    assert found(".") == ["a.png"]


@settings(deadline=None)
@given(st.lists(st.text(max_size=12)), st.randoms())
def test_natural_order_is_an_order(names: list[str], rng: random.Random) -> None:
    ordered = sorted(names, key=natural_key)
    rng.shuffle(names)
    assert sorted(names, key=natural_key) == ordered


@settings(deadline=None)
@given(st.lists(st.integers(0, 10**25), unique=True), st.text(max_size=5))
def test_numbers_count_by_value(numbers: list[int], text: str) -> None:
    names = [f"{text}#{number}.png" for number in numbers]
    expected = [f"{text}#{number}.png" for number in sorted(numbers)]
    assert sorted(names, key=natural_key) == expected


@pytest.mark.parametrize(
    ("images", "wanted", "meant"),
    [
        (["a.jpg", "a-alpha.png"], (), ["a.jpg"]),
        (["a.jpg", "a-alpha.png"], ("alpha", "mask"), ["a-alpha.png"]),
        (["a-mask.png", "a-alpha.png"], ("alpha", "mask"), ["a-alpha.png"]),
        (["a-mask.png", "a-mask-alpha.png"], ("alpha", "mask"), ["a-mask-alpha.png"]),
        (["a.jpg", "a.png", "a-alpha.png"], ("alpha",), ["a.jpg", "a.png", "a-alpha.png"]),
        (["a.jpg", "a.png", "a_jpg-alpha.png"], ("alpha",), ["a.png", "a_jpg-alpha.png"]),
        (["a.jpg", "b-alpha.png"], (), ["a.jpg", "b-alpha.png"]),
    ],
)
def test_what_is_meant_beside_earlier_outputs(
    images: list[str], wanted: tuple[str, ...], meant: list[str]
) -> None:
    assert meant_among(images, images, wanted) == meant


def test_one_kind_of_output_needs_no_photos_to_be_told() -> None:
    names = ["a-alpha.png", "b-trimap.png", "c.png", "other/b-trimap.png"]
    given = [Source(path=Path(name)) for name in names]
    assert [str(one.path) for one in outputs_of_kind(given, "alpha")] == [
        *("a-alpha.png", "c.png", "other/b-trimap.png"),
    ]
    assert meant_among(names[:3], names[:3], ("alpha",)) == names[:3]
