"""Mattes for programs: pictures in, pictures out, by a model that stays loaded."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeAlias, overload

import numpy as np
from PIL import Image

from mattecli.errors import MattecliError, UsageError
from mattecli.jobs.matte_steps import MatteTask
from mattecli.jobs.task import INPUT
from mattecli.jobs.unused import unused_in_matte
from mattecli.jobs.warm import GIVEN, ROLES, Shown, WarmModel
from mattecli.media.given import Given, as_pillow, content_of
from mattecli.media.images import Content
from mattecli.media.sources import Source
from mattecli.media.stores.place import as_path
from mattecli.models.registry import DEFAULT_MODEL
from mattecli.models.spec import ModelSpec
from mattecli.ops.pixels import to_float
from mattecli.records import Array
from mattecli.settings import MatteOptions, ModelOptions
from mattecli.settings.by_name import with_values

__all__ = ["Matter"]

_Elsewhere: TypeAlias = Array | bytes | str | os.PathLike[str]

_OF_RUNS = (
    ("source", "max_pixels"),
    ("target", ""),
    ("engine", ""),
    ("run", "workers"),
    ("watch", ""),
)
"""Groups of options that are about files and runs, and what of them means something here."""


class Matter:
    """Cuts out pictures that a program has, by a model that is loaded once; a context manager.

    What comes back is what ``mattecli matte`` writes of the same picture with the same options, to
    the bit (on a GPU with ``--batch-size 1``, since pictures come one at a time). Several threads
    may use one; as many pictures are worked on at once as a run would.

    Pictures, trimaps, plates and masks are NumPy arrays (H,W, H,W,3 or H,W,4 in RGB, alpha
    straight; uint8, uint16, or floats 0..1), Pillow images, bytes of image files, or paths. Results
    are arrays of the picture's size, and of its type as far as that is uint8, uint16 or, given as
    an array, float32 (in steps of 1/65535); or as ``bit_depth`` says. For a Pillow image they are
    Pillow images of 8 bits, upright, with its profile.

    Args:
        model: its name; None: the options', else modnet.
        options: as for ``matte``, without files. A trimap, plate or segmentation named there is
            used where none comes with a picture.
        remark: is told what there is to know of a picture, or of options without effect.
        settings: any of the options' fields by its name, such as ``device="cuda"``,
            ``precision="fp32"``, ``refine="none"``, ``despill="off"``, ``weights=path``.

    Raises:
        ModelUnavailableError: there are no weights for the model.
        UsageError: there is no such model or option, or the options make no sense here.
    """

    def __init__(
        self,
        model: str | None = None,
        *,
        options: MatteOptions | None = None,
        remark: Callable[[str], None] = lambda _text: None,
        **settings: object,
    ) -> None:
        chosen = with_values(options or MatteOptions(), settings)
        name = model or chosen.model.model or DEFAULT_MODEL
        chosen = replace(chosen, model=replace(chosen.model, model=name))
        self._options = _for_one(chosen)
        self._remark = remark
        self._warm = WarmModel(self._options)
        self._mask_role = "mask" if "trimap" in self._warm.spec.needs else "segmentation"
        if unused := unused_in_matte(_as_run(self._options, self._warm.spec)):
            remark(unused)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the model, once the pictures under way are done; it takes no others."""
        self._warm.close()

    @overload
    def alpha(
        self,
        image: Image.Image,
        *,
        trimap: Given | None = None,
        background: Given | None = None,
        mask: Given | None = None,
    ) -> Image.Image: ...

    @overload
    def alpha(
        self,
        image: _Elsewhere,
        *,
        trimap: Given | None = None,
        background: Given | None = None,
        mask: Given | None = None,
    ) -> Array: ...

    def alpha(
        self,
        image: Given,
        *,
        trimap: Given | None = None,
        background: Given | None = None,
        mask: Given | None = None,
    ) -> Array | Image.Image:
        """The picture's alpha matte, H,W.

        Args:
            image: the picture.
            trimap: 0, 128 and 255, of its size, for models that need one; "auto" has the portrait
                model make it.
            background: the scene without the subject, for models that need it.
            mask: mask, matte or cut-out of the subject, of its size: in place of a trimap, which is
                made of it; or for bgm, where None has the portrait model make it.

        Raises:
            InputError: one of them cannot be used.
            ModelUnavailableError: the portrait model is needed, and has no weights here.
            ResourceError: memory does not suffice.
            UsageError: one is missing, or not for this model; or the Matter was closed.
        """
        beside = {"trimap": trimap, "background": background, self._mask_role: mask}
        return self._made("alpha", image, beside)

    @overload
    def cutout(
        self,
        image: Image.Image,
        *,
        trimap: Given | None = None,
        background: Given | None = None,
        mask: Given | None = None,
    ) -> Image.Image: ...

    @overload
    def cutout(
        self,
        image: _Elsewhere,
        *,
        trimap: Given | None = None,
        background: Given | None = None,
        mask: Given | None = None,
    ) -> Array: ...

    def cutout(
        self,
        image: Given,
        *,
        trimap: Given | None = None,
        background: Given | None = None,
        mask: Given | None = None,
    ) -> Array | Image.Image:
        """The foreground with its alpha: H,W,4 RGBA, straight, colours decontaminated.

        With ``rgb=True`` the colours alone, H,W,3; with ``premultiply=True`` multiplied with alpha.
        Arguments and errors are as for ``alpha``.
        """
        beside = {"trimap": trimap, "background": background, self._mask_role: mask}
        return self._made("foreground", image, beside)

    def _made(
        self, kind: Shown, image: Given, beside: Mapping[str, Given | None]
    ) -> Array | Image.Image:
        given = {role: there for role, there in beside.items() if there is not None}
        said: dict[str, Any] = {role: _said(role, it) for role, it in given.items()}
        model = replace(self._options.model, **said)
        content = {role: content_of(it) for role, it in given.items() if said[role] == GIVEN}
        task = _task(content_of(image), content, model)
        try:
            found = self._warm.picture(kind, task, model)
        except MattecliError as error:
            if error.path is None and INPUT not in task.given:
                error.path = task.source.path
            raise
        for note in task.notes:
            self._remark(note)
        if isinstance(image, Image.Image):
            return as_pillow(found, image, has_colour=kind == "foreground")
        floats = isinstance(image, np.ndarray) and image.dtype.kind == "f"
        return to_float(found) if floats and self._options.pixels.bit_depth == "auto" else found


def _said(role: str, given: Given) -> str:
    """What the options say of something that comes with a picture."""
    return "auto" if role == "trimap" and isinstance(given, str) and given == "auto" else GIVEN


def _task(image: Content, beside: Mapping[str, Content], model: ModelOptions) -> MatteTask:
    """A task of which nothing is written; what came as no file is called by its role."""
    everything = {INPUT: image, **beside}
    named = {
        role: as_path(text)
        for role in ROLES
        if (text := getattr(model, role)) not in (None, "auto", GIVEN)
    }
    files = {role: it for role, it in everything.items() if isinstance(it, Path)}
    return MatteTask(
        source=Source(path=files.pop(INPUT, Path("image"))),
        outputs={},
        format="png",
        companions={**named, **{role: files.get(role, Path(role)) for role in beside}},
        given={role: it for role, it in everything.items() if not isinstance(it, Path)},
    )


def _for_one(options: MatteOptions) -> MatteOptions:
    """The options, for one picture at a time.

    Raises:
        UsageError: one of them is about files, or batches.
    """
    for name, allowed in _OF_RUNS:
        group = getattr(options, name)
        for item in fields(group):
            if item.name != allowed and getattr(group, item.name) != item.default:
                raise _misplaced(item.name)
    pixels = options.pixels
    if pixels.write or pixels.background_fill is not None:
        raise _misplaced("write" if pixels.write else "background_fill")
    if options.device.batch_size not in ("auto", "1"):
        raise _misplaced("batch_size")
    return replace(options, device=replace(options.device, batch_size="1"))


def _misplaced(name: str) -> UsageError:
    return UsageError(f"option {name!r} is not for Matter", remedy="leave it out")


def _as_run(options: MatteOptions, spec: ModelSpec) -> MatteOptions:
    """The options of a run that makes all that may be asked for."""
    model = replace(options.model, trimap="auto") if "trimap" in spec.needs else options.model
    pixels = replace(options.pixels, write=("alpha", "foreground"))
    return replace(options, model=model, pixels=pixels)
