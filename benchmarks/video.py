"""Measures ``mattecli video``: frames a second by stage and together, and memory over a long clip.

    python benchmarks/video.py speed --size 1280x720
    python benchmarks/video.py memory --frames 5000

Memory is the resident size of this process and all that it started, added up.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from mattecli.engine.allocator import keep_freed_memory
from mattecli.engine.estimator import Estimator, Matte, Photo, Prepared
from mattecli.jobs.fills import ColourFill
from mattecli.jobs.results import Cutout
from mattecli.jobs.video import Progress, SilentVideo, matte_videos
from mattecli.jobs.video_steps import FrameSteps
from mattecli.media.video.clip import Clip
from mattecli.media.video.containers import CONTAINERS, choose_codec
from mattecli.media.video.decode import ClipReader
from mattecli.media.video.encode import EncoderPlan, FrameEncoder
from mattecli.media.video.process import ffmpeg_path
from mattecli.records import Array, Picture, Size
from mattecli.settings import InputOptions
from mattecli.settings.video import VideoKind, VideoOptions, VideoOutputOptions, VideoPixelOptions

LIMIT = 1 << 30
WHITE = ColourFill((1.0, 1.0, 1.0))


class Identity(Estimator):
    """Alpha is a soft disk; costs nothing."""

    def prepare(self, photo: Photo) -> Prepared:
        """The frame as it is."""
        return Prepared(color=photo.color, inner=photo.full, full=photo.full)

    def estimate(self, group: list[Prepared]) -> list[Matte]:  # type: ignore[override]  # a list is a sequence
        """The same alpha for all."""
        return [Matte(alpha=disk(item.full)) for item in group]

    def describe(self) -> dict[str, object]:
        """Nothing to say."""
        return {}


def disk(size: Size) -> Array:
    """A soft disk that fills half of the height."""
    y, x = np.mgrid[0 : size.height, 0 : size.width].astype(np.float32)
    apart = np.hypot(x - size.width / 2, y - size.height / 2)
    return np.clip((size.height * 0.3 - apart) / 12, 0, 1).astype(np.float32)


def make_clip(path: Path, size: Size, frames: int) -> None:
    """A moving test picture with grain, as H.264 of about a camera's bit rate.

    A long one repeats its first 250 frames.
    """
    source = f"testsrc2=s={size}:r=25,noise=alls=8:allf=t"
    tags = "setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709:range=tv"
    encode = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "23", "-pix_fmt", "yuv420p"]
    command = [ffmpeg_path(), "-v", "error", "-y", "-f", "lavfi", "-i", source, "-vf", tags]
    short = path.with_name("short.mp4")
    subprocess.run([*command, "-frames:v", str(min(frames, 250)), *encode, str(short)], check=True)
    loop = [ffmpeg_path(), "-v", "error", "-y", "-stream_loop", str(frames // 250), "-i"]
    subprocess.run(
        [*loop, str(short), "-c", "copy", "-frames:v", str(frames), str(path)], check=True
    )


def modnet() -> Estimator:
    """MODNet as the command would run it, with the weights inside the package."""
    from mattecli.engine.predict import NetworkEstimator
    from mattecli.models.lookup import built_in_weights
    from mattecli.models.registry import find_spec
    from mattecli.models.weights import load_network
    from mattecli.settings import DeviceOptions

    spec = find_spec("modnet")
    weights = built_in_weights(spec)
    if weights is None:
        raise SystemExit("this package was built without weights")
    loaded = load_network(spec, weights)
    lanes = len(os.sched_getaffinity(0))
    return NetworkEstimator(loaded.network, loaded.spec, DeviceOptions(), lanes=lanes)


def rate(work: Callable[[], int], repeats: int = 3) -> float:
    """Median of frames a second."""
    rates = []
    for _ in range(repeats):
        begin = time.perf_counter()
        count = work()
        rates.append(count / (time.perf_counter() - begin))
    return statistics.median(rates)


def video_options(clip: Path, out: Path, kind: VideoKind) -> VideoOptions:
    """One kind of output into one file."""
    return VideoOptions(
        source=InputOptions(inputs=(str(clip),)),
        target=VideoOutputOptions(output=str(out)),
        pixels=VideoPixelOptions(write=(kind,)),
    )


def stages(
    clip_path: Path, kind: VideoKind, suffix: str, estimator: Estimator, tell: Callable[..., None]
) -> None:
    """Frames a second of each stage alone, and of all together."""
    folder = clip_path.parent
    options = video_options(clip_path, folder / f"out.{suffix}", kind)
    container = CONTAINERS[suffix]
    with Clip(clip_path, max_pixels=LIMIT) as clip:
        frames = [frame.color.copy() for _, frame in zip(range(8), ClipReader(clip), strict=False)]
        size = clip.info.size
        prepared = [estimator.prepare(Photo(color=color, full=size)) for color in frames]
        groups = [[item] for item in prepared] * 4
        alpha = disk(size)
        steps = FrameSteps(estimator, None, options, 2)

        def finished(color: Array) -> Array:
            cutout = Cutout(picture=Picture(color=color, full=size), alpha=alpha)
            pictures = steps._pictures(cutout, WHITE)  # the very work of the stage
            return pictures[kind]

        images = [finished(color) for color in frames]
        content = {"alpha": "grey", "foreground": "rgba"}.get(kind, "rgb")
        codec = choose_codec(container, clip.info, content)  # type: ignore[arg-type]  # one of three

        def encode() -> int:
            plan = EncoderPlan(info=clip.info, codec=codec, muxer=container.segment[0])
            encoder = FrameEncoder(plan, images[0], "alone", folder)
            for number in range(48):
                encoder.put(number * 512, images[number % len(images)])
            encoder.finish()
            return 48

        tell("decode", rate(lambda: sum(1 for _ in ClipReader(clip))))
        with ThreadPoolExecutor(estimator.lanes) as lanes:
            tell("network", rate(lambda: len(list(lanes.map(estimator.estimate, groups)))))
        tell("finish, one thread", rate(lambda: len([finished(color) for color in frames])))
        tell("encode", rate(encode))
    tell("together", rate(lambda: together(options, estimator)))


def tell(stage: str, value: float) -> None:
    """One line of the result."""
    print(f"{stage:18} {value:7.1f} frames a second", flush=True)


def together(options: VideoOptions, estimator: Estimator) -> int:
    """The whole command but its start-up."""
    watcher = Watcher()
    report = matte_videos(options, watcher, estimator=estimator)
    if report.done != 1:
        raise SystemExit("the run failed")
    busy = max(report.stages, key=lambda stage: report.stages[stage])
    share = report.stages[busy] / report.seconds
    print(f"  {busy} was at work for {share:.0%} of {report.seconds:.1f} s")
    return watcher.done


class Watcher(SilentVideo):
    """Notes frames, and the highest memory in the 200 frames before some of them.

    The highest: encoders come and go with the pieces.
    """

    def __init__(self, marks: tuple[int, ...] = ()) -> None:
        self.done = 0
        self.memory: dict[int, float] = dict.fromkeys(marks, 0.0)

    def frames(self, progress: Progress) -> None:
        """Look at memory whenever a mark has been passed."""
        self.done = progress.done
        for mark in self.memory:
            if mark - 200 < self.done <= mark:
                self.memory[mark] = max(self.memory[mark], resident())


def resident() -> float:
    """Megabytes of this process and its descendants."""
    parents = dict(_processes())
    family = {str(Path("/proc/self").resolve().name)}
    while True:
        more = {pid for pid, parent in parents.items() if parent in family} - family
        if not more:
            break
        family |= more
    return sum(_resident_of(pid) for pid in family) / 1e6


def _processes() -> Iterator[tuple[str, str]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            yield entry.name, fields[1]


def _resident_of(pid: str) -> float:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096.0
    except OSError:
        return 0.0


def main() -> int:
    """Run what the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["speed", "memory"])
    parser.add_argument("--size", default="1280x720")
    parser.add_argument("--frames", type=int, default=0)
    parser.add_argument("--write", default="foreground", choices=["foreground", "alpha"])
    arguments = parser.parse_args()
    keep_freed_memory()  # as the command does
    size = Size(*(int(side) for side in arguments.size.split("x")))
    with tempfile.TemporaryDirectory() as name:
        clip = Path(name) / "clip.mp4"
        if arguments.what == "speed":
            make_clip(clip, size, arguments.frames or 250)
            suffix = "mov" if arguments.write == "foreground" else "mp4"
            stages(clip, arguments.write, suffix, modnet(), tell)
            return 0
        last = arguments.frames or 5000
        make_clip(clip, size, last + 20)
        watcher = Watcher((200, last // 2, last))
        options = video_options(clip, Path(name) / "out.mp4", "alpha")
        matte_videos(options, watcher, estimator=Identity())
        for mark, used in watcher.memory.items():
            print(f"up to frame {mark:5}: {used:7.1f} MB resident, all processes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
