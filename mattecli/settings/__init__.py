"""The options records of all jobs.

A field's type, default and ``option(...)`` metadata serve the library, the command line, the
environment (``MATTECLI_<NAME>``) and the configuration file alike. An option that several records
have in common is defined once: in a record that they share, or by a function that makes the field.
No numpy and no torch is imported here, so that ``--help`` is quick.
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
