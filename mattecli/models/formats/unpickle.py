"""A pickle machine that can only build descriptions of tensors, containers and inert stand-ins.

It interprets the opcodes itself (`pickletools` splits the stream) rather than subclassing
`pickle.Unpickler`: no object outside this package is ever called, changed or imported, memory grows
only with bytes that are really there, and strings of Python 2 need no guess at their encoding.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Mapping
from typing import IO, Any

from mattecli.errors import CheckpointError
from mattecli.models.formats.builders import call, checked_key
from mattecli.models.formats.names import (
    STORAGE_TYPES,
    Name,
    RefusedNameError,
    Role,
    resolve,
    shown_name,
)
from mattecli.models.formats.refs import StandIn, StorageRef

__all__ = ["Unpickler"]

# pickletools warns of odd escapes in names, which a strict interpreter makes an error.
_DAMAGE = (IndexError, KeyError, ValueError, TypeError, OverflowError, DeprecationWarning)
_MOST_STEPS = 3_000_000  # a whole pickled network takes about 14,000


class Unpickler:
    """Reads the pickles of one file and collects the storages they refer to.

    Attributes:
        storages: every storage met so far, whole, by key.
    """

    def __init__(self) -> None:
        self.storages: dict[str, StorageRef] = {}

    def read(self, stream: IO[bytes]) -> object:
        """The object of the pickle at the stream's position, which moves past it.

        Raises:
            CheckpointError: the pickle is damaged, or names or calls what weights have no use for.
        """
        machine = _Machine(self._persistent)
        try:
            for opcode, argument, _ in pickletools.genops(stream):
                if opcode.name == "STOP":
                    break
                machine.step(opcode.name, argument)
            return machine.pop()
        except _DAMAGE as error:
            raise CheckpointError(f"cut short or damaged ({shown_name(error)})") from error

    def _persistent(self, pid: object) -> object:
        """The storage, or the class of a module with its source text, that ``pid`` stands for."""
        match pid:
            case ("module", Name(role=Role.CLASS) as name, *_):
                return name
            case ("storage", Name(role=Role.STORAGE) as kind, str(key), _, int(length), *view):
                whole = StorageRef(key, STORAGE_TYPES[kind.name], length)
            case _:
                raise CheckpointError("a persistent id in it is of no known form")
        if length < 0 or self.storages.setdefault(key, whole) != whole:
            raise CheckpointError(f"storage {shown_name(key)} is described in two ways")
        match view:
            case [] | [None]:
                return whole
            case [(_, int(start), int())] if start >= 0:
                return StorageRef(key, whole.dtype, length, start)
        raise CheckpointError("a view of a storage in it is of no known form")


class _Machine:
    """Stack, marks and memo of one pickle; each opcode and each copied item is one step."""

    def __init__(self, persistent: Callable[[object], object]) -> None:
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.persistent = persistent
        self.steps = 0

    def spend(self, steps: int) -> None:
        """Count work, so that time and memory stay in proportion to the file."""
        self.steps += steps
        if self.steps > _MOST_STEPS:
            raise CheckpointError(f"its pickle takes more than {_MOST_STEPS:,} steps")

    def step(self, opcode: str, argument: Any) -> None:
        """Carry out one opcode."""
        self.spend(1)
        if opcode in _CONSTANTS:
            self.stack.append(_CONSTANTS[opcode])
        elif opcode in _LITERALS:
            self.stack.append(argument)
        elif opcode in _MAKERS:
            made = _MAKERS[opcode](self)  # may replace the stack
            self.stack.append(made)
        elif opcode in _ARGUMENT_STEPS:
            _ARGUMENT_STEPS[opcode](self, argument)
        elif opcode in _CHANGES:
            _CHANGES[opcode](self)
        elif opcode not in ("PROTO", "FRAME"):
            raise CheckpointError(f"its pickle uses {opcode}, which PyTorch never writes")

    def pop(self) -> Any:
        """The topmost value."""
        return self.stack.pop()

    def since_mark(self) -> list[Any]:
        """Everything above the last mark, taken off with the mark."""
        items, self.stack = self.stack, self.marks.pop()
        return items

    def push_mark(self) -> None:
        self.marks.append(self.stack)
        self.stack = []

    def remember(self, index: int) -> None:
        self.memo[index] = self.stack[-1]

    def recall(self, index: int) -> None:
        self.stack.append(self.memo[index])

    def push_global(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self.stack.append(resolve(module, name))

    def stack_global(self) -> Name:
        name, module = self.pop(), self.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise CheckpointError("a name in it is no text")
        return resolve(module, name)

    def reduce(self) -> object:
        arguments = self.pop()
        self.spend(sum(len(part) for part in arguments if isinstance(part, (dict, list))))
        return call(self.pop(), arguments)

    def instance(self, argument: str) -> None:
        arguments = tuple(self.since_mark())
        self.push_global(argument)
        self.stack.append(call(self.pop(), arguments))

    def new_object(self) -> object:
        self.pop()  # a stand-in takes any arguments
        made = self.pop()
        if isinstance(made, Name) and made.role is Role.CLASS:
            return StandIn(made)
        return call(made, ())

    def build(self) -> None:
        """Attributes for a stand-in; those of containers and tensors are of no interest."""
        state, target = self.pop(), self.stack[-1]
        if isinstance(target, Name):
            raise RefusedNameError(target, "changes")
        if not isinstance(target, StandIn):
            return
        for part in state if isinstance(state, tuple) else (state,):
            if isinstance(part, dict):
                self.spend(len(part))
                target.attributes.update(
                    (key, value) for key, value in part.items() if isinstance(key, str)
                )

    def extend(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, list):
            target.extend(items)
        elif isinstance(target, set):
            target.update(checked_key(item) for item in items)
        elif not isinstance(target, StandIn):
            raise CheckpointError(f"damaged: it appends to a {type(target).__name__}")

    def set_items(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, dict):
            target.update(_dict_of(items))
        elif not isinstance(target, StandIn):
            raise CheckpointError(f"damaged: it sets items of a {type(target).__name__}")

    def last(self, count: int) -> list[Any]:
        """The topmost values, taken off."""
        if len(self.stack) < count:
            raise IndexError("too few values on the stack")
        items = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return items


def _dict_of(items: list[Any]) -> dict[object, object]:
    return {checked_key(key): value for key, value in zip(items[::2], items[1::2], strict=True)}


_CONSTANTS: Mapping[str, object] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}

_LITERALS = frozenset(
    [
        "INT",
        "BININT",
        "BININT1",
        "BININT2",
        "LONG",
        "LONG1",
        "LONG4",
        "FLOAT",
        "BINFLOAT",
        "STRING",
        "BINSTRING",
        "SHORT_BINSTRING",
        "UNICODE",
        "BINUNICODE",
        "SHORT_BINUNICODE",
        "BINUNICODE8",
        "BINBYTES",
        "SHORT_BINBYTES",
        "BINBYTES8",
    ]
)

_MAKERS: Mapping[str, Callable[[_Machine], object]] = {
    "EMPTY_TUPLE": lambda machine: (),
    "EMPTY_LIST": lambda machine: [],
    "EMPTY_DICT": lambda machine: {},
    "EMPTY_SET": lambda machine: set(),
    "TUPLE": lambda machine: tuple(machine.since_mark()),
    "TUPLE1": lambda machine: tuple(machine.last(1)),
    "TUPLE2": lambda machine: tuple(machine.last(2)),
    "TUPLE3": lambda machine: tuple(machine.last(3)),
    "LIST": _Machine.since_mark,
    "DICT": lambda machine: _dict_of(machine.since_mark()),
    "STACK_GLOBAL": _Machine.stack_global,
    "REDUCE": _Machine.reduce,
    "NEWOBJ": _Machine.new_object,
    "BINPERSID": lambda machine: machine.persistent(machine.pop()),
}

_ARGUMENT_STEPS: Mapping[str, Callable[[_Machine, Any], None]] = {
    "PUT": _Machine.remember,
    "BINPUT": _Machine.remember,
    "LONG_BINPUT": _Machine.remember,
    "GET": _Machine.recall,
    "BINGET": _Machine.recall,
    "LONG_BINGET": _Machine.recall,
    "GLOBAL": _Machine.push_global,
    "INST": _Machine.instance,
}

_CHANGES: Mapping[str, Callable[[_Machine], object]] = {
    "MARK": _Machine.push_mark,
    "POP": _Machine.pop,
    "POP_MARK": _Machine.since_mark,
    "MEMOIZE": lambda machine: machine.remember(len(machine.memo)),
    "APPEND": lambda machine: machine.extend(machine.last(1)),
    "APPENDS": lambda machine: machine.extend(machine.since_mark()),
    "ADDITEMS": lambda machine: machine.extend(machine.since_mark()),
    "SETITEM": lambda machine: machine.set_items(machine.last(2)),
    "SETITEMS": lambda machine: machine.set_items(machine.since_mark()),
    "BUILD": _Machine.build,
}
