"""Files of teachers as other programs and strangers write them, made by hand; what is read."""

import pickle
import struct
import zipfile

import numpy as np
import pytest

from kegnet_np.io import convert
from kegnet_np.io.files import FormatError

OF = {"f4": "FloatStorage", "f8": "DoubleStorage", "f2": "HalfStorage"}


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def number(value: int) -> bytes:
    small = -(2**31) <= value < 2**31
    return b"J" + struct.pack("<i", value) if small else b"\x8a\x09" + struct.pack("<qb", value, 0)


def numbers(values) -> bytes:
    return b"(" + b"".join(map(number, values)) + b"t"


def storage(key="0", size=6, kind="FloatStorage") -> bytes:
    return (b"(" + text("storage") + f"ctorch\n{kind}\n".encode() + text(key) + text("cpu")
            + number(size) + b"tQ")


def tensor(shape=(3, 2), strides=(2, 1), offset=0, of=None) -> bytes:
    """The opcodes of a tensor, a view of a storage."""
    return (b"ctorch._utils\n_rebuild_tensor_v2\n(" + (of or storage()) + number(offset)
            + numbers(shape) + numbers(strides) + b"\x89ccollections\nOrderedDict\n)RtR")


def state(items: dict[str, bytes]) -> bytes:
    """The pickle of an OrderedDict of opcodes."""
    inside = b"".join(text(name) + value for name, value in items.items())
    return b"\x80\x02ccollections\nOrderedDict\n)R(" + inside + b"u."


def write_pt(path, pickled: bytes, storages: dict[str, bytes] | None = None, **more) -> None:
    """A .pt file; more : of `zipfile.ZipFile`, or ``order``."""
    order = more.pop("order", b"little")
    with zipfile.ZipFile(path, "w", **more) as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/byteorder", order)
        archive.writestr("archive/version", b"3")
        for key, content in (storages or {}).items():
            archive.writestr(f"archive/data/{key}", content)


def save_pt(path, arrays: dict[str, np.ndarray], view: str = "plain") -> None:
    """As torch.save does it; view : plain, transposed, or sliced: of a storage that holds more."""
    items, storages = {}, {}
    for i, (name, a) in enumerate(arrays.items()):
        held = a.T.copy() if view == "transposed" else np.repeat(a, 1 + (view == "sliced"), -1)
        seen = {"plain": held, "transposed": held.T, "sliced": held[..., ::2]}[view]
        strides = [n // a.itemsize for n in seen.strides]
        items[name] = tensor(a.shape, strides, 0, storage(str(i), held.size, OF[a.dtype.str[1:]]))
        storages[str(i)] = held.tobytes()
    write_pt(path, state(items), storages)


class Shell:
    """What a pickle may do: run a command when it is read."""

    def __init__(self, path):
        self.command = f"touch {path}"

    def __reduce__(self):
        import os

        return os.system, (self.command,)


def evil_pickle(path) -> bytes:
    """A pickle that makes a file at path when it is unpickled."""
    return pickle.dumps({"0.weight": Shell(path)}, 2)


def same(found, c):
    """The same network, units and names, to the last bit."""
    assert found.network.theta.tobytes() == c.network.theta.tobytes()
    assert found.network.theta.dtype == c.network.theta.dtype
    a, b = (x.network.model for x in (found, c))
    assert (a.widths, a.ranks, a.classes) == (b.widths, b.ranks, b.classes)
    assert a.activation == b.activation or not a.widths
    assert (found.mean == c.mean).all() and (found.scale == c.scale).all()
    assert found.class_names == c.class_names


def refusal(path, **options):
    """What is said of a file that is refused: one line, which names it."""
    with pytest.raises(FormatError) as caught:
        convert.read(path, **options)
    words = str(caught.value)
    assert words.startswith(f"{path}") and "\n" not in words and len(words) < 600
    return words
