"""The mean of two weight files of one network.

A training phase of the built-in weights began with such a mean.

    python benchmarks/mean_of_weights.py FIRST SECOND OUT --share 0.4

SHARE is the second file's. Numbers are averaged in float32 and kept in the files' own types.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import load_file, save_file


def main() -> None:
    """Read, average, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--share", type=float, default=0.5)
    given = parser.parse_args()
    first, second = load_file(given.first), load_file(given.second)
    mean = {
        name: first[name].float().lerp(second[name].float(), given.share).to(first[name].dtype)
        if first[name].is_floating_point()
        else second[name]
        for name in first
    }
    with safe_open(given.second, "pt") as source:
        save_file(mean, given.out, metadata=source.metadata())


if __name__ == "__main__":
    main()
