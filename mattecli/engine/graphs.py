"""A network on an NVIDIA GPU: its work is queued on a stream and replayed as one CUDA graph."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from mattecli.models.base import Estimate, MattingModel, ModelInput
from mattecli.models.fused.form import InferenceForm

__all__ = ["GraphedForm"]

_KEPT = 8  # sizes whose graphs are kept: each holds the network's maps
_WARM_UP = 3  # calls after which libraries have chosen their algorithms

Shapes = tuple[tuple[str, torch.Size], ...]


@dataclass(frozen=True, slots=True)
class _Graph:
    """Recorded work: copy new numbers into ``inputs``, replay, read ``found``."""

    graph: torch.cuda.CUDAGraph
    inputs: ModelInput
    found: Estimate


class GraphedForm:
    """One lane of a GPU: an inference form with a stream of its own.

    Two lanes of one GPU overlap: while one computes, the other's pictures travel. From the second
    batch of a size on, its operators are replayed as one CUDA graph, which costs the host one
    call instead of hundreds.

    Args:
        form: on the device; lanes may share it.
        device: a CUDA device.
    """

    def __init__(self, form: InferenceForm, device: torch.device) -> None:
        self._form = form
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]  # torch's own
        self._seen: Counter[Shapes] = Counter()
        self._graphs: OrderedDict[Shapes, _Graph] = OrderedDict()

    @property
    def network(self) -> MattingModel:
        """The form's network, for callers that run it in parts."""
        return self._form.network

    @contextmanager
    def running(self) -> Iterator[None]:
        """While entered, the calling thread's work on the GPU goes through this lane's stream."""
        with torch.cuda.stream(self._stream):
            yield

    @torch.inference_mode()
    def estimate(self, inputs: ModelInput) -> Estimate:
        """As the form's; the result holds until the next call. Call it inside `running`."""
        shapes = tuple((name, maps.shape) for name, maps in _given(inputs).items())
        self._seen[shapes] += 1
        if not self._form.is_graph_safe or self._seen[shapes] == 1:
            return self._form.estimate(inputs)
        graph = self._graphs.get(shapes)
        if graph is None:
            graph = self._graphs[shapes] = self._record(inputs)
            if len(self._graphs) > _KEPT:
                self._graphs.popitem(last=False)
        self._graphs.move_to_end(shapes)
        for name, maps in _given(inputs).items():
            getattr(graph.inputs, name).copy_(maps)
        graph.graph.replay()
        return graph.found

    def _record(self, inputs: ModelInput) -> _Graph:
        own = ModelInput(**{name: maps.clone() for name, maps in _given(inputs).items()})
        for _ in range(_WARM_UP):
            self._form.estimate(own)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local"):
            found = self._form.estimate(own)
        return _Graph(graph, own, found)


def _given(inputs: ModelInput) -> dict[str, Tensor]:
    given = {field.name: getattr(inputs, field.name) for field in fields(inputs)}
    return {name: maps for name, maps in given.items() if maps is not None}
