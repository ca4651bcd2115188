"""The table of a GPU in one call: networks alone against eager float32, and folders end to end."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch

from mattecli.engine.devices import describe_device
from mattecli.engine.graphs import GraphedForm
from mattecli.jobs.bench_photos import write_scenes
from mattecli.jobs.matte import matte_images
from mattecli.jobs.video import matte_videos
from mattecli.media.video.process import ffmpeg_path
from mattecli.models.base import ModelInput
from mattecli.models.fused.form import InferenceForm
from mattecli.models.registry import find_spec, model_class
from mattecli.models.weights import write_safetensors
from mattecli.settings import (
    DeviceOptions,
    InputOptions,
    MatteOptions,
    ModelOptions,
    OutputOptions,
    PixelOptions,
)
from mattecli.settings.video import VideoOptions, VideoOutputOptions, VideoPixelOptions

FULL_HD, ULTRA_HD = (1080, 1920), (2160, 3840)


@dataclass(frozen=True)
class Row:
    """A network, and the height and width of what it sees."""

    model: str
    size: tuple[int, int]
    batch: int


ROWS = (
    Row("modnet", (512, 512), 1),
    Row("modnet", (512, 512), 32),
    Row("shm", (320, 320), 32),
    Row("dim", (800, 800), 1),
    Row("dim:segnet", (800, 800), 1),
    Row("bgm", (512, 512), 4),
    Row("bgmv2", FULL_HD, 1),
    Row("bgmv2", ULTRA_HD, 1),
    Row("bgmv2:resnet50", FULL_HD, 1),
    Row("bgmv2:resnet50", ULTRA_HD, 1),
)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda", help="cpu tries the script out")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    parser.add_argument("--photos", type=int, default=200, help="of 12 megapixels, end to end")
    parser.add_argument("--frames", type=int, default=500, help="of the video, end to end")
    parser.add_argument("--shrink", type=int, default=1, help="divide all sizes, to try it out")
    parser.add_argument("--only", choices=("networks", "photos", "videos"), help="one part")
    parser.add_argument("--no-compile", action="store_true", help="without torch.compile")
    options = parser.parse_args()
    device = torch.device(options.device)
    sys.stdout.write(f"{describe_device(device)}, PyTorch {torch.__version__}\n")
    parts = {
        "networks": networks(device, options),
        "photos": end_to_end(device, options.photos, 12 / options.shrink**2),
        "videos": videos(device, options.frames, options.shrink),
    }
    for name, lines in parts.items():
        if options.only in (None, name):
            for line in lines:
                sys.stdout.write(line)
                sys.stdout.flush()


def networks(device: torch.device, options: argparse.Namespace) -> Iterator[str]:
    """The table of the networks alone."""
    ways = ["eager fp32", *([] if options.no_compile else ["compiled fp32"]), "fp32", "fp16"]
    titles = ["network", "seen at", "batch", f"images/s, {ways[0]}", *ways[1:], "fp16 / eager"]
    yield "\n| " + " | ".join(titles) + " |\n" + "|---" * len(titles) + "|\n"
    for row in ROWS:
        yield alone(row, device, options)


def alone(row: Row, device: torch.device, options: argparse.Namespace) -> str:
    """One line: a network's images a second, its inputs being on the device."""
    spec = find_spec(row.model)
    network = model_class(spec).fresh(spec.variant).eval()
    height, width = (-(-side // options.shrink // 32) * 32 for side in row.size)
    inputs = inputs_of(row, height, width, device)
    half = torch.float16 if device.type == "cuda" else torch.bfloat16
    ways: dict[str, Callable[[], object]] = {}
    eager = network.to(device)
    ways["eager"] = lambda: eager.estimate(inputs)
    if not options.no_compile:
        joined = torch.compile(eager.estimate, dynamic=False)
        ways["compiled"] = lambda: joined(inputs)
    for name, dtype in (("fp32", torch.float32), ("fp16", half)):
        form = InferenceForm(network.cpu(), dtype).to(device)
        ways[name] = queued(form, inputs, device)
    network.to(device)
    rates = {
        name: row.batch / seconds_of(way, device, options.seconds) for name, way in ways.items()
    }
    cells = " | ".join(f"{rate:.1f}" for rate in rates.values())
    gain = rates["fp16"] / rates["eager"]
    return f"| {row.model} | {width}x{height} | {row.batch} | {cells} | {gain:.2f} |\n"


def queued(form: InferenceForm, inputs: ModelInput, device: torch.device) -> Callable[[], object]:
    """The form as the engine runs it on this device."""
    if device.type != "cuda":
        return lambda: form.estimate(inputs)
    lane = GraphedForm(form, device)

    def work() -> object:
        with lane.running():
            return lane.estimate(inputs)

    return work


def inputs_of(row: Row, height: int, width: int, device: torch.device) -> ModelInput:
    """Noise of the right shapes."""
    needs = find_spec(row.model).needs

    def noise(channels: int) -> torch.Tensor:
        return torch.rand(row.batch, channels, height, width, device=device)

    return ModelInput(
        src=noise(3),
        trimap=(noise(1) * 2).round() / 2 if "trimap" in needs else None,
        bgr=noise(3) if "background" in needs else None,
        seg=noise(1).round() if "segmentation" in needs else None,
    )


@torch.inference_mode()
def seconds_of(work: Callable[[], object], device: torch.device, seconds: float) -> float:
    """Median time of one call; a GPU is waited for after every ten."""

    def ten() -> float:
        begin = time.perf_counter()
        for _ in range(10 if device.type == "cuda" else 1):
            work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return (time.perf_counter() - begin) / (10 if device.type == "cuda" else 1)

    ten()
    taken, end = [ten()], time.perf_counter() + seconds
    while time.perf_counter() < end:
        taken.append(ten())
    return median(taken)


def end_to_end(device: torch.device, photos: int, megapixels: float) -> Iterator[str]:
    """A line for each precision; busy is the share of the time in which a kernel ran."""
    yield "\n| end to end, JPEG to alpha PNG | photos/s | GPU busy |\n|---|---|---|\n"
    with tempfile.TemporaryDirectory(prefix="mattecli-gpu-") as folder:
        place = Path(folder)
        write_scenes(place, megapixels, photos)
        weights = place / "random.safetensors"
        write_safetensors(weights, model_class(find_spec("modnet")).fresh().state_dict(), {}, {})
        half = "fp16" if device.type == "cuda" else "bf16"
        for precision in ("fp32", half):
            options = MatteOptions(
                source=InputOptions(inputs=(str(place / "photos"),)),
                target=OutputOptions(output=str(place / "out")),
                model=ModelOptions(model="modnet", weights=weights),
                pixels=PixelOptions(write=("alpha",)),
                device=DeviceOptions(device=str(device), precision=precision),
            )
            matte_images(options)  # files are in the system's cache, libraries are loaded
            begin = time.perf_counter()
            report = matte_images(options)
            rate = report.done / (time.perf_counter() - begin)
            yield f"| modnet, {precision} | {rate:.1f} | {busy(options, device)} |\n"


def videos(device: torch.device, frames: int, shrink: int) -> Iterator[str]:
    """A line for each precision: uncompressed frames of a file in, grey frames in FFV1 out."""
    yield "\n| end to end, raw 1080p video to alpha | frames/s |\n|---|---|\n"
    with tempfile.TemporaryDirectory(prefix="mattecli-gpu-") as folder:
        place = Path(folder)
        size = f"{1920 // shrink // 2 * 2}x{1080 // shrink // 2 * 2}"
        made = [ffmpeg_path(), "-v", "error", "-f", "lavfi", "-i", f"testsrc2=s={size}:r=25"]
        made += ["-frames:v", str(frames), "-pix_fmt", "yuv420p", "-c:v", "rawvideo"]
        subprocess.run([*made, str(place / "raw.nut")], check=True)
        half = "fp16" if device.type == "cuda" else "bf16"
        for precision in ("fp32", half):
            options = VideoOptions(
                source=InputOptions(inputs=(str(place / "raw.nut"),)),
                target=VideoOutputOptions(output=str(place / "alpha.mkv")),
                pixels=VideoPixelOptions(write=("alpha",)),
                device=DeviceOptions(device=str(device), precision=precision),
            )
            begin = time.perf_counter()
            report = matte_videos(options)
            if report.failed:
                raise SystemExit("the video failed")
            yield f"| modnet, {precision} | {frames / (time.perf_counter() - begin):.1f} |\n"


def busy(options: MatteOptions, device: torch.device) -> str:
    """The share of the time in which a kernel ran, from a second run under the profiler."""
    if device.type != "cuda":
        return ""
    from torch.profiler import ProfilerActivity, profile

    begin = time.perf_counter()
    with profile(activities=[ProfilerActivity.CUDA]) as found:
        matte_images(options)
    wall = time.perf_counter() - begin
    kernels = sum(event.self_device_time_total for event in found.key_averages())
    return f"{kernels / 1e6 / wall:.0%}"


if __name__ == "__main__":
    main()
