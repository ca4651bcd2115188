"""From the alpha that a model found to the cut-out that is written."""

from __future__ import annotations

from typing import Literal

import numpy as np

from mattecli.errors import InputError, UsageError
from mattecli.jobs.results import Cutout
from mattecli.jobs.task import Task
from mattecli.ops.amounts import Amount
from mattecli.ops.blocks import strips
from mattecli.ops.despill import Screen, find_screen
from mattecli.ops.finishing import AlphaFinish, box_with_margin
from mattecli.ops.pixels import Float32, as_type
from mattecli.ops.segmentation import Box
from mattecli.records import Array, Picture
from mattecli.settings.finish import FinishOptions

__all__ = ["Finisher", "screen_note"]


def screen_note(screen: Screen) -> str:
    """What people are told when a screen was found."""
    return f"its background is a {screen} screen, whose light is taken off"


class Finisher:
    """Does to each alpha what the user asked for.

    Args:
        options: as given.
        needs_colours: whether foreground colours will be shown.

    Raises:
        UsageError: an option is out of its range.
    """

    def __init__(self, options: FinishOptions, *, needs_colours: bool) -> None:
        if not 0 <= options.despill_strength <= 1:
            raise UsageError(
                f"--despill-strength {options.despill_strength} is out of range",
                remedy="give 0 to 1",
            )
        self._options = options
        self._needs_colours = needs_colours
        margin = Amount.parsed(options.margin, "--margin")
        self._margin = margin if options.crop == "subject" else None
        self._finish = AlphaFinish(
            min_area=Amount.parsed(options.min_area, "--min-area"),
            only_largest=options.keep == "largest",
            fill_holes=Amount.parsed(options.fill_holes, "--fill-holes"),
            invert=options.invert,
            threshold=options.threshold,
            choke=options.choke,
            feather=options.feather,
        )

    @property
    def screen(self) -> Screen | Literal["auto"] | None:
        """The screen whose light is taken off; auto: of one that is found; None: of none."""
        wanted = self._options.despill
        if wanted == "off" or not self._needs_colours or self._options.despill_strength == 0:
            return None
        # What is behind the subject is what shall be seen.
        return None if wanted == "auto" and self._options.invert else wanted

    def frame(
        self,
        picture: Picture,
        alpha: Float32,
        *,
        trimap: Array | None,
        foreground: Float32 | None,
        screen: Screen | None,
    ) -> Cutout:
        """A video's frame with its finished alpha, not cropped.

        Args:
            picture: the frame.
            alpha: as found, H,W, 0..1.
            trimap: the one that was used, H,W, or None.
            foreground: the model's own colours, H,W,3, or None.
            screen: the one whose light is taken off.
        """
        mixing = self._finish.selected(alpha)
        return Cutout(
            picture=picture,
            alpha=self._finish.shaped(mixing),
            mixing=mixing,
            trimap=trimap,
            foreground=self._colours(foreground, picture, alpha, mixing),
            screen=screen,
        )

    def cutout(
        self,
        task: Task,
        picture: Picture,
        alpha: Float32,
        *,
        own: Float32 | None,
        trimap: Array | None,
        foreground: Float32 | None,
    ) -> Cutout:
        """The photo with its finished alpha; sets the task's crop, and notes a screen found in it.

        Args:
            task: the photo's.
            picture: as decoded.
            alpha: as found, H,W, 0..1.
            own: the photo's own alpha, H,W, 0..1, or None; what it leaves transparent stays so.
            trimap: the one that was given, H,W, or None.
            foreground: the model's own colours, H,W,3, or None.

        Raises:
            InputError: it was to be cropped, and nothing shows.
        """
        found = alpha if own is None else _beside_own(alpha, own)
        mixing = self._finish.selected(found)
        if own is not None and self._options.invert:
            mixing = np.where(own > 0, mixing, np.float32(0))
        shaped = self._finish.shaped(mixing)
        if own is not None:
            shaped = shaped * own
        if self._margin is not None:
            task.crop = self._box(task, shaped, self._margin)
        return Cutout(
            picture=picture,
            alpha=shaped,
            mixing=mixing,
            trimap=trimap,
            foreground=self._colours(foreground, picture, found, mixing),
            screen=self._screen(task, picture, mixing),
            box=task.crop,
        )

    def _colours(
        self, own: Float32 | None, picture: Picture, found: Float32, mixing: Float32
    ) -> Array | None:
        """The model's own colours, where they are still those of what is cut out."""
        if self._options.invert or own is None:
            return None
        if mixing is found:
            return own
        return _with_photo_where_filled(own, picture.color, found, mixing)

    def _box(self, task: Task, alpha: Float32, margin: Amount) -> Box:
        try:
            return box_with_margin(alpha, margin)
        except InputError as error:
            raise InputError(
                "no subject shows that it could be cropped to",
                path=task.source.path,
                remedy="leave --crop out",
            ) from error

    def _screen(self, task: Task, picture: Picture, alpha: Float32) -> Screen | None:
        wanted = self.screen
        if wanted != "auto":
            return wanted
        found = find_screen(picture.color, alpha)
        if found is not None:
            task.notes.append(screen_note(found))
        return found


def _beside_own(alpha: Float32, own: Float32) -> Float32:
    """The found alpha without the photo's own transparency: divided by ``own``, at most 1.

    The network saw the photo over white, so its alpha holds that transparency too; the photo's
    colours are straight and have nothing of it. Multiplied by ``own`` again this gives the lesser
    of the two, so that the edge of a cut-out stays as it is.
    """
    share = np.divide(alpha, own, out=np.zeros_like(alpha), where=own > 0)
    return np.minimum(share, np.float32(1), out=share)


def _with_photo_where_filled(own: Array, photo: Array, found: Float32, mixing: Float32) -> Array:
    """A model's colours, and the photo's where holes were filled, of which no model knows.

    Args:
        own: the model's colours, H,W,3; changed in place if that can be.
        photo: H,W,3.
        found: alpha before they were filled, H,W.
        mixing: and afterwards.
    """
    colours = own if own.flags.writeable else own.copy()
    for rows in strips(len(found)):
        filled = mixing[rows] > found[rows]
        if filled.any():
            colours[rows][filled] = as_type(photo[rows][filled], colours.dtype)
    return colours
