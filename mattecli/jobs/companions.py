"""What a model gets beside the photo: trimaps, background plates, segmentations."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mattecli.engine.estimator import Photo
from mattecli.errors import InputError, PlateError, TrimapError
from mattecli.jobs.task import Task
from mattecli.jobs.trimap import trimap_options
from mattecli.media.decode import Place
from mattecli.media.images import MatteFile, read_levels, read_matte, read_picture
from mattecli.ops.align import align_plate
from mattecli.ops.pixels import Float32, to_levels
from mattecli.ops.plates import check_plate, fit_plate
from mattecli.ops.segmentation import subject_mask
from mattecli.ops.trimap import FOREGROUND, check_trimap, make_trimap, require_usable
from mattecli.records import Array, Size
from mattecli.settings import MatteOptions

__all__ = ["Companions"]


class Companions:
    """Reads or makes what belongs to a photo.

    Args:
        options: what was given, and the shape of made trimaps.
        place: asked for an array to put a large plate into.
    """

    def __init__(self, options: MatteOptions, place: Place = lambda _shape: None) -> None:
        self._place = place
        self._model = options.model
        self._shape = trimap_options(options.shape)
        self._max_pixels = options.source.max_pixels

    def photo(self, task: Task, color: Array, full: Size, guide: Float32 | None) -> Photo:
        """A photo with all that its model needs.

        Args:
            task: with its companions.
            color: the photo, H,W,3, upright; may be smaller than ``full``.
            full: its size.
            guide: the portrait model's alpha, H,W, for what has to be made.

        Raises:
            TrimapError: the trimap is unusable.
            PlateError: the background plate does not fit.
            InputError: the segmentation does not fit, or a file is unreadable.
        """
        mask = self._mask(task, full, guide)
        return Photo(
            color=color,
            full=full,
            trimap=self._trimap(task, full, guide),
            background=self._plate(task, color, mask),
            mask=mask,
        )

    def _trimap(self, task: Task, full: Size, guide: Float32 | None) -> Array | None:
        if self._model.mask is not None:
            return self._trimap_of_mask(task, full)
        if self._model.trimap is None:
            return None
        if self._model.trimap == "auto":
            return self._made_trimap(task, guide)
        path = task.companion("trimap")
        trimap = to_levels(read_levels(task.content("trimap"), max_pixels=self._max_pixels))
        require_usable(trimap, full, path, any_values=self._model.reference)
        return trimap

    def _made_trimap(self, task: Task, guide: Float32 | None) -> Array:
        if guide is None:
            raise AssertionError("a trimap was to be made without a guide")
        trimap = make_trimap(guide, self._shape)
        if not (trimap == FOREGROUND).any():
            raise TrimapError(
                "the portrait model found no person to make a trimap from",
                path=task.source.path,
                remedy="give one with --trimap",
            )
        return trimap

    def _trimap_of_mask(self, task: Task, full: Size) -> Array:
        found = self._rough(task, "mask", full)
        if found.is_colour:
            task.notes.append("its mask is in colour: the brightness counts")
        if found.values.dtype == np.uint8 and found.values.max() == 1:
            raise InputError(
                "the mask reaches from 0 to 1 of 255",
                path=task.companion("mask"),
                remedy="multiply it by 255",
            )
        trimap = make_trimap(found.values, self._shape)
        for problem in check_trimap(trimap).problems:
            raise TrimapError(
                f"made of this mask, {problem.cause}",
                path=task.companion("mask"),
                remedy="give a mask that shows the subject, or change --dilate and --erode",
            )
        return trimap

    def _mask(self, task: Task, full: Size, guide: Float32 | None) -> Array | None:
        if self._model.segmentation is not None:
            return to_levels(self._rough(task, "segmentation", full).values)
        if guide is None or self._model.trimap is not None:
            return None
        return subject_mask(guide)

    def _rough(self, task: Task, role: str, full: Size) -> MatteFile:
        """What a mask or segmentation says, which must have the photo's size."""
        found = read_matte(task.content(role), max_pixels=self._max_pixels)
        if Size.of(found.values) != full:
            raise InputError(
                f"the {role} is {Size.of(found.values)}, its photo {full}",
                path=task.companion(role),
                remedy="give one of the photo's size",
            )
        return found

    def _plate(self, task: Task, color: Array, mask: Array | None) -> Array | None:
        if self._model.background is None:
            return None
        path = task.companion("background")
        content = task.content("background")
        plate = read_picture(content, max_pixels=self._max_pixels, place=self._place).color
        if self._model.align and self._model.reference:
            return _aligned_as_published(path, plate, color, mask)
        if self._model.align:
            return self._aligned(task, path, plate, color, mask)
        fitted = fit_plate(plate, Size.of(color), path)
        found = check_plate(plate, color, mask=mask)
        if found.verdict != "fits":
            task.notes.append(found.doubt())
        return fitted

    def _aligned(
        self, task: Task, path: Path, plate: Array, color: Array, mask: Array | None
    ) -> Array:
        found = align_plate(plate, color, mask=mask)
        if not found.trusted:
            raise PlateError(found.reason, path=path, remedy=found.remedy)
        task.notes.append(
            found.reason
            or f"background registered by {found.inliers} points, "
            f"median error {found.median_error:.2f} pixels"
        )
        return found.plate


def _aligned_as_published(path: Path, plate: Array, color: Array, mask: Array | None) -> Array:
    """The plate as the authors' scripts register it, in 8 bits; Background Matting has a mask."""
    from mattecli.engine.reference.plates import bgm_aligned, bgmv2_aligned

    photo, plate = to_levels(color), to_levels(plate)
    try:
        if mask is None:
            return bgmv2_aligned(plate, photo)
        return bgm_aligned(fit_plate(plate, Size.of(photo), path), photo, mask)
    except PlateError as error:
        error.path = path
        raise
