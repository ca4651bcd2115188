"""Image and video matting in bulk: trimaps, alpha mattes, foregrounds and composites.

``Matter`` cuts out pictures that a program has; it is loaded when it is asked for.
"""

TYPE_CHECKING = False  # as typing has it, which need not be loaded for a version's number
if TYPE_CHECKING:
    from mattecli.jobs.matter import Matter as Matter

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    if name == "Matter":
        from mattecli.jobs.matter import Matter

        return Matter
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
