"""The options records of all jobs.

A field's type, default and ``option(...)`` metadata serve the library, the command line, the
environment (``MATTECLI_<NAME>``) and the configuration file alike. An option that several records
have in common is defined once: in a record that they share, or by a function that makes the field.
No numpy and no torch is imported here, so that ``--help`` is quick. A record made in Python refuses
what the command line would refuse (see ``checked``).
"""

from mattecli.settings.bench import BenchOptions, BenchTask
from mattecli.settings.common import (
    DeviceOptions,
    EngineOptions,
    InputOptions,
    OutputOptions,
    RunOptions,
)
from mattecli.settings.composite import BlendOptions, CompositeOptions
from mattecli.settings.evaluate import EvaluateOptions, PairOptions, ScoreOptions
from mattecli.settings.finish import FinishOptions, FrameFinishOptions
from mattecli.settings.matte import MatteOptions, ModelOptions, PixelOptions, WatchOptions
from mattecli.settings.train import AdaptOptions, LearnOptions, TrainOptions
from mattecli.settings.trimap import TrimapCommandOptions, TrimapShape, TrimapTask
from mattecli.settings.video import (
    ClipOptions,
    VideoOptions,
    VideoOutputOptions,
    VideoPixelOptions,
)

__all__ = [
    "AdaptOptions",
    "BenchOptions",
    "BenchTask",
    "BlendOptions",
    "ClipOptions",
    "CompositeOptions",
    "DeviceOptions",
    "EngineOptions",
    "EvaluateOptions",
    "FinishOptions",
    "FrameFinishOptions",
    "InputOptions",
    "LearnOptions",
    "MatteOptions",
    "ModelOptions",
    "OutputOptions",
    "PairOptions",
    "PixelOptions",
    "RunOptions",
    "ScoreOptions",
    "TrainOptions",
    "TrimapCommandOptions",
    "TrimapShape",
    "TrimapTask",
    "VideoOptions",
    "VideoOutputOptions",
    "VideoPixelOptions",
    "WatchOptions",
]
