"""Which model does the work, and what runs it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mattecli.errors import CheckpointError, ModelUnavailableError, UsageError
from mattecli.jobs.workspace import Workspace
from mattecli.media.paths import is_there
from mattecli.media.stores.place import as_path
from mattecli.models.registry import DEFAULT_MODEL, find_spec, network_specs
from mattecli.models.spec import ModelSpec
from mattecli.ops.colours import is_colour
from mattecli.settings import DeviceOptions, MatteOptions, ModelOptions
from mattecli.settings.key_value import parse_settings

if TYPE_CHECKING:
    from mattecli.engine.estimator import Estimator
    from mattecli.models.weights import LoadedModel

__all__ = [
    "ChosenModel",
    "choose_spec",
    "guide_spec",
    "make_guide",
    "make_model",
    "needs_guide",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenModel:
    """A model ready to work.

    Attributes:
        spec: its registry row.
        estimator: what runs it.
        facts: what a report says of it.
    """

    spec: ModelSpec
    estimator: Estimator
    facts: dict[str, object] = field(default_factory=dict)


def choose_spec(options: ModelOptions, device: DeviceOptions) -> ModelSpec:
    """The model that was asked for, or the one that fits what is given.

    Raises:
        UsageError: there is no such model, or what it needs is not given, or not for it.
    """
    _refuse_new_background(options.background)
    name = options.model or _fitting(options)
    spec = find_spec(name.partition("@")[0])  # dim@v1.4 is an edition of dim's weights
    if "trimap" in spec.needs and not options.has_trimap:
        raise UsageError(
            f"--model {spec.name} needs a trimap",
            remedy="give --trimap PATH, or --mask PATH to have one made",
        )
    if "background" in spec.needs and options.background is None:
        raise UsageError(
            f"--model {spec.name} needs a photo of the empty background",
            remedy="give --background PATH",
        )
    _refuse_misplaced(spec, options, device)
    return spec


def _refuse_new_background(text: str | None) -> None:
    """Refuse a colour, or blur, where the photo of the empty background belongs."""
    if text is None or not (text == "blur" or is_colour(text)) or is_there(as_path(text)):
        return
    raise UsageError(
        f"--background {text!r} is no file; it is for a photo of the empty background",
        remedy=f"a new background is --background-fill {text!r}",
    )


def _fitting(options: ModelOptions) -> str:
    if options.background is not None:
        return "bgmv2"
    if not options.has_trimap:
        return DEFAULT_MODEL
    from mattecli.models.lookup import find_weights

    return "dim" if find_weights(find_spec("dim")) is not None else "closed-form"


def _refuse_misplaced(spec: ModelSpec, options: ModelOptions, device: DeviceOptions) -> None:
    """Refuse options that the model would not use: an error now, no surprise later."""
    if options.trimap is not None and options.mask is not None:
        raise UsageError("--trimap and --mask say the same thing", remedy="leave one of them out")
    plate = "background" in spec.needs
    network = spec.kind == "network"
    own_way = network and not options.reference  # neither a solver nor the authors' script
    tiled = not options.reference and (spec.reach > 0 or options.refine == "dim")
    places = (
        ("--trimap", options.trimap, "trimap" in spec.needs),
        ("--mask", options.mask, "trimap" in spec.needs),
        ("--background", options.background, plate),
        ("--align", options.align, plate),
        ("--segmentation", options.segmentation, "segmentation" in spec.needs),
        ("--set", options.set, network),
        ("--refine", options.refine not in ("auto", "none"), own_way and spec.size_rule != "full"),
        ("--refine-mode", options.refine_mode != "auto", spec.system == "bgmv2"),
        ("--weights", options.weights, network),
        ("--size", options.size, network),
        ("--reference", options.reference, network),
        ("--device", device.device not in ("auto", "cpu"), network),
        ("--devices", device.devices, network),
        ("--precision", device.precision not in ("auto", "fp32"), own_way),
        ("--batch-size", device.batch_size not in ("auto", "1"), own_way),
        ("--tile", device.tile != "auto", tiled),
        ("--overlap", device.overlap is not None, tiled),
    )
    for name, given, fits in places:
        if given and not fits:
            other = "--reference" if network and options.reference else f"--model {spec.name}"
            raise UsageError(f"{name} is not for {other}", remedy="leave one of them out")


def needs_guide(spec: ModelSpec, options: ModelOptions) -> bool:
    """Whether the portrait model has to go first: for a trimap, or for a segmentation."""
    if options.trimap == "auto":
        return True
    return "segmentation" in spec.needs and options.segmentation is None


def guide_spec() -> ModelSpec:
    """The portrait model's row: the first whose weights are here.

    Raises:
        ModelUnavailableError: none are.
    """
    from mattecli.models.lookup import find_weights

    for row in network_specs():
        if row.system == DEFAULT_MODEL and find_weights(row) is not None:
            return row
    raise ModelUnavailableError(
        "the portrait model, which makes what was not given, has no weights here",
        remedy="run 'mattecli models pull modnet:photographic', or give --segmentation or a"
        " trimap's file",
    )


def make_guide(options: MatteOptions) -> Estimator:
    """The portrait model, from whichever of its weights are here.

    Raises:
        ModelUnavailableError: none are.
    """
    from mattecli.engine.predict import NetworkEstimator
    from mattecli.models.weights import load_network

    loaded = load_network(guide_spec())
    return NetworkEstimator(loaded.network, loaded.spec, options.device)


def make_model(
    spec: ModelSpec, options: MatteOptions, workspace: Workspace, lanes: int
) -> ChosenModel:
    """Load the model.

    Args:
        spec: its row.
        options: weights, device, precision and so on.
        workspace: what memory there is.
        lanes: photos that a solver, or a network on a CPU, may work on at the same time.

    Raises:
        ModelUnavailableError: there are no weights, or not these.
        UsageError: the device is missing, or an option makes no sense for the model.
    """
    if spec.kind == "classical":
        from mattecli.engine.alternatives import SolverEstimator

        solver = SolverEstimator(spec, lanes, options.device, workspace.memory, workspace.zeros)
        return ChosenModel(spec=spec, estimator=solver, facts=_facts(spec, solver))
    loaded, estimator = _network(spec, options, workspace, lanes)
    facts = _facts(spec, estimator) | {
        "weights": str(loaded.path),
        "weights_sha256": loaded.sha256,
    }
    return ChosenModel(spec=spec, estimator=estimator, facts=facts)


def _network(
    spec: ModelSpec, options: MatteOptions, workspace: Workspace, lanes: int
) -> tuple[LoadedModel, Estimator]:
    """A network's weights, and what runs it: its authors' script, or our own way."""
    from mattecli.engine.alternatives import ReferenceEstimator
    from mattecli.engine.reference import SCRIPT_SETTINGS, find_reference
    from mattecli.models.parts.refine_options import COARSE_FACTOR
    from mattecli.models.weights import SHORT_SIDE

    settings = _settings(options.model)
    names = SCRIPT_SETTINGS.get(spec.name, frozenset()) if options.model.reference else frozenset()
    for_script = {name: text for name, text in settings.items() if name in names}
    for_network = {name: text for name, text in settings.items() if name not in names}
    ours = [name for name in (SHORT_SIDE, COARSE_FACTOR) if name in for_network]
    if options.model.reference and ours:
        raise UsageError(
            f"--set {ours[0]} is not for --reference",
            remedy="leave it out: the authors' script has its own size",
        )
    loaded = _load(spec, options.model, for_network)
    if not options.model.reference:
        return loaded, _own_way(spec, loaded, options, workspace, lanes)
    script = find_reference(spec, options.model.size, for_script)
    return loaded, ReferenceEstimator(loaded.network, script, options.device)


def _settings(model: ModelOptions) -> dict[str, str]:
    """Settings of a network or script, out of ``--set`` and ``--refine-mode``."""
    settings = parse_settings(model.set)
    mode = model.refine_mode
    if mode != "auto" and settings.setdefault("mode", mode) != mode:
        raise UsageError("--refine-mode and --set mode=... say different things")
    return settings


def _own_way(
    spec: ModelSpec, loaded: LoadedModel, options: MatteOptions, workspace: Workspace, lanes: int
) -> Estimator:
    """What runs a network our own way: whole, in tiles or in bands."""
    from mattecli.engine.bands import BandEstimator
    from mattecli.engine.predict import NetworkEstimator
    from mattecli.engine.tiles import TileEstimator
    from mattecli.models.bgmv2 import BGMv2

    memory, zeros = workspace.memory, workspace.zeros
    inner = NetworkEstimator(
        loaded.network, loaded.spec, options.device, size=options.model.size, lanes=lanes
    )
    inner.narrow(workspace.reserve(inner.working_bytes, inner.lanes, inner.short_side))
    if spec.reach:
        return TileEstimator(inner, spec, options.device, memory, zeros)
    if isinstance(loaded.network, BGMv2) and loaded.network.refiner is not None:
        return BandEstimator(inner, memory, zeros, deep=options.pixels.bit_depth == "16")
    return inner


def _load(spec: ModelSpec, options: ModelOptions, settings: dict[str, str]) -> LoadedModel:
    """The network; a setting that it does not take is the user's mistake, not the file's."""
    from mattecli.jobs.models import weights_path
    from mattecli.models.weights import load_network

    weights = options.weights
    if weights is None and options.model is not None and "@" in options.model:
        weights = weights_path(options.model)
    try:
        return load_network(spec, weights, options=settings)
    except CheckpointError as error:
        if not settings:
            raise
        load_network(spec, weights)  # raises what is wrong with the file itself
        raise UsageError(error.cause, remedy=error.remedy) from error


def _facts(spec: ModelSpec, estimator: Estimator) -> dict[str, object]:
    return {"model": spec.name, **estimator.describe()}
