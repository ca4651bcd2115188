"""Options records made in Python: what they take, what they refuse, and that they stay records."""

from __future__ import annotations

import pickle
from dataclasses import MISSING, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import hypothesis
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mattecli import settings
from mattecli.errors import UsageError
from mattecli.jobs.matte import matte_images
from mattecli.settings import (
    BlendOptions,
    DeviceOptions,
    EvaluateOptions,
    FinishOptions,
    InputOptions,
    MatteOptions,
    ModelOptions,
    OutputOptions,
    PairOptions,
    PixelOptions,
    RunOptions,
    TrainOptions,
    TrimapShape,
)
from mattecli.settings.checked import Checked
from tests.conftest import PICTURES

RECORDS: list[type[Any]] = [getattr(settings, name) for name in settings.__all__]


def choices_of(hint: Any) -> tuple[str, ...]:
    """The words that a type allows: itself, in a tuple, or beside None."""
    if get_origin(hint) is Literal:
        return get_args(hint)
    return tuple(word for inner in get_args(hint) for word in choices_of(inner))


CHOICES = [
    (record, name)
    for record in RECORDS
    for name, hint in get_type_hints(record).items()
    if choices_of(hint)
]


def needed(record: type[Any]) -> dict[str, Any]:
    """Values for the fields without default."""
    values: dict[str, Any] = {"pair": PairOptions(pred="p", truth="t")}
    return {
        item.name: values.get(item.name, "x")
        for item in fields(record)
        if item.default is MISSING and item.default_factory is MISSING
    }


def test_every_record_is_checked_and_every_part_of_one_is_exported() -> None:
    for record in RECORDS:
        assert issubclass(record, Checked)
        assert not hasattr(record(**needed(record)), "__dict__")
        parts = [hint for hint in get_type_hints(record).values() if is_dataclass(hint)]
        assert set(parts) <= set(RECORDS), record


@pytest.mark.parametrize(("record", "name"), CHOICES)
@hypothesis.settings(max_examples=25)
@given(junk=st.one_of(st.text(), st.integers(), st.booleans(), st.floats(), st.binary()))
def test_a_field_with_choices_refuses_junk(record: type[Any], name: str, junk: object) -> None:
    words = choices_of(get_type_hints(record)[name])
    if str(junk) in words and not isinstance(junk, bytes):
        assert getattr(record(**needed(record) | {name: junk}), name) in (junk, str(junk), (junk,))
        return
    with pytest.raises(UsageError, match=f"{record.__name__}: {name}=") as caught:
        record(**needed(record) | {name: junk})
    assert all(word in str(caught.value) for word in words)


@pytest.mark.parametrize(("record", "name"), CHOICES)
def test_a_field_with_choices_takes_each(record: type[Any], name: str) -> None:
    hint = get_type_hints(record)[name]
    for word in choices_of(hint):
        found = getattr(record(**needed(record) | {name: word}), name)
        assert found == ((word,) if get_origin(hint) is tuple else word)


def fits(value: object, hint: Any) -> bool:
    if get_origin(hint) is tuple:
        inner = get_args(hint)[0]
        return isinstance(value, tuple) and all(fits(item, inner) for item in value)
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    inner = get_args(hint) or (hint,)
    return any(fits(value, each) if get_args(each) else type(value) is each for each in inner)


@pytest.mark.parametrize("record", RECORDS)
def test_defaults_are_of_their_types(record: type[Any]) -> None:
    """They are not looked at when a record is made, for the time."""
    hints = get_type_hints(record)
    for item in fields(record):
        assert item.default is MISSING or fits(item.default, hints[item.name]), item.name


def test_what_can_only_mean_one_thing_becomes_it() -> None:
    assert InputOptions(inputs="astronaut.jpg").inputs == ("astronaut.jpg",)
    assert InputOptions(inputs=Path("a/b.jpg")).inputs == (str(Path("a/b.jpg")),)
    assert InputOptions(inputs=[Path("a"), "b"]).inputs == ("a", "b")
    assert InputOptions(inputs=(Path(name) for name in "ab")).inputs == ("a", "b")
    assert PixelOptions(write="alpha", bit_depth=16).write == ("alpha",)
    assert PixelOptions(bit_depth=16).bit_depth == "16"
    assert ModelOptions(weights="w.safetensors").weights == Path("w.safetensors")
    assert ModelOptions(trimap=Path("t.png")).trimap == "t.png"
    assert RunOptions(report="run.html").report == (Path("run.html"),)
    assert FinishOptions(margin=20).margin == "20"
    assert DeviceOptions(batch_size=2, overlap=np.int64(8)) == DeviceOptions(
        batch_size="2", overlap=8
    )
    threshold = FinishOptions(threshold=1).threshold
    assert isinstance(threshold, float)
    assert TrainOptions(recipe="modnet", data="d", output="o").data == Path("d")


@pytest.mark.parametrize(
    ("record", "name", "value"),
    [
        (PixelOptions, "background_fill", (255, 0, 0)),
        (PixelOptions, "write", {"alpha", "mask"}),
        (PixelOptions, "premultiply", "no"),
        (PixelOptions, "bit_depth", True),
        (InputOptions, "inputs", b"a.jpg"),
        (InputOptions, "inputs", ("a.jpg", b"b.jpg")),
        (InputOptions, "inputs", None),
        (InputOptions, "max_pixels", 1e6),
        (ModelOptions, "weights", 3),
        (ModelOptions, "size", "512"),
        (ModelOptions, "size", np.zeros((30, 30))),
        (FinishOptions, "choke", "1"),
        (FinishOptions, "margin", None),
        (FinishOptions, "min_area", True),
        (BlendOptions, "scale", None),
        (MatteOptions, "model", "modnet"),
        (MatteOptions, "run", DeviceOptions()),
        (EvaluateOptions, "pair", ("p", "t")),
        (TrimapShape, "erode", [3]),
    ],
)
def test_what_cannot_be_right_names_its_field(record: type[Any], name: str, value: object) -> None:
    with pytest.raises(UsageError, match=f"^{record.__name__}: {name}=") as caught:
        record(**needed(record) | {name: value})
    assert "\n" not in str(caught.value)


def test_records_are_checked_when_replaced_and_travel_as_they_are() -> None:
    options = OutputOptions(output=Path("out"))
    with pytest.raises(UsageError, match="overwrite, skip, error"):
        replace(options, existing="skpi")
    assert replace(options, existing="skip").output == "out"
    whole = MatteOptions(target=options, finish=FinishOptions(margin=3))
    assert pickle.loads(pickle.dumps(whole)) == whole


def test_a_lone_input_is_one_photo(tmp_path: Path) -> None:
    report = matte_images(
        MatteOptions(
            source=InputOptions(inputs=PICTURES / "photos" / "astronaut.jpg"),
            target=OutputOptions(output=tmp_path / "out.png"),
            model=ModelOptions(model="modnet", size=64),
            pixels=PixelOptions(write="alpha"),
            run=RunOptions(workers=1),
        )
    )
    assert (report.total, report.done) == (1, 1)
    assert (tmp_path / "out.png").exists()
