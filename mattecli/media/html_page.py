"""Pieces of the HTML reports: one file that opens from disk and loads nothing.

Pictures are part of the text, and a policy in the page forbids every request, and every script but
the one of this package, by its digest. Whatever comes from outside (names, messages) is escaped
here, so callers pass plain text and get HTML.
"""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from types import MappingProxyType

from mattecli.errors import shown_path

__all__ = [
    "article",
    "fold",
    "heading",
    "page",
    "paged",
    "paragraphs",
    "picture",
    "sheet",
    "table",
    "text",
]

_PAGE_ROWS = 50
_KINDS = ((b"\x89PNG", "png"), (b"\xff\xd8", "jpeg"), (b"RIFF", "webp"))
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_SCRIPT_POLICY = "; script-src 'sha256-{}'"


def text(words: object) -> str:
    """Plain text as HTML on one line; control characters and broken bytes become visible."""
    return html.escape(shown_path(str(words)))


def page(title: str, sections: Iterable[str], *, script: str = "") -> str:
    """A whole document.

    Args:
        title: plain text.
        sections: HTML.
        script: a file of this package that runs in the page, or "".
    """
    style = _resource("report.css")
    body = "\n".join(section for section in sections if section)
    policy, code = _POLICY, ""
    if script:
        text_of = _resource(script)
        digest = base64.b64encode(hashlib.sha256(text_of.encode("ascii")).digest())
        policy += _SCRIPT_POLICY.format(digest.decode("ascii"))
        code = f"<script>{text_of}</script>\n"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{text(title)}</title>\n<style>\n{style}</style>\n</head>\n"
        f"<body>\n<h1>{text(title)}</h1>\n<main>\n{body}\n</main>\n{code}</body>\n</html>\n"
    )


def _resource(name: str) -> str:
    return resources.files("mattecli.media").joinpath(name).read_text("ascii")


def heading(words: str) -> str:
    """A section's heading, from plain text."""
    return f"<h2>{text(words)}</h2>"


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, kind: str = "") -> str:
    """A table of plain text; an empty string if there are no rows.

    Args:
        columns: their headings.
        rows: their cells.
        kind: a class for the script.
    """
    body = "\n".join(
        "<tr>" + "".join(f"<td>{text(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    if not body:
        return ""
    head = "".join(f"<th>{text(column)}</th>" for column in columns)
    mark = f' class="{text(kind)}"' if kind else ""
    return f"<table{mark}>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"


def picture(image: bytes, caption: str) -> str:
    """A figure; transparent parts show a checkerboard.

    Args:
        image: a PNG, JPEG or WebP file.
        caption: plain text.

    Raises:
        ValueError: the bytes are of another format.
    """
    kind = next((kind for magic, kind in _KINDS if image.startswith(magic)), None)
    if kind is None:
        raise ValueError("a picture for a page is PNG, JPEG or WebP")
    data = base64.b64encode(image).decode("ascii")
    return (
        f'<figure><img src="data:image/{kind};base64,{data}" alt="{text(caption)}" '
        f'loading="lazy" decoding="async"><figcaption>{text(caption)}</figcaption></figure>'
    )


def paragraphs(lines: Iterable[str]) -> str:
    """Lines of plain text; empty ones are left out."""
    return "".join(f"<p>{text(line)}</p>" for line in lines if line)


def article(
    title: str,
    facts: Iterable[str],
    pictures: Iterable[str] = (),
    *,
    alert: str = "",
    data: Mapping[str, object] = MappingProxyType({}),
) -> str:
    """One input: its name, what is known about it, its pictures.

    Args:
        title: plain text.
        facts: plain text, one line each; empty ones are left out.
        pictures: HTML of ``picture``.
        alert: plain text that stands out, such as an error.
        data: for the script, by name.
    """
    urgent = f'<p class="alert">{text(alert)}</p>' if alert else ""
    shown = "".join(pictures)
    row = f'<div class="row">{shown}</div>' if shown else ""
    marks = "".join(f' data-{name}="{text(value)}"' for name, value in data.items())
    return f"<article{marks}><h3>{text(title)}</h3>{urgent}{paragraphs(facts)}{row}</article>"


def sheet(title: str, articles: Sequence[str]) -> str:
    """Articles under a heading with their number; an empty string without any."""
    if not articles:
        return ""
    return (
        f'<section class="sheet">{heading(f"{title}: {len(articles)}")}{paged(articles)}</section>'
    )


def fold(title: str, body: str, *, opened: bool = False) -> str:
    """A section that opens with a click; an empty string for an empty body.

    Args:
        title: plain text.
        body: HTML.
        opened: whether it is open at first.
    """
    if not body:
        return ""
    state = " open" if opened else ""
    return f"<details{state}>\n<summary>{text(title)}</summary>\n{body}\n</details>"


def paged(articles: Sequence[str]) -> str:
    """Articles, in folds if there are more than 50: closed ones cost the browser no pictures."""
    if len(articles) <= _PAGE_ROWS:
        return "\n".join(articles)
    pages = []
    for first in range(0, len(articles), _PAGE_ROWS):
        part = articles[first : first + _PAGE_ROWS]
        title = f"{first + 1} to {first + len(part)} of {len(articles)}"
        pages.append(fold(title, "\n".join(part), opened=first == 0))
    return "\n".join(pages)
