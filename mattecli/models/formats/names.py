"""Which names a pickled weights file may hold, and what each may do.

A pickle names functions and classes and asks the reader to call them. Nothing named here is ever
imported: a name is a `Name` record, and a call to it gives a tensor, a container, or a stand-in.
Everything else is refused by name.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from mattecli.errors import CheckpointError, shown_path

__all__ = [
    "ELEMENT_SIZES",
    "STORAGE_TYPES",
    "Name",
    "RefusedNameError",
    "Role",
    "resolve",
    "shown_name",
]


class RefusedNameError(CheckpointError):
    """A pickle names, calls or changes what weights have no use for; nothing of it was run.

    Args:
        name: the name as the file gives it.
        deed: what the file does with it.
    """

    def __init__(self, name: object, deed: str) -> None:
        super().__init__(
            f"{deed} {shown_name(name)}, which has no place among weights; nothing was run",
            remedy="do not trust this file; weights saved as a plain state_dict can be read",
        )


class Role(enum.Enum):
    """What a name may do in a weights file."""

    BUILDER = enum.auto()  # may be called: gives a tensor or a container
    INERT = enum.auto()  # may be called: gives a stand-in that holds nothing of interest
    CLASS = enum.auto()  # a class whose objects become stand-ins; calling it is refused
    STORAGE = enum.auto()  # the type of a storage
    VALUE = enum.auto()  # may only be mentioned


@dataclass(frozen=True, slots=True)
class Name:
    """A global that a pickle mentions.

    Attributes:
        module, name: as written in the pickle.
        role: what it may do.
    """

    module: str
    name: str
    role: Role

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


ELEMENT_SIZES = {
    "float32": 4,
    "float64": 8,
    "float16": 2,
    "bfloat16": 2,
    "int64": 8,
    "int32": 4,
    "int16": 2,
    "int8": 1,
    "uint8": 1,
    "bool": 1,
}
"""Bytes per element of the types that weights may have."""

STORAGE_TYPES = {
    "FloatStorage": "float32",
    "DoubleStorage": "float64",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}
"""Element type of each storage class."""

# Python 2 calls its built-ins' module __builtin__, NumPy 2 its core _core.
_OLD_MODULES = {
    "__builtin__": "builtins",
    "numpy._core.multiarray": "numpy.core.multiarray",
    "torch.cuda": "torch",
}

_BUILDERS = frozenset(
    {
        "collections.OrderedDict",
        "collections.defaultdict",
        "builtins.dict",
        "builtins.set",
        "torch.Size",
        "torch._utils._rebuild_tensor",
        "torch._utils._rebuild_tensor_v2",
        "torch._utils._rebuild_parameter",
        "torch._utils._rebuild_parameter_with_state",
    }
)

_INERT = frozenset(
    {
        "collections.Counter",
        "_codecs.encode",  # how protocol 2 writes bytes
        "numpy.core.multiarray.scalar",
        "numpy.core.multiarray._reconstruct",
        "numpy.dtype",
        "torch.device",
        "torch.jit._pickle.build_boollist",
        "torch.jit._pickle.build_doublelist",
        "torch.jit._pickle.build_intlist",
        "torch.jit._pickle.build_tensorlist",
        "torch.jit._pickle.restore_type_tag",
        "torch.nn.backends.thnn._get_thnn_function_backend",  # in every module of PyTorch <= 1.1
    }
)

_VALUES = frozenset(
    {"builtins.bool", "builtins.float", "builtins.int", "builtins.list", "builtins.str"}
    | {"numpy.ndarray"}
    | {f"torch.{dtype}" for dtype in ELEMENT_SIZES}
)

# Where networks and optimisers take their classes from: PyTorch, TorchScript, and the modules of
# the projects that published whole networks.
_CLASS_MODULES = ("torch.nn", "torch.optim", "__torch__", "models", "model", "__main__")
_CLASSES = frozenset({"argparse.Namespace"})


def shown_name(name: object) -> str:
    """A name out of a file as part of a message: one line, printable, not endless."""
    text = shown_path(str(name))
    return text if len(text) <= 100 else f"{text[:97]}..."


def resolve(module: str, name: str) -> Name:
    """The record of a name that a pickle mentions.

    Raises:
        RefusedNameError: the name has no place in a weights file.
        CheckpointError: it is no name at all.
    """
    if not all(part.isidentifier() for part in f"{module}.{name}".split(".")):
        raise CheckpointError("damaged: a name in it is no name")
    home = _OLD_MODULES.get(module, module)
    full = f"{home}.{name}"
    if full in _BUILDERS:
        return Name(home, name, Role.BUILDER)
    if full in _INERT:
        return Name(home, name, Role.INERT)
    if full in _VALUES:
        return Name(home, name, Role.VALUE)
    if home == "torch" and name in STORAGE_TYPES:
        return Name(home, name, Role.STORAGE)
    if full in _CLASSES or any(home == top or home.startswith(f"{top}.") for top in _CLASS_MODULES):
        return Name(home, name, Role.CLASS)
    raise RefusedNameError(f"{module}.{name}", "names")
