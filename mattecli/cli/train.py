"""``mattecli train`` and ``mattecli adapt``."""

from __future__ import annotations

from mattecli.cli.learning import run_learning
from mattecli.cli.options import takes
from mattecli.settings.train import AdaptOptions, TrainOptions

__all__ = ["adapt", "train"]


@takes(TrainOptions)
def train(options: TrainOptions) -> None:
    """Train a network as its paper describes, on labelled photos of yours.

    Prints the path of the weights, for --weights. A stop loses nothing: --resume goes on. Example:
    mattecli train modnet --data portraits/ -o runs/modnet --minutes 120
    """
    from mattecli.jobs.train import train as run

    run_learning(
        options.run, lambda bar, stop: run(options, bar.learnt, stop=stop, reading=bar.reading)
    )


@takes(AdaptOptions)
def adapt(options: AdaptOptions) -> None:
    """Adapt MODNet to unlabelled photos of one look, or to the frames of a clip.

    Prints the path of the weights; a sheet shows mattes before and after. Example:
    mattecli adapt evening/ -o runs/evening
    """
    from mattecli.jobs.adapt import adapt as run

    run_learning(options.run, lambda bar, stop: run(options, bar.learnt, stop=stop))
