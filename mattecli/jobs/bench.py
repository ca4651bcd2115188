"""The job behind ``mattecli bench``: each stage by itself, and all together.

A stage is held against its floor: the least time that it could take here.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import torch

from mattecli.engine.ceilings import Ceilings, count_flops, measure_ceilings, seconds_of
from mattecli.engine.cores import available_cores
from mattecli.engine.devices import describe_device, find_devices, use_threads
from mattecli.engine.estimator import Matte, Photo, Prepared
from mattecli.engine.predict import NetworkEstimator, model_input
from mattecli.errors import UsageError
from mattecli.jobs.bench_photos import make_scene, write_scenes
from mattecli.jobs.bench_results import Bench, StageTime, WholeTime
from mattecli.jobs.matte import matte_images
from mattecli.media.decode import jpeg_reduction
from mattecli.media.encode import encode_image
from mattecli.media.images import probe, read_picture
from mattecli.models.base import MattingModel
from mattecli.models.lookup import find_weights
from mattecli.models.registry import find_spec, model_class
from mattecli.models.spec import ModelSpec
from mattecli.models.weights import load_network, write_safetensors
from mattecli.ops.composite import join_rgba
from mattecli.ops.foreground import decontaminated
from mattecli.ops.pixels import to_float, to_levels
from mattecli.records import Array, Picture, Size
from mattecli.settings import (
    InputOptions,
    MatteOptions,
    ModelOptions,
    OutputOptions,
    PixelOptions,
    RunOptions,
)
from mattecli.settings.bench import BenchOptions
from mattecli.settings.matte import Kind

__all__ = ["bench"]

_CPU = torch.device("cpu")
_DECODERS = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}


def bench(options: BenchOptions) -> Bench:
    """Measure; takes about a minute for ``modnet``.

    Raises:
        UsageError: the model is no network, or a number makes no sense.
        ModelUnavailableError, CheckpointError: about the weights.
    """
    task, spec = options.task, find_spec(options.task.model)
    if spec.kind != "network":
        raise UsageError(f"--model {spec.name} is no network", remedy="it has no floor to compare")
    if task.photos < 1 or task.repeats < 1 or not 0.01 <= task.megapixels <= 200:
        raise UsageError("--photos, --repeats or --megapixels is out of range")
    with tempfile.TemporaryDirectory(prefix="mattecli-bench-") as folder:
        place = Path(folder)
        write_scenes(place, task.megapixels, task.photos)
        weights = task.weights or find_weights(spec) or _random_weights(spec, place)
        return _Measurement(options, spec, place, weights).run()


def _random_weights(spec: ModelSpec, folder: Path) -> Path:
    path = folder / "random.safetensors"
    write_safetensors(path, model_class(spec).fresh(spec.variant).state_dict(), {}, {})
    return path


class _Measurement:
    """One run: ``stages`` on one core, then ``wholes`` on all."""

    def __init__(self, options: BenchOptions, spec: ModelSpec, place: Path, weights: Path) -> None:
        self._options, self._place, self._weights = options, place, weights
        self._task = options.task
        self._photo = place / "photos" / "0000.jpg"
        loaded = load_network(spec, weights)
        self._network: MattingModel = loaded.network
        self._spec = loaded.spec
        self._device = find_devices(options.device)[0]
        self._threads = torch.get_num_threads()
        self._stages: list[StageTime] = []

    def run(self) -> Bench:
        use_threads(1)
        cv2.setNumThreads(1)
        estimator = NetworkEstimator(
            self._network, self._spec, self._options.device, size=self._task.size
        )
        ceilings = measure_ceilings(self._device, estimator.dtype)
        scene = make_scene(self._task.megapixels)
        needs = self._spec.needs
        photo = Photo(
            color=scene.photo,
            full=Size.of(scene.photo),
            trimap=scene.trimap if "trimap" in needs else None,
            background=scene.background if "background" in needs else None,
            mask=scene.mask if "segmentation" in needs else None,
        )
        prepared = estimator.prepare(photo)
        with torch.inference_mode():
            flops = count_flops(self._network, model_input([prepared], _CPU))
        picture = self._decode(estimator)
        self._apart(estimator, prepared, ceilings, flops)
        self._outputs(estimator, prepared, picture, ceilings)
        use_threads(self._threads)
        return Bench(
            model=self._spec.name,
            device=describe_device(self._device),
            precision=str(estimator.dtype).removeprefix("torch."),
            size=photo.full,
            seen=Size.of(prepared.color),
            cores=available_cores(),
            gflop=flops / 1e9,
            ceilings=ceilings,
            stages=tuple(self._stages),
            wholes=tuple(self._wholes()),
        )

    def _stage(
        self,
        name: str,
        work: Callable[[], object],
        floor: float | None = None,
        reason: str = "",
        device: torch.device = _CPU,
    ) -> None:
        seconds = seconds_of(work, device, self._task.repeats)
        self._stages.append(StageTime(name, seconds, floor, reason))

    def _decode(self, estimator: NetworkEstimator) -> Picture:
        """Both ways: as small as the network allows, and in full."""
        if estimator.short_side is not None:
            self._decode_to(estimator.short_side)
        self._decode_to(None)
        return read_picture(self._photo)

    def _decode_to(self, short_side: int | None) -> None:
        data = np.frombuffer(self._photo.read_bytes(), np.uint8)
        factor = jpeg_reduction(probe(self._photo), short_side)
        self._stage(
            f"decode at 1/{factor}",
            lambda: read_picture(self._photo, short_side=short_side),
            self._alone(lambda: cv2.imdecode(data, _DECODERS[factor])),
            "the decoder alone",
        )

    def _alone(self, work: Callable[[], object]) -> float:
        return seconds_of(work, _CPU, self._task.repeats)

    def _apart(
        self, estimator: NetworkEstimator, prepared: Prepared, ceilings: Ceilings, flops: int
    ) -> None:
        picture = read_picture(self._photo, short_side=estimator.short_side)
        photo = Photo(color=picture.color, full=picture.full)
        self._stage("scale", lambda: estimator.prepare(photo))
        self._stage(
            "network",
            lambda: estimator.estimate([prepared]),
            flops / ceilings.flops,
            "the authors' arithmetic at the measured rate",
            self._device,
        )

    def _outputs(
        self,
        estimator: NetworkEstimator,
        prepared: Prepared,
        picture: Picture,
        ceilings: Ceilings,
    ) -> None:
        """Uses the scene's own alpha: random weights give noise, which no encoder is given."""
        found = estimator.estimate([prepared])[0]
        soft = cv2.resize(make_scene(self._task.megapixels).mask, Size.of(found.alpha))
        matte = Matte(alpha=to_float(soft), box=found.box)
        full = picture.full
        traffic = full.pixels / ceilings.bytes
        whole = estimator.restore(matte, full).alpha
        alpha = to_levels(whole)
        self._stage(
            "enlarge alpha",
            lambda: to_levels(estimator.restore(matte, full).alpha),
            traffic,
            "8-bit alpha written once",
        )
        self._encode("encode alpha", alpha)
        self._stage(
            "foreground",
            lambda: decontaminated(picture.color, whole),
            10 * traffic,
            "photo and alpha read, colours written once",
        )
        self._encode("encode cut-out", join_rgba(decontaminated(picture.color, whole), alpha))

    def _encode(self, name: str, image: Array) -> None:
        swapped = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGBA2BGRA)
        floor = self._alone(lambda: cv2.imencode(".png", swapped))
        self._stage(name, lambda: encode_image(image, "png"), floor, "OpenCV's encoder alone")

    def _wholes(self) -> Iterator[WholeTime]:
        if self._spec.size_rule == "short-side":
            yield self._whole(("alpha",), "none")
        yield self._whole(("alpha",), "auto")
        yield self._whole(("alpha", "foreground"), "auto")

    def _whole(self, writes: tuple[Kind, ...], refine: Literal["none", "auto"]) -> WholeTime:
        options = MatteOptions(
            source=InputOptions(inputs=(str(self._place / "photos"),)),
            target=OutputOptions(output=str(self._place / "out")),
            model=replace(self._model_options(), refine=refine),
            pixels=PixelOptions(write=writes),
            device=self._options.device,
            run=RunOptions(workers=self._task.workers),
        )
        begin, cpu = time.perf_counter(), time.process_time()
        report = matte_images(options)
        seconds, used = time.perf_counter() - begin, time.process_time() - cpu
        if report.failed:
            raise UsageError(f"{report.failed} of {report.total} photos failed")
        cores = available_cores()
        return WholeTime(writes, refine, report.done, seconds, used, used / seconds / cores)

    def _model_options(self) -> ModelOptions:
        needs = self._spec.needs
        return ModelOptions(
            model=self._spec.name,
            weights=self._weights,
            size=self._task.size,
            trimap=str(self._place / "trimaps") if "trimap" in needs else None,
            background=str(self._place / "backgrounds") if "background" in needs else None,
            segmentation=str(self._place / "masks") if "segmentation" in needs else None,
        )
