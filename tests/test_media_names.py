"""Names of outputs: never two alike, never an input's, always the same."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path, PurePath
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mattecli.errors import ImageReadError, UsageError
from mattecli.media.names import plan_outputs
from mattecli.media.sources import InputRequest, Source, find_inputs


def source(path: str, folder: str = "") -> Source:
    return Source(path=Path(path), folder=PurePath(folder))


def planned(
    paths: list[str] | list[Source], kinds: tuple[str, ...] = ("alpha",), **options: Any
) -> list[str]:
    """Outputs below ``out/``, source by source."""
    items = [path if isinstance(path, Source) else source(path) for path in paths]
    plans = plan_outputs(items, kinds, "out/", **options)
    targets = [target for plan in plans for target in plan.values()]
    assert all(target is not None for target in targets)
    return [str(target.relative_to("out")) for target in targets if target is not None]


def test_default_names() -> None:
    kinds = ("alpha", "foreground")
    assert planned(["in/a.jpg", "b.c.PNG"], kinds) == [
        "a-alpha.png",
        "a-foreground.png",
        "b.c-alpha.png",
        "b.c-foreground.png",
    ]
    assert planned([source("in/x/a.jpg", "x")], ext=".tiff") == ["x/a-alpha.tiff"]
    assert planned([Source(path=Path("-"), is_stdin=True)]) == ["stdin-alpha.png"]


def test_templates() -> None:
    item = source("in/x/y/a.jpg", "x/y")
    cases = {
        "{stem}{ext}": "a.png",
        "{dir}/{kind}/{name}{ext}": "x/y/alpha/a.jpg.png",
        "{kind}/{dir}/{stem}{ext}": "alpha/x/y/a.png",
        "{index:04}-{stem}": "0001-a.png",
        "./{stem}//{kind}{ext}": "a/alpha.png",
        "{{{stem}}}": "{a}.png",
        "..{stem}..{ext}": "..a...png",
        "{dir}-{kind}": "x/y-alpha.png",
        "{name}": "a.jpg.png",
        "{stem}.PNG": "a.PNG",
        "{stem}.v2": "a.v2.png",
    }
    for template, expected in cases.items():
        assert planned([item], template=template) == [expected]
    assert planned([source("a.jpg")], template="{dir}/{stem}{ext}") == ["a.png"]
    assert planned([source("a.jpg")], template="{name}", ext=".jpg") == ["a.jpg"]
    assert planned([source("a.jpg")], template="{stem}.jpeg", ext=".jpg") == ["a.jpeg"]
    with pytest.raises(UsageError, match="gives no file name"):
        planned([source("a.jpg")], template="{dir}")


@pytest.mark.parametrize(
    "template",
    [
        "{unknown}",
        "{stem.__class__}",
        "{stem[0]}",
        "{stem!r}",
        "{0}",
        "{}",
        "{stem",
        "stem}",
        "{index:zz}",
        "{index:{stem}}",
        "../{stem}",
        "{dir}/../../{stem}",
        "/tmp/{stem}",
        "{stem}/",
        "",
        "a\0{stem}",
    ],
)
def test_templates_that_make_no_sense_are_refused(template: str) -> None:
    with pytest.raises(UsageError, match="name template"):
        planned(["a.jpg"], template=template)


def test_a_template_cannot_leave_the_folder_through_a_name() -> None:
    assert planned(["...jpg"], template="{stem}/{kind}{ext}") == ["__/alpha.png"]
    assert planned(["in/.."], template="{name}/{kind}{ext}") == ["__/alpha.png"]
    with pytest.raises(UsageError, match="gives no file name"):
        planned(["a.jpg"], template="{dir}../{stem}")


def test_equal_stems_get_their_suffix() -> None:
    assert planned(["a.jpg", "b.jpg", "a.png"]) == [
        "a_jpg-alpha.png",
        "b-alpha.png",
        "a_png-alpha.png",
    ]
    assert planned(["A.jpg", "a.png"]) == ["A_jpg-alpha.png", "a_png-alpha.png"]
    assert planned([source("x/a.jpg", "x"), source("y/a.jpg", "y")]) == [
        "x/a-alpha.png",
        "y/a-alpha.png",
    ]


def test_equal_names_get_a_digest_of_their_path() -> None:
    first, second = planned(["x/a.jpg", "y/a.jpg"])
    assert first != second
    assert all(
        name.startswith("a_jpg_") and name.endswith("-alpha.png") for name in (first, second)
    )
    assert planned(["y/a.jpg", "x/a.jpg"]) == [second, first]


def test_a_name_that_looks_like_a_resolved_one() -> None:
    names = planned(["a.jpg", "a.png", "a_jpg.png", "a_jpg.webp"])
    assert len(set(names)) == 4


def test_names_do_not_depend_on_what_is_there(tmp_path: Path) -> None:
    items = [source("a.jpg"), source("a.png")]
    before = plan_outputs(items, ["alpha"], tmp_path)
    for plan in before:
        for target in plan.values():
            assert target is not None
            target.write_bytes(b"")
    assert plan_outputs(items, ["alpha"], tmp_path) == before


NAMES = st.one_of(
    st.sampled_from(
        [
            "a.jpg",
            "a.png",
            "A.JPG",
            "a_jpg.png",
            "a_png",
            "a",
            "...",
            ".a",
            "ä.jpg",
            "a\u0308.jpg",
            "ß.x",
            "SS.x",
        ]
    ),
    st.text(
        st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=12
    ),
    st.text("ab._-", min_size=1, max_size=5),
    st.integers(200, 255).map(lambda length: "x" * (length - 4) + ".png"),
    st.integers(60, 127).map(lambda length: "é" * length),
)
FOLDERS = st.sampled_from(["", "x", "X", "x/y"])
ITEMS = st.lists(st.builds(lambda f, n: source(f"in/{f}/{n}", f), FOLDERS, NAMES), max_size=12)
TEMPLATES = st.sampled_from(
    [
        "{dir}/{stem}-{kind}{ext}",
        "{stem}{kind}{ext}",
        "{dir}/{kind}/{stem}{ext}",
        "{kind}/{name}{ext}",
        "{stem}/{kind}",
        "{index:03}{kind}{ext}",
        "x" * 200 + "{stem}-{kind}",
        "{stem}{stem}-{kind}",
    ]
)


@settings(deadline=None)
@given(ITEMS, TEMPLATES)
@example([source("in/a.jpg"), source("in/a.png"), source("in/a_jpg.png")], "{stem}{kind}{ext}")
def test_no_two_outputs_ever_share_a_name(items: list[Source], template: str) -> None:
    distinct = {item.path: item for item in items if item.path.name}
    plans = plan_outputs(list(distinct.values()), ["alpha", "mask"], "out", template=template)
    targets = [target for plan in plans for target in plan.values() if target is not None]
    folded = {unicodedata.normalize("NFC", str(target)).casefold() for target in targets}
    assert len(folded) == len(targets) == 2 * len(distinct)
    for target in targets:
        assert target.parts[0] == "out"
        assert ".." not in target.parts
        assert all(len(os.fsencode(part)) <= 255 for part in target.parts)
    again = plan_outputs(list(distinct.values()), ["alpha", "mask"], "out", template=template)
    assert again == plans


def test_long_names_are_cut_and_told_apart() -> None:
    names = ["x" * 251 + ".png", "x" * 250 + "y.png", "é" * 125 + ".png"]
    outputs = planned(names, ("foreground",))
    assert len(set(outputs)) == 3
    for name, output in zip(names, outputs, strict=True):
        assert len(os.fsencode(output)) <= 255
        assert output.endswith("-foreground.png")
        assert output.startswith(name[:100])
    assert planned([names[0]], ("foreground",)) == outputs[:1]


def test_a_template_that_is_too_long_in_itself() -> None:
    with pytest.raises(UsageError, match="gives no file name"):
        planned(["a.jpg"], template="x" * 300 + "{stem}")


def test_two_kinds_in_one_name_are_refused() -> None:
    with pytest.raises(UsageError, match=r"one name to several outputs; use .*\{kind\}"):
        planned(["a.jpg"], ("alpha", "mask"), template="{stem}{ext}")


def test_a_template_that_does_not_tell_inputs_apart_is_refused() -> None:
    assert planned(["a.jpg"], template="out{ext}") == ["out.png"]
    with pytest.raises(UsageError, match="several outputs"):
        planned(["a.jpg", "b.jpg"], template="out{ext}")


def test_standard_output() -> None:
    item = source("a.jpg")
    assert plan_outputs([item], ["alpha"], "-") == [{"alpha": None}]
    assert plan_outputs([item], ["alpha"], "./-") == [{"alpha": Path("-/a-alpha.png")}]
    for items, kinds in (([item, source("b.jpg")], ["alpha"]), ([item], ["alpha", "mask"])):
        with pytest.raises(UsageError, match="standard output takes one picture"):
            plan_outputs(items, kinds, "-")


def test_one_file_or_a_folder(tmp_path: Path) -> None:
    item = source("a.jpg")
    (tmp_path / "folder.png").mkdir()
    folders: list[str | Path] = [
        "new",
        "new.v2",
        "run.2024",
        "photos.final",
        "new.jxl/",
        "new.png/",
        f"{tmp_path}/folder.png",
        tmp_path / "folder.png",
    ]
    for out in folders:
        assert plan_outputs([item], ["alpha"], out) == [{"alpha": Path(out) / "a-alpha.png"}]
    for out in ("cut.png", "new/cut.TIF", Path("x.webp")):
        assert plan_outputs([item], ["alpha"], out) == [{"alpha": Path(out)}]
        with pytest.raises(
            UsageError, match=r"takes one picture, there are 2 inputs and 1 kind of"
        ):
            plan_outputs([item, source("b.jpg")], ["alpha"], out)
        with pytest.raises(
            UsageError, match=r"there is 1 input and 2 kinds of output \(alpha, mask\)"
        ):
            plan_outputs([item], ["alpha", "mask"], out)


@pytest.mark.parametrize("out", ["ee.jxl", "ee.PSD", "new/out.heic", "a.gif", "a.mp4"])
@pytest.mark.parametrize("count", [1, 2])
def test_a_name_of_a_format_that_cannot_be_written_is_no_folder(out: str, count: int) -> None:
    with pytest.raises(UsageError, match=r"cannot be written as '\.\w+'; choose one of: .*with /$"):
        plan_outputs([source("a.jpg"), source("b.jpg")][:count], ["alpha"], out)


def test_a_file_is_no_output_folder(tmp_path: Path) -> None:
    (tmp_path / "notes").write_bytes(b"")
    with pytest.raises(UsageError, match="it is a file, not a folder"):
        plan_outputs([source("a.jpg")], ["alpha"], tmp_path / "notes")


def test_inputs_are_never_overwritten(tmp_path: Path) -> None:
    photo, other = tmp_path / "a.png", tmp_path / "other"
    photo.write_bytes(b"")
    other.mkdir()
    (other / "b-alpha.png").symlink_to(photo)
    os.link(photo, other / "c-alpha.png")
    item = Source(path=photo)
    refused: list[tuple[list[Source], str | Path, str]] = [
        ([item], tmp_path / "a.png", "{stem}{ext}"),
        ([item], tmp_path, "{stem}{ext}"),
        ([item], f"{other}/../", "{name}"),
        ([item, source("b.jpg")], other, "{stem}-{kind}{ext}"),
        ([item, source("c.jpg")], other, "{stem}-{kind}{ext}"),
    ]
    for items, out, template in refused:
        with pytest.raises(UsageError, match="would overwrite the input"):
            plan_outputs(items, ["alpha"], out, template=template)
    trimap = tmp_path / "x-alpha.png"
    trimap.write_bytes(b"")
    assert plan_outputs([source("x.jpg")], ["alpha"], tmp_path)[0] == {"alpha": trimap}
    with pytest.raises(UsageError, match="overwrite"):
        plan_outputs([source("x.jpg")], ["alpha"], tmp_path, protected=[trimap])


def test_sources_with_nothing_to_read_get_no_outputs() -> None:
    broken = Source(path=Path("a"), error=ImageReadError("empty"))
    plans = plan_outputs([broken, source("a.jpg")], ["alpha"], "out")
    assert plans == [{}, {"alpha": Path("out/a-alpha.png")}]
    assert plan_outputs([broken, source("a.jpg")], ["alpha"], "cut.png")[1] == {
        "alpha": Path("cut.png")
    }


def test_our_own_outputs_are_recognised_the_next_time(tmp_path: Path) -> None:
    for name in ("a.jpg", "a.png", "b.c.webp", "new\nline.png"):
        (tmp_path / name).write_bytes(b"")
    request = InputRequest(paths=(tmp_path,))
    inputs = find_inputs(request)
    for plan in plan_outputs(inputs, ["alpha", "foreground"], tmp_path):
        for target in plan.values():
            assert target is not None
            target.write_bytes(b"")
    assert find_inputs(request) == inputs
