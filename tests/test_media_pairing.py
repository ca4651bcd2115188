"""Finding each photo's trimap, alpha or background."""

from __future__ import annotations

import unicodedata
from pathlib import Path, PurePath

import pytest

from mattecli.errors import PairingError, UsageError
from mattecli.media.pairing import pair_companions
from mattecli.media.sources import InputRequest, Source, find_inputs


def make(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def paired(folder: Path, *names: str, what: str = "trimap") -> list[str]:
    """For each photo its companion below the folder, or the error's cause."""
    sources = [Source(path=Path("photos", name)) for name in names]
    return [
        found.cause if isinstance(found, PairingError) else str(found.relative_to(folder))
        for found in pair_companions(sources, folder, what)
    ]


def test_one_file_serves_all(tmp_path: Path) -> None:
    make(tmp_path, "plate.jpg")
    plate = tmp_path / "plate.jpg"
    sources = [Source(path=Path("a.jpg")), Source(path=Path("-"), is_stdin=True)]
    assert pair_companions(sources, plate, "background") == [plate, plate]


@pytest.mark.parametrize("name", ["a.png", "a-trimap.png", "a_trimap.tif", "a.TIF"])
def test_forms_of_a_name(tmp_path: Path, name: str) -> None:
    make(tmp_path, name, "b.png", "ab-trimap.png", "a-alpha.png", "a.txt", ".a.png")
    assert paired(tmp_path, "a.jpg", "b.jpg") == [name, "b.png"]


@pytest.mark.parametrize(
    ("what", "name"),
    [
        ("alpha", "a-alpha.png"),
        ("alpha", "a_matte.png"),
        ("alpha", "a-mask.png"),
        ("background", "a_back.png"),
        ("background", "a-background.jpg"),
        ("segmentation", "a_masksDL.png"),
        ("photo", "a-photo.jpg"),
    ],
)
def test_roles_have_their_own_endings(tmp_path: Path, what: str, name: str) -> None:
    make(tmp_path, name, "b.png")
    assert paired(tmp_path, "a.jpg", "b.jpg", what=what) == [name, "b.png"]


def test_the_marked_name_is_better_than_the_bare_one(tmp_path: Path) -> None:
    make(tmp_path, "a.png", "a.jpg", "a-trimap.png")
    assert paired(tmp_path, "a.jpg") == ["a-trimap.png"]


def test_names_that_contain_one_another_are_not_confused(tmp_path: Path) -> None:
    make(tmp_path, "img1.png", "img10.png", "img1-2.png")
    assert paired(tmp_path, "img10.jpg", "img1.jpg", "img1-2.jpg") == [
        "img10.png",
        "img1.png",
        "img1-2.png",
    ]


def test_several_candidates_are_an_error_that_lists_them(tmp_path: Path) -> None:
    make(tmp_path, "a.png", "a.jpg", "b-trimap.png", "b_trimap.png", "c.png")
    first, second, third = paired(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    assert first == "several files could be its trimap: a.jpg, a.png"
    assert second == "several files could be its trimap: b-trimap.png, b_trimap.png"
    assert third == "c.png"


def test_none_is_an_error_that_says_what_to_add(tmp_path: Path) -> None:
    make(tmp_path, "a.png")
    (error,) = pair_companions([Source(path=Path("in/b\n.jpg"))], tmp_path, "trimap")
    assert str(error) == (
        f"in/b\\n.jpg: there is no trimap for it in {tmp_path}; add b\\n-trimap.png or b\\n.png"
    )


def test_a_photo_is_not_its_own_companion(tmp_path: Path) -> None:
    make(tmp_path, "a.png", "a-trimap.png", "b.png")
    sources = [Source(path=tmp_path / "a.png"), Source(path=tmp_path / "b.png")]
    first, second = pair_companions(sources, tmp_path, "trimap")
    assert first == tmp_path / "a-trimap.png"
    assert isinstance(second, PairingError)


def test_outputs_find_the_photo_they_were_made_from(tmp_path: Path) -> None:
    make(tmp_path / "photos", "a.jpg", "b.jpg")
    make(tmp_path / "out", "a-foreground.png", "a-alpha.png", "b_trimap.png")
    cutout = Source(path=tmp_path / "out" / "a-foreground.png")
    trimap = Source(path=tmp_path / "out" / "b_trimap.png")
    assert pair_companions([cutout], tmp_path / "out", "alpha") == [tmp_path / "out/a-alpha.png"]
    assert pair_companions([trimap], tmp_path / "photos", "photo") == [tmp_path / "photos/b.jpg"]


def test_the_structure_of_a_recursive_input_is_followed(tmp_path: Path) -> None:
    make(tmp_path / "in", "1.jpg", "x/1.jpg", "x/y/1.jpg", "z/1.jpg")
    make(tmp_path / "trimaps", "1.png", "x/1.png", "x/y/1-trimap.png")
    sources = find_inputs(InputRequest(paths=(tmp_path / "in",), recursive=True))
    found = pair_companions(sources, tmp_path / "trimaps", "trimap")
    expected = [tmp_path / "trimaps" / name for name in ("1.png", "x/1.png", "x/y/1-trimap.png")]
    assert found[:3] == expected
    assert isinstance(found[3], PairingError)
    assert sources[3].folder == PurePath("z")


def test_accents_may_be_composed_or_not(tmp_path: Path) -> None:
    make(tmp_path, unicodedata.normalize("NFD", "épée.png"))
    (found,) = pair_companions([Source(path=Path("épée.jpg"))], tmp_path, "trimap")
    assert isinstance(found, Path)


def test_what_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no such background; check the name"):
        pair_companions([Source(path=Path("a.jpg"))], tmp_path / "none.jpg", "background")
