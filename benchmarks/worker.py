"""One contestant in a process of its own: CONTESTANT FILE.

FILE is weights, an ONNX file, or (for colours) a number of megapixels. Gets ready, then does its
work for each line on standard input, and answers with JSON. A network runs several times in a row,
as over a folder. One run before those is not counted: other contestants have used the caches since.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

SIDE = 512
IN_A_ROW = 5
Work = Callable[[], object]


def eager(weights: Path, half: bool) -> Work:
    """The published layers as they are."""
    import torch

    network, image = _network(weights), _image()
    if half:
        network = network.to(torch.bfloat16).to(memory_format=torch.channels_last)
        image = image.to(torch.bfloat16, memory_format=torch.channels_last)

    def work() -> object:
        with torch.inference_mode():
            return network(image)

    return work


def compiled(weights: Path) -> Work:
    """The published layers as PyTorch's compiler joins them, once it has."""
    import torch
    from torch._dynamo import config

    config.recompile_limit = 128  # its own limit would leave some layers uncompiled
    network = torch.compile(_network(weights).to(memory_format=torch.channels_last), dynamic=False)
    image = _image().contiguous(memory_format=torch.channels_last)

    def work() -> object:
        with torch.inference_mode():
            return network(image)

    return work


def form(weights: Path, half: bool) -> Work:
    """Our inference form, set up as the command line does it."""
    import torch

    from mattecli.engine.allocator import keep_freed_memory
    from mattecli.models.base import ModelInput
    from mattecli.models.fused.form import InferenceForm

    keep_freed_memory()
    ready = InferenceForm(_network(weights), torch.bfloat16 if half else torch.float32)
    inputs = ModelInput(src=(_image() + 1) / 2)
    return lambda: ready.estimate(inputs)


def runtime(model: Path) -> Work:
    """The same layers in an ONNX file."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS", "0"))
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    image = _image().numpy()
    return lambda: session.run(None, {name: image})


def colours(photo: Path, ours: bool) -> Work:
    """Foreground colours of one photo; the last part of its "path" is its megapixels."""
    from mattecli.jobs.bench_photos import make_scene

    scene = make_scene(float(photo.name))
    alpha = np.float32(1 / 255) * _softened(scene.mask)
    if ours:
        from mattecli.ops.foreground import decontaminated

        return lambda: decontaminated(scene.photo, alpha)
    from pymatting import estimate_foreground_ml

    image = scene.photo / 255.0
    return lambda: estimate_foreground_ml(image, alpha.astype(np.float64))


def _softened(mask: np.ndarray) -> np.ndarray:
    import cv2

    return cv2.GaussianBlur(mask, (0, 0), 6).astype(np.float32)


def _network(weights: Path):  # noqa: ANN202 - torch is imported late
    from mattecli.models.registry import find_spec
    from mattecli.models.weights import load_network

    return load_network(find_spec("modnet"), weights).network


def _image():  # noqa: ANN202 - torch is imported late
    import torch

    generator = torch.Generator().manual_seed(0)
    return torch.rand(1, 3, SIDE, SIDE, generator=generator) * 2 - 1


CONTESTANTS: dict[str, Callable[[Path], Work]] = {
    "eager float32": lambda weights: eager(weights, half=False),
    "eager bfloat16": lambda weights: eager(weights, half=True),
    "compiled float32": compiled,
    "form float32": lambda weights: form(weights, half=False),
    "form bfloat16": lambda weights: form(weights, half=True),
    "onnxruntime float32": runtime,
    "PyMatting colours": lambda photo: colours(photo, ours=False),
    "our colours": lambda photo: colours(photo, ours=True),
}


def main(name: str, file: str) -> None:
    """Get ready, then serve."""
    work = CONTESTANTS[name](Path(file))
    for _ in range(3):
        work()
    count = 1 if name.endswith("colours") else IN_A_ROW
    for _ in sys.stdin:
        if count > 1:
            work()
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(count):
            work()
        spent = time.perf_counter() - wall, time.process_time() - cpu
        answer = {"wall": spent[0] / count, "cpu": spent[1] / count}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
