"""Options records of every job, each option defined once.

A field's type, default and ``option(...)`` metadata serve the library, the command line, the
environment (``MATTECLI_<NAME>``) and the configuration file alike. No numpy, no torch here.
"""

from mattecli.settings.common import (
    DeviceOptions,
    EngineOptions,
    InputOptions,
    OutputOptions,
    RunOptions,
)
from mattecli.settings.composite import BlendOptions, CompositeOptions
from mattecli.settings.finish import FinishOptions
from mattecli.settings.matte import MatteOptions, ModelOptions, PixelOptions
from mattecli.settings.trimap import TrimapCommandOptions, TrimapShape, TrimapTask

__all__ = [
    "BlendOptions",
    "CompositeOptions",
    "DeviceOptions",
    "EngineOptions",
    "FinishOptions",
    "InputOptions",
    "MatteOptions",
    "ModelOptions",
    "OutputOptions",
    "PixelOptions",
    "RunOptions",
    "TrimapCommandOptions",
    "TrimapShape",
    "TrimapTask",
]
