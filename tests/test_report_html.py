"""The HTML pages: escaping, self-containment, order, weight; and their thumbnails."""

from __future__ import annotations

import base64
import hashlib
import io
from html.parser import HTMLParser
from importlib import resources

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mattecli.media.html_page import article, page, paged, picture, table, text
from mattecli.media.report_html import ReportRow, html_report
from mattecli.media.thumbnails import fitted, thumbnail
from mattecli.records import ItemRecord, Report, Size

VOID = {"meta", "img", "br", "link"}


class Reader(HTMLParser):
    """Collects text and attributes, and checks that every element is closed in its turn."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(document)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("style", "script"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(self.words)


def small_picture(level: int = 128) -> bytes:
    return thumbnail(np.full((8, 12), level, np.uint8))


def row(name: str, status: str = "done", **more: object) -> ReportRow:
    thumbs = {"source": small_picture(), "alpha": small_picture(255)} if status == "done" else {}
    return ReportRow(
        record=ItemRecord(source=name, status=status, **more),  # type: ignore[arg-type]  # test data
        thumbs=thumbs,
    )


HOSTILE = "<script>alert(1)</script>\"'&\n\x1b]0;\u202e\udcff.jpg"


@settings(max_examples=60, deadline=None)
@given(words=st.text(st.characters(), max_size=30))
def test_text_comes_back_as_it_was_shown_and_makes_no_element(words: str) -> None:
    reader = Reader(f"<p>{text(words)}</p>")
    assert [tag for tag, _ in reader.tags] == ["p"]
    assert all(char.isprintable() for char in "".join(reader.words))
    if words.isprintable():
        assert "".join(reader.words) == words


def test_hostile_names_make_no_elements_anywhere() -> None:
    rows = [
        row(HOSTILE, "failed", error=HOSTILE),
        row(HOSTILE, outputs={HOSTILE: HOSTILE}, notes=(HOSTILE,), seconds={HOSTILE: 1.0}),
        row(HOSTILE, "skipped"),
    ]
    document = html_report(rows, Report(settings={HOSTILE: HOSTILE}, total=3, failed=1))
    document.encode("utf-8")  # no lone surrogate is left
    reader = Reader(document)
    assert [tag for tag, _ in reader.tags].count("script") == 1  # our own
    assert "\\n" in reader.text
    assert "\\xff" in reader.text


def test_the_page_loads_nothing_and_says_so() -> None:
    reader = Reader(html_report([row("a.jpg")], Report(settings={}, total=1, done=1)))
    assert reader.open == []
    for tag, attributes in reader.tags:
        assert tag not in {"link", "iframe", "object", "embed", "form", "a"}
        assert not any(name.startswith("on") for name in attributes)
        if "src" in attributes:
            assert (attributes["src"] or "").startswith("data:image/webp;base64,")
    policies = [a["content"] for _, a in reader.tags if "http-equiv" in a]
    script = resources.files("mattecli.media").joinpath("report.js").read_bytes()
    digest = base64.b64encode(hashlib.sha256(script).digest()).decode()
    common = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    assert policies == [f"{common}; script-src 'sha256-{digest}'"]
    assert [a for tag, a in reader.tags if tag == "script"] == [{}]


def test_what_failed_comes_first_and_what_has_no_picture_last() -> None:
    rows = [row("good.jpg"), row("old.jpg", "skipped"), row("bad.jpg", "failed", error="is torn")]
    words = Reader(html_report(rows, Report(settings={"model": "modnet"}, total=3, failed=1))).text
    places = [words.index(name) for name in ("is torn", "good.jpg", "old.jpg", "modnet")]
    assert places == sorted(places)


def test_the_account_is_on_the_page() -> None:
    report = Report(
        settings={}, total=5, done=2, skipped=1, failed=1, seconds=3.21, interrupted=True
    )
    words = Reader(html_report([], report)).text
    assert "3.2 s, interrupted" in words
    assert words.split()[:2] == ["mattecli", "report"]


def test_large_runs_are_paged_and_only_the_first_page_is_open() -> None:
    rows = [row(f"{number}.jpg") for number in range(500)]
    reader = Reader(html_report(rows, Report(settings={}, total=500, done=500)))
    folds = [attributes for tag, attributes in reader.tags if tag == "details"]
    assert len(folds) == 10
    assert ["open" in fold for fold in folds] == [True] + [False] * 9
    pictures = [attributes for tag, attributes in reader.tags if tag == "img"]
    assert len(pictures) == 1000
    assert all(attributes["loading"] == "lazy" for attributes in pictures)
    assert "451 to 500 of 500" in reader.text


def test_few_articles_need_no_fold() -> None:
    assert "<details" not in paged([article("a", [])] * 50)
    assert paged([article("a", [])] * 51).count("<details") == 2


def test_an_empty_table_leaves_nothing() -> None:
    assert table(("a",), []) == ""
    assert "<td>1</td>" in table(("a",), [[1]])


def test_sections_without_content_are_left_out() -> None:
    reader = Reader(page("t", ["", "<p>x</p>", ""]))
    assert [tag for tag, _ in reader.tags].count("p") == 1


def test_pictures_of_unknown_format_are_refused() -> None:
    assert "image/png" in picture(b"\x89PNG\r\n\x1a\n", "a")
    with pytest.raises(ValueError, match="PNG, JPEG or WebP"):
        picture(b"<svg>", "a")


# --- thumbnails ----------------------------------------------------------------------------------


def opened(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        assert image.format == "WEBP"
        return np.asarray(image)


@settings(max_examples=50, deadline=None)
@given(width=st.integers(1, 3000), height=st.integers(1, 3000), side=st.integers(1, 400))
def test_fitted_keeps_the_shape_and_never_enlarges(width: int, height: int, side: int) -> None:
    size = fitted(Size(width, height), side)
    assert 1 <= max(size) <= max(side, 1)
    assert size.width <= width
    assert size.height <= height
    if max(width, height) > side:
        assert max(size) == side
        assert abs(size.width * height - size.height * width) <= max(width, height)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_thumbnails_of_every_depth_show_the_colour(dtype: type) -> None:
    white = 1.0 if dtype is np.float32 else np.iinfo(dtype).max
    image: np.ndarray = np.zeros((600, 900, 3), dtype)
    image[:] = np.array([white, white / 2, 0]).astype(dtype)
    shown = opened(thumbnail(image))
    assert shown.shape == (213, 320, 3)
    np.testing.assert_allclose(shown.reshape(-1, 3).mean(axis=0), [255, 127.5, 0], atol=4)


def test_a_thumbnail_is_the_mean_of_what_it_covers() -> None:
    ramp = np.tile(np.linspace(0, 1, 2000, dtype=np.float32), (1000, 1))
    shown = opened(thumbnail(ramp, side=100))[..., 0].astype(float)
    assert shown.shape == (50, 100)
    np.testing.assert_allclose(shown.mean(axis=0), np.linspace(1, 254, 100), atol=4)


def test_hidden_colours_do_not_tint_a_thumbnail() -> None:
    image = np.zeros((400, 400, 4), np.uint8)
    image[:, ::2] = (255, 0, 0, 0)  # red, fully transparent
    image[:, 1::2] = (0, 0, 255, 255)
    shown = opened(thumbnail(image, side=100)).reshape(-1, 4).mean(axis=0)
    assert shown[3] == pytest.approx(127, abs=4)
    assert shown[2] > 200
    assert shown[0] < 40
