"""The one exception tree of mattecli and the exit status each branch stands for.

MattecliError (1)
├── InputError (1)          one input is bad; the rest of a batch goes on
│   ├── ImageReadError      missing, unreadable, truncated, not an image, too large
│   ├── ImageWriteError     an output could not be written
│   ├── TrimapError         values, size or regions of a trimap make it unusable
│   ├── PlateError          a background plate does not fit its photo
│   ├── VideoReadError      missing, no video, damaged, cut off, its decoder failed
│   ├── VideoWriteError     an encoder failed, or the file could not be written
│   └── PairingError        a trimap, alpha or plate has no partner
├── ResourceError (1)       memory or disk did not suffice
├── UsageError (2)          the command line or an argument makes no sense
└── ModelUnavailableError (3)   the model or its weights are not available
    └── CheckpointError     a weights file is damaged, of another network, or hostile
"""

from __future__ import annotations

import os
from typing import ClassVar

__all__ = [
    "CheckpointError",
    "ImageReadError",
    "ImageWriteError",
    "InputError",
    "MattecliError",
    "ModelUnavailableError",
    "PairingError",
    "PlateError",
    "ResourceError",
    "TrimapError",
    "UsageError",
    "VideoReadError",
    "VideoWriteError",
    "shown_path",
    "shown_text",
    "unexpected",
]


def shown_path(path: str | os.PathLike[str]) -> str:
    """The path as one printable line: control characters and undecodable bytes are escaped."""
    return shown_text(os.fspath(path))


def shown_text(text: str) -> str:
    """Text of a file or a server as one printable line, escaped as in `shown_path`."""
    return "".join(_shown(char) for char in text)


def unexpected(error: BaseException) -> str:
    """One line on what nobody foresaw: a bug."""
    what = " ".join(f"{type(error).__name__}: {error}".split())
    return f"unexpected failure ({what}); run it with --debug and report it"


def _shown(char: str) -> str:
    if 0xDC80 <= ord(char) <= 0xDCFF:  # a byte that was not UTF-8 (surrogateescape)
        return f"\\x{ord(char) - 0xDC00:02x}"
    return char if char.isprintable() else char.encode("unicode_escape").decode()


class MattecliError(Exception):
    """A failure, told in one line: which file, what happened, what to do next.

    Args:
        cause: what is wrong, without the file's name and without a full stop.
        path: the file it is about, if any.
        remedy: what the user can do, without a full stop.
    """

    exit_code: ClassVar[int] = 1

    def __init__(
        self, cause: str, *, path: str | os.PathLike[str] | None = None, remedy: str = ""
    ) -> None:
        self.cause = cause
        self.path = path
        self.remedy = remedy
        super().__init__(cause)

    def __str__(self) -> str:
        where = f"{shown_path(self.path)}: " if self.path is not None else ""
        then = f"; {shown_text(self.remedy)}" if self.remedy else ""
        return f"{where}{shown_text(self.cause)}{then}"


class InputError(MattecliError):
    """One input cannot be used."""


class ImageReadError(InputError):
    """An image cannot be read."""


class ImageWriteError(InputError):
    """An output cannot be written."""


class TrimapError(InputError):
    """A trimap is unusable."""


class PlateError(InputError):
    """A background plate does not fit its photo."""


class VideoReadError(InputError):
    """A video cannot be read, or not to its end."""


class VideoWriteError(InputError):
    """A video cannot be written."""


class PairingError(InputError):
    """An input has no partner (trimap, alpha or background plate)."""


class ResourceError(MattecliError):
    """Memory or disk did not suffice."""


class UsageError(MattecliError):
    """The command line or an argument makes no sense."""

    exit_code = 2


class ModelUnavailableError(MattecliError):
    """The model or its weights are not available."""

    exit_code = 3


class CheckpointError(ModelUnavailableError):
    """A weights file is damaged, belongs to another network, or holds more than tensors."""
