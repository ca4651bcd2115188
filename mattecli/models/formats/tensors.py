"""Tensors over a mapped file, from their descriptions."""

from __future__ import annotations

import math
import mmap
from collections.abc import Mapping

import torch
from torch import Tensor

from mattecli.errors import CheckpointError
from mattecli.models.formats.container import Container
from mattecli.models.formats.names import ELEMENT_SIZES, shown_name
from mattecli.models.formats.refs import StorageRef, TensorRef

__all__ = ["materialise"]

# 1 GiB in float32. Stride 0 makes large tensors out of a few bytes.
_MOST_ELEMENTS = 2**28


def materialise(
    entries: Mapping[str, TensorRef], container: Container, data: mmap.mmap
) -> dict[str, Tensor]:
    """The tensors of ``entries``, sharing memory with ``data`` where its alignment allows.

    Args:
        data: the file, mapped copy-on-write; it is never written to.

    Raises:
        CheckpointError: a tensor leaves its storage, or all of them are absurdly large.
    """
    total = sum(math.prod(ref.shape) for ref in entries.values())
    if total > _MOST_ELEMENTS:
        raise CheckpointError(
            f"claims {total:,} numbers, more than any network of this program has"
        )
    storages: dict[str, Tensor] = {}
    tensors = {}
    for name, ref in entries.items():
        _check_bounds(name, ref)
        key = ref.storage.key
        if key not in storages:
            storages[key] = _storage(ref.storage, container.spans[key], data)
        tensors[name] = torch.as_strided(storages[key], ref.shape, ref.stride, ref.offset)
    return tensors


def _check_bounds(name: str, ref: TensorRef) -> None:
    if 0 in ref.shape:
        last = ref.offset - 1
    else:
        steps = zip(ref.shape, ref.stride, strict=True)
        last = ref.offset + sum((length - 1) * stride for length, stride in steps)
    if last >= ref.storage.length:
        raise CheckpointError(f"damaged: {shown_name(name)} reaches beyond its storage")


def _storage(storage: StorageRef, span: range, data: mmap.mmap) -> Tensor:
    dtype = getattr(torch, storage.dtype)
    if not span:
        return torch.empty(0, dtype=dtype)
    if span.start % ELEMENT_SIZES[storage.dtype]:  # the old stream aligns nothing
        return torch.frombuffer(bytearray(data[span.start : span.stop]), dtype=dtype)
    return torch.frombuffer(data, dtype=dtype, count=storage.length, offset=span.start)
