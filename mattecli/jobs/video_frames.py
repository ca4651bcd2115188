"""Frames of a video with all that belongs to each: shot, trimap, plate, mask, backdrop."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from mattecli.engine.estimator import Matte, Prepared
from mattecli.errors import PairingError, PlateError, VideoReadError
from mattecli.jobs.fills import Fill
from mattecli.jobs.video_backdrop import Backdrop
from mattecli.jobs.video_sources import Footage, Track
from mattecli.media.video.outputs import Stamp
from mattecli.media.video.records import Frame
from mattecli.ops.align import Alignment, align_plate
from mattecli.ops.despill import Screen
from mattecli.ops.pixels import Float32, to_levels
from mattecli.ops.plates import check_plate, fit_plate
from mattecli.ops.registration import covered_by, warp
from mattecli.ops.shots import ShotDetector
from mattecli.ops.trimap import TrimapOptions, make_trimap, repair_trimap
from mattecli.records import Array, Size

__all__ = ["FrameItem", "FrameSource", "ResumePoint", "Tracks"]


@dataclass(slots=True, eq=False, kw_only=True)
class FrameItem:
    """One frame on its way; what is no longer needed is dropped.

    Attributes:
        stamp: its place in the result.
        is_context: it is only looked at for its neighbours' sake.
        color: H,W,3.
        trimap: H,W of 0, 128, 255, given or made.
        plate: H,W,3.
        mask: H,W, above 0 is subject.
        fill: what stands behind the composite.
        guide_input, guide: what the portrait model is given, and the alpha it finds.
        prepared: what the model is given.
        seen: the frame as the model saw it, for smoothing.
        matte: what it found.
        images: finished pictures by kind.
    """

    stamp: Stamp
    is_context: bool
    color: Array
    trimap: Array | None = None
    plate: Array | None = None
    mask: Array | None = None
    fill: Fill | None = None
    guide_input: Prepared | None = None
    guide: Float32 | None = None
    prepared: Prepared | None = None
    seen: Array | None = None
    matte: Matte | None = None
    images: dict[str, Array] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumePoint:
    """Where a run begins, and where it ends before the clip does.

    Attributes:
        done: frames that are complete already.
        context: timestamps of the last of those, which have to be seen again.
        shots: timestamps at which the shots of the context's frames begin.
        screen: the screen behind the last of them whose light is taken off.
        skipped: frames of the source before its first wanted one.
        origin: ticks of the result's zero.
        end: index of the first frame that is not wanted; None: all are.
        ahead: how many frames from ``end`` on have to be seen, for their neighbours' sake.
    """

    done: int = 0
    context: tuple[int, ...] = ()
    shots: tuple[int, ...] = ()
    screen: Screen | None = None
    skipped: int = 0
    origin: int = 0
    end: int | None = None
    ahead: int = 0

    @property
    def first(self) -> int:
        """Index of the first frame that is decoded."""
        return self.done - len(self.context)

    def wants(self, index: int) -> bool:
        """Whether a frame is written; others are only looked at for their neighbours' sake."""
        return index >= self.done and (self.end is None or index < self.end)

    def is_over(self, index: int) -> bool:
        """Whether no frame is needed from this one on."""
        return self.end is not None and index >= self.end + self.ahead


@dataclass(slots=True)
class Tracks:
    """What is given for each frame; None: not given.

    Attributes:
        trimap: used as it is.
        subject: masks that trimaps are made of, of this shape.
        plate: the empty background.
        mask: the segmentation.
    """

    trimap: Track | None = None
    subject: Track | None = None
    shape: TrimapOptions = field(default_factory=TrimapOptions)
    plate: Track | None = None
    mask: Track | None = None

    def close(self) -> None:
        """Stop reading."""
        for track in (self.trimap, self.subject, self.plate, self.mask):
            if track is not None:
                track.close()


class FrameSource:
    """Yields frames with their companions, in order, from one thread.

    Args:
        footage: the clip.
        frames: its frames from ``point.first`` on.
        tracks: companions, which begin at the same frame.
        backdrop: of the composite, or None.
        point: where the run begins.
        align: the plate is registered at the beginning of each shot.

    Attributes:
        notes: what the user should know.
        repeated: frames that could not be decoded.
        ended_at: time of the first frame that the backdrop no longer reaches, where it is trimmed.
    """

    def __init__(
        self,
        footage: Footage,
        frames: Iterator[Frame],
        tracks: Tracks,
        backdrop: Backdrop | None,
        point: ResumePoint,
        *,
        align: bool,
    ) -> None:
        self.notes: list[str] = []
        self.repeated = 0
        self.ended_at: int | None = None
        self._footage = footage
        self._frames = frames
        self._tracks = tracks
        self._backdrop = backdrop
        self._point = point
        self._align = align
        self._alignment: Alignment | None = None
        self._plate_is_held = False
        self._shots = ShotDetector()
        self._shot: int | None = None

    def __iter__(self) -> Iterator[FrameItem]:
        for number, frame in enumerate(self._frames):
            index = self._point.first + number
            if self._point.is_over(index):
                return
            self._check_resumed(number, frame)
            self.repeated += frame.repeated and self._point.wants(index)
            is_new = self._begins_shot(frame, number)
            fill = None
            if self._backdrop is not None:
                fill = self._backdrop.at(self._seconds(frame.pts))
                if fill is None:
                    self.ended_at = frame.pts
                    return
            item = FrameItem(
                stamp=self._stamp(index, frame),
                is_context=not self._point.wants(index),
                color=frame.color,
                fill=fill,
            )
            self._accompany(item, is_new_shot=is_new)
            yield item

    def _stamp(self, index: int, frame: Frame) -> Stamp:
        known = self._point.screen if index < self._point.done else None
        return Stamp(index, frame.pts, self._shot or 0, known)

    def _check_resumed(self, number: int, frame: Frame) -> None:
        """The frames before the one to go on with must be those that were seen last time."""
        context = self._point.context
        if number < len(context) and frame.pts != context[number]:
            raise VideoReadError(
                "it cannot be continued to the frame",
                path=self._footage.path,
                remedy="run it again without --resume",
            )

    def _seconds(self, pts: int) -> Fraction:
        return max(Fraction(0), (pts - self._point.origin) * self._footage.info.time_base)

    def _begins_shot(self, frame: Frame, number: int) -> bool:
        """Whether the plate has to be looked at anew: a shot begins, or the run."""
        begins = self._shots.begins(frame.color)
        known = self._point.shots
        if number < len(known):  # told by the earlier run, which saw more frames before it
            begins = known[number] != self._shot
            self._shot = known[number]
        elif begins:
            self._shot = frame.pts
        return begins

    def _accompany(self, item: FrameItem, *, is_new_shot: bool) -> None:
        size = Size.of(item.color)
        if self._tracks.trimap is not None:
            # Codecs leave values between the three.
            item.trimap = repair_trimap(self._tracks.trimap.next(holds=False))
            _require_size(self._tracks.trimap, item.trimap, size)
        if self._tracks.subject is not None:
            mask = self._tracks.subject.next(holds=False)
            _require_size(self._tracks.subject, mask, size)
            item.trimap = make_trimap(mask, self._tracks.shape)
        if self._tracks.mask is not None:
            item.mask = self._tracks.mask.next(holds=False)
            _require_size(self._tracks.mask, item.mask, size)
        track = self._tracks.plate
        if track is None:
            return
        plate = track.next(holds=True)
        if track.has_ended and not self._plate_is_held:
            self._plate_is_held = True
            self.notes.append("the plate video ends before the clip; its last frame is held")
        if self._align:
            item.plate = self._aligned(plate, item, is_new_shot)
        else:
            item.plate = self._fitted(plate, item, is_new_shot)

    def _aligned(self, plate: Array, item: FrameItem, is_new_shot: bool) -> Array:
        if is_new_shot or self._alignment is None:
            self._alignment = self._found_alignment(plate, item)
        found, size = self._alignment, Size.of(item.color)
        track = self._tracks.plate
        if track is not None and track.is_still:
            return found.plate
        moved = found.exposure.apply(warp(plate, found.homography, size))
        reached = covered_by(Size.of(plate), found.homography, size)[..., None]
        return np.where(reached, moved, to_levels(item.color, moved.dtype))

    def _found_alignment(self, plate: Array, item: FrameItem) -> Alignment:
        """The alignment of a shot, by its first frame, wherever the run begins."""
        color, shot = item.color, item.stamp.shot
        if shot != item.stamp.pts:
            color = self._footage.frame_at(shot)
        found = align_plate(plate, color, mask=item.mask)
        if not found.trusted:
            at = f"at {float(self._seconds(item.stamp.pts)):.2f} s: {found.reason}"
            path = self._tracks.plate.path if self._tracks.plate is not None else None
            raise PlateError(at, path=path, remedy=found.remedy)
        return found

    def _fitted(self, plate: Array, item: FrameItem, is_new_shot: bool) -> Array:
        path = self._tracks.plate.path if self._tracks.plate is not None else None
        fitted = fit_plate(plate, Size.of(item.color), path)
        if is_new_shot and not item.is_context:
            found = check_plate(plate, item.color, mask=item.mask)
            if found.verdict != "fits":
                seconds = float(self._seconds(item.stamp.pts))
                self.notes.append(found.doubt(f" from {seconds:.2f} s on"))
        return fitted


def _require_size(track: Track, image: Array, size: Size) -> None:
    if Size.of(image) != size:
        raise PairingError(
            f"the {track.role} is {Size.of(image)}, the video {size}",
            path=track.path,
            remedy="give one of the video's size",
        )
