"""Colours that users write."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mattecli.errors import UsageError
from mattecli.ops.colours import Colour, parse_colour

levels = st.integers(0, 255)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("white", (255, 255, 255)),
        ("Black", (0, 0, 0)),
        ("rebeccapurple", (102, 51, 153)),
        ("#0f8", (0, 255, 136)),
        ("#00B140", (0, 177, 64)),
        ("0,177,64", (0, 177, 64)),
        (" 1 , 2 , 3 ", (1, 2, 3)),
        ("rgb(1, 2, 3)", (1, 2, 3)),
        ("rgb(100%, 0%, 20%)", (255, 0, 51)),
        ("hsl(120, 100%, 50%)", (0, 255, 0)),
    ],
)
def test_every_spelling(text: str, wanted: tuple[int, int, int]) -> None:
    assert parse_colour(text) == Colour(*(level / 255 for level in wanted))


@given(levels, levels, levels)
def test_spellings_agree(red: int, green: int, blue: int) -> None:
    spelt = {
        parse_colour(f"{red},{green},{blue}"),
        parse_colour(f"rgb({red},{green},{blue})"),
        parse_colour(f"#{red:02x}{green:02X}{blue:02x}"),
    }
    assert spelt == {Colour(red / 255, green / 255, blue / 255)}


@pytest.mark.parametrize(
    "text",
    ["", "nocolour", "#12", "#12345", "#11223344", "256,0,0", "-1,0,0", "1,2", "1,2,3,4",
     "rgb(300,0,0)", "rgba(1,2,3,4)", "transparent", "1.5,2,3", "white\n;"],
)  # fmt: skip
def test_nonsense_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_colour(text)
    assert "\n" not in str(caught.value)
    assert "#00b140" in str(caught.value)


@given(st.text(max_size=12))
def test_any_text_is_a_colour_or_a_usage_error(text: str) -> None:
    try:
        colour = parse_colour(text)
    except UsageError:
        return
    assert all(0 <= part <= 1 for part in colour)
