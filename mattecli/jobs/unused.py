"""Options that change nothing about what is written: the user is told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any

from mattecli.settings import FrameFinishOptions, MatteOptions
from mattecli.settings.video import VideoOptions

__all__ = ["unused_in_matte", "unused_in_video"]


def unused_in_matte(options: MatteOptions) -> str:
    """A remark on options of ``matte`` without effect; "" where there are none.

    Args:
        options: with the kinds of output settled.
    """
    kinds, finish = options.pixels.write, options.finish
    flags: list[str] = []
    if not options.model.makes_trimap and ("trimap" not in kinds or options.model.has_trimap):
        flags += _given(options.shape)
    if "composite" not in kinds:
        flags += _given(options.pixels, "background_fill")
    if "foreground" not in kinds:
        flags += _given(options.pixels, "premultiply", "rgb")
    if not any(path.suffix == ".html" for path in options.run.report):  # which shows colours
        flags += _without_colours(kinds, finish)
    if finish.crop == "off":
        flags += _given(finish, "margin")
    return _remark(flags)


def unused_in_video(options: VideoOptions) -> str:
    """As ``unused_in_matte``, for ``video``."""
    kinds, finish = options.pixels.write, options.finish
    flags: list[str] = []
    if not options.model.makes_trimap:
        flags += _given(options.shape)
    if "composite" not in kinds:
        flags += _given(options.pixels, "background_fill", "background_end", "fit")
    if "foreground" not in kinds:
        flags += _given(options.pixels, "premultiply")
    flags += _without_colours(kinds, finish)
    return _remark(flags)


def _without_colours(kinds: Sequence[str], finish: FrameFinishOptions) -> Iterator[str]:
    """What has no effect on colours."""
    if {"alpha", "trimap", "mask"}.issuperset(kinds):
        yield from _given(finish, "despill", "despill_strength")
    elif finish.despill == "off":
        yield from _given(finish, "despill_strength")


def _given(record: Any, *names: str) -> Iterator[str]:
    """The flags of those fields (of all without ``names``) that are not at their default."""
    for item in fields(record):
        is_meant = not names or item.name in names
        if is_meant and getattr(record, item.name) != item.default:
            yield item.metadata["flags"][0]


def _remark(flags: list[str]) -> str:
    return f"without effect on what is written: {', '.join(flags)}" if flags else ""
