"""PyTorch's .pt files: a state dict of Linear layers, read without PyTorch.

A .pt file is a zip of NAME/data.pkl, a pickle in which a tensor is a view of a storage, and of
NAME/data/KEY, the numbers of each storage.
"""

import math
import zipfile
from typing import Any

import numpy as np

from ..archive import check_bytes, opened
from ..files import FormatError
from .linear import layers_of
from .torch_pickle import BYTES, Tensor, interpret

STORAGES = {"FloatStorage": "<f4", "DoubleStorage": "<f8", "HalfStorage": "<f2"}
WRAPPED = ("state_dict", "model_state_dict")  # under which a training's file has the weights


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
