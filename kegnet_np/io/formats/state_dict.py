"""PyTorch's .pt files: a state dict of Linear layers, read without PyTorch, and never unpickled.

A .pt file is a zip of NAME/data.pkl, a pickle in which a tensor is a call on a storage, and of
NAME/data/KEY, the numbers of each storage. A pickle is a program for a machine with a stack. Here
a small interpreter knows the opcodes that `torch.save` writes, and of the functions they call two:
they make a `Tensor`, which is looked up in its storage afterwards. All else is refused by name.
"""

import math
import pickletools
import zipfile
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..archive import check_bytes, opened
from ..files import FormatError
from .linear import layers_of

BYTES, OPCODES = 2**20, 100_000  # of a pickle, at the most: some thousand tensors have these
STORAGES = {"FloatStorage": "<f4", "DoubleStorage": "<f8", "HalfStorage": "<f2"}
CALLED = ("collections OrderedDict", "torch._utils _rebuild_tensor_v2",
          "torch._utils _rebuild_parameter")
VALUES = ("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE")
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
WRAPPED = ("state_dict", "model_state_dict")  # under which a training's file has the weights


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


def read(path) -> dict[str, Any]:
    """Weights and biases for `classifier.from_layers`, of the layers in the file's order."""
    if not zipfile.is_zipfile(path):
        raise FormatError("it is no zip archive: a damaged file, or of PyTorch before 1.6; load it "
                          "where you trust it, and save model.state_dict() again")
    with opened(path) as (archive, members):
        pickle = next((name for name in members if name.endswith("/data.pkl")), "data.pkl")
        if pickle not in members:
            raise FormatError("it is no archive of torch.save; save model.state_dict() with it")
        root = pickle.removesuffix("data.pkl")
        if members[pickle].file_size > BYTES:
            raise FormatError(f"its pickle has {members[pickle].file_size:,} bytes, expected "
                              f"{BYTES:,} at the most; save model.state_dict() alone")
        order = f"{root}byteorder"
        if order in members and archive.read(order) != b"little":
            raise FormatError("its numbers are big-endian; save it on another machine")
        tensors = tensors_of(interpret(archive.read(pickle)))
        check_bytes(sum(8 * math.prod(tensor.shape) for tensor in tensors.values()), path)
        keys = {tensor.storage.key for tensor in tensors.values()}
        held = {key: _stored(archive, members[f"{root}data/{key}"]) for key in keys}
    return layers_of({name: to_array(t, held[t.storage.key]) for name, t in tensors.items()})


def interpret(pickle: bytes) -> Any:
    """The value that a pickle of `torch.save` builds, of dicts, lists, tuples, numbers, text and
    `Tensor`; FormatError if it asks for anything else."""
    stack: list[Any] = []
    below: list[list] = []  # stacks under a mark
    memo: dict[int, Any] = {}
    argument: Any
    for count, (opcode, argument, _) in enumerate(pickletools.genops(pickle)):
        name = opcode.name
        if count > OPCODES:
            raise FormatError(f"its pickle has more than {OPCODES:,} opcodes; save "
                              "model.state_dict() alone")
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
            raise FormatError(f"its pickle has the opcode {name} {str(argument)[:40]!r}, which a "
                              "state dict does not need; save model.state_dict() with torch.save "
                              "and its usual protocol, 2")
    raise FormatError("its pickle has no end")


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


def tensors_of(found: Any) -> dict[str, Tensor]:
    """The tensors by name of a state dict, or of one that a training's dictionary has."""
    for key in WRAPPED:
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
    if not isinstance(found, dict):
        raise FormatError(f"it holds a {type(found).__name__}, expected a state dict; save "
                          "model.state_dict()")
    for name, value in found.items():
        if not (isinstance(name, str) and isinstance(value, Tensor)):
            raise FormatError(f"its entry {str(name)[:60]!r} is of type {type(value).__name__}, "
                              "expected a tensor; save model.state_dict() alone")
        if value.storage.kind not in STORAGES:
            raise FormatError(f"its tensor {name[:60]!r} is of {value.storage.kind[:40]!r}, "
                              f"expected {', '.join(STORAGES)}; save model.float().state_dict()")
    return found


def to_array(tensor: Tensor, stored: bytes) -> np.ndarray:
    """The tensor as a view of its storage's bytes, every number of which must be in them."""
    flat = np.frombuffer(stored, STORAGES[tensor.storage.kind])
    shape, strides = tensor.shape, tensor.strides
    last = tensor.offset + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))
    inside = 0 < math.prod(shape) <= len(flat) and last < len(flat)
    if not inside or len(flat) != tensor.storage.size:
        raise FormatError(f"a tensor of shape {shape} and strides {strides} at {tensor.offset}, "
                          f"expected one within its storage of {len(flat):,} numbers, each once")
    return np.lib.stride_tricks.as_strided(
        flat[tensor.offset :], shape, [stride * flat.itemsize for stride in strides])


def _stored(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    if member.compress_type != zipfile.ZIP_STORED:
        raise FormatError(f"its storage {member.filename[:60]!r} is compressed, which torch.save "
                          "does not do; save it again")
    return archive.read(member)
