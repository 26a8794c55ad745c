"""What pickles of `torch.save` build, found out without unpickling.

A pickle is a program for a machine with a stack, and may call any function of Python's. Here a
small interpreter knows the opcodes that `torch.save` writes, and of what they call only what makes
an OrderedDict, a dict here, or a tensor, a `Tensor` here. All else is refused by name.
"""

import pickletools
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from ..files import FormatError

BYTES, OPCODES = 2**20, 100_000  # of a pickle, at the most: some thousand tensors have these
CALLED = ("collections OrderedDict", "torch._utils _rebuild_tensor_v2",
          "torch._utils _rebuild_parameter")
CODES = {opcode.code: opcode for opcode in pickletools.opcodes}
VALUES = ("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE")
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
KNOWN = {"PROTO", "STOP", "MARK", "TUPLE", "GLOBAL", "REDUCE", "BUILD", "BINPERSID", "BINPUT",
         "LONG_BINPUT", "BINGET", "LONG_BINGET", "EMPTY_DICT", "EMPTY_LIST", "SETITEM", "SETITEMS",
         "APPEND", "APPENDS", *VALUES, *CONSTANTS, *TUPLES}


@dataclass(frozen=True)
class Global:
    """A name of Python's, as text: "module name"."""

    name: str


@dataclass(frozen=True)
class Storage:
    """So many numbers of a type; key : the member's name in the archive."""

    kind: str
    key: str
    size: int


@dataclass(frozen=True)
class Tensor:
    """A view of a storage, in numbers, not bytes."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def interpret(pickle: bytes) -> Any:
    """The value that a pickle of `torch.save` builds, of dicts, lists, tuples, numbers, text and
    `Tensor`; FormatError if it asks for anything else."""
    stack: list[Any] = []
    below: list[list] = []  # stacks under a mark
    memo: dict[int, Any] = {}
    for name, argument in opcodes(pickle):
        if name in VALUES:
            stack.append(argument)
        elif name in CONSTANTS:
            stack.append(CONSTANTS[name])
        elif name in ("BINPUT", "LONG_BINPUT"):
            memo[argument] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif name in ("EMPTY_DICT", "EMPTY_LIST"):
            stack.append({} if name == "EMPTY_DICT" else [])
        elif name == "MARK":
            below.append(stack)
            stack = []
        elif name in ("TUPLE", "SETITEMS", "APPENDS"):
            items, stack = stack, below.pop()
            _gather(name, stack, items)
        elif name in TUPLES or name in ("SETITEM", "APPEND"):
            size = TUPLES.get(name, 2 if name == "SETITEM" else 1)
            items, stack[-size:] = stack[-size:], []
            _gather(name, stack, items)
        elif name == "GLOBAL":
            stack.append(_known(argument))
        elif name == "BINPERSID":
            stack.append(_storage(stack.pop()))
        elif name == "REDUCE":
            arguments = stack.pop()
            stack.append(_call(stack.pop(), arguments))
        elif name == "BUILD" and isinstance(stack[-2], dict):
            stack.pop()  # attributes of an OrderedDict, such as versions of modules: of no use
        elif name == "STOP":
            return stack.pop()
        elif name != "PROTO" or argument != 2:
            raise FormatError(f"its pickle has {name} {argument!r:.40} where it makes no sense, "
                              "or protocol 2 is not meant; save it with torch.save's defaults")
    raise FormatError("its pickle has no end")


def opcodes(pickle: bytes) -> Iterator[tuple[str, Any]]:
    """The opcodes with their arguments; no argument is read of one that is not known."""
    file = BytesIO(pickle)
    for _ in range(OPCODES):
        if not (code := file.read(1).decode("latin-1")):
            return
        opcode = CODES.get(code)
        if opcode is None or opcode.name not in KNOWN:
            raise FormatError(f"its pickle has the opcode {opcode.name if opcode else code!r}, "
                              "which a state dict does not need; save model.state_dict() with "
                              "torch.save's defaults")
        if opcode.name == "GLOBAL":  # pickletools would read escapes in it, unlike pickle
            module, name = (file.readline().decode().removesuffix("\n") for _ in range(2))
            yield opcode.name, f"{module} {name}"
        else:
            yield opcode.name, opcode.arg.reader(file) if opcode.arg else None
    raise FormatError(f"its pickle has more than {OPCODES:,} opcodes; save model.state_dict() "
                      "alone")


def _gather(opcode: str, stack: list, items: list) -> None:
    """Put a tuple of items on the stack, or the items into the list or dict there."""
    if opcode.startswith("TUPLE"):
        stack.append(tuple(items))
    elif opcode.startswith("APPEND"):
        if not isinstance(stack[-1], list):
            raise FormatError("its pickle appends to what is no list")
        stack[-1].extend(items)
    else:
        keys = items[::2]
        sound = all(type(k) is str or type(k) is int and 0 <= k < 2**31 for k in keys)
        if not (sound and isinstance(stack[-1], dict)):  # keys of one hash would take hours
            raise FormatError("its pickle has a dictionary of other keys than text and indices")
        stack[-1].update(zip(keys, items[1::2], strict=True))


def _known(name: str) -> Global:
    module, _, rest = name.partition(" ")
    if name not in CALLED and not (module == "torch" and rest.endswith("Storage")):
        raise FormatError(f"its pickle asks for {name[:60]!r}, which is not run; save "
                          "model.state_dict(), which has tensors alone")
    return Global(name)


def _storage(named: Any) -> Storage:
    """The storage of a persistent name ("storage", type, key, place, numbers)."""
    word, kind, key, _, size = named
    if word != "storage" or not isinstance(kind, Global) or not isinstance(key, str):
        raise FormatError("its pickle names a storage wrongly")
    return Storage(kind.name.removeprefix("torch "), key, _counts((size,))[0])


def _call(function: Any, arguments: Any) -> Any:
    name = function.name if isinstance(function, Global) else ""
    if name.endswith(" OrderedDict") and arguments == ():
        return {}
    if name.endswith(" _rebuild_parameter") and isinstance(arguments[0], Tensor):
        return arguments[0]
    if name.endswith(" _rebuild_tensor_v2") and isinstance(arguments[0], Storage):
        storage, offset, shape, strides = arguments[:4]
        return Tensor(storage, _counts((offset,))[0], _counts(shape), _counts(strides))
    raise FormatError(f"its pickle calls {name[:60]!r} with what it does not take")


def _counts(given: Any) -> tuple[int, ...]:
    """Whole numbers of at least 0, a handful."""
    if type(given) is not tuple or len(given) > 8 or not all(
            type(n) is int and 0 <= n < 2**63 for n in given):
        raise FormatError("its pickle has a shape, an offset or a stride that is none")
    return given
