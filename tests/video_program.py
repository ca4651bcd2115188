"""The whole program with an estimator in place of a model: starts fast, and as slow as wished.

Run as ``python -m tests.video_program SECONDS_A_FRAME video ...``.
"""

from __future__ import annotations

import functools
import sys
import time
from typing import Any

import numpy as np
import numpy.typing as npt

from mattecli.cli.app import run
from mattecli.jobs import video
from tests.video_clips import Identity


def main(arguments: list[str]) -> int:
    """Run the command line; alpha is the picture's red."""
    pause = float(arguments[0])

    def alpha(color: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        time.sleep(pause)
        white = np.iinfo(color.dtype).max
        return color[..., 0].astype(np.float32) / np.float32(white)

    patched = functools.partial(video.matte_videos, estimator=Identity(alpha))
    video.matte_videos = patched  # type: ignore[assignment]
    return run(arguments[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
