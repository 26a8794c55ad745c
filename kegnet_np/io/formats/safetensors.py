"""A classifier as .safetensors: a header of JSON, and the numbers.

    8 bytes: n, the length of the header, little-endian; n bytes of JSON; the arrays' bytes
    header: {name: {"dtype": "F32", "shape": [...], "data_offsets": [begin, end]}, ...,
             "__metadata__": {key: text, ...}}
"""

import json
import math
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from ...models import MLP
from ...network import Network
from ...tables.schema import Schema
from ..checkpoint import describe, rebuild
from ..classifier import Classifier
from ..files import FormatError, parse, write_atomically
from .linear import layers_of

DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2"}  # those that are read
HEADER = 2**20  # bytes of JSON, at the most
KEY = "kegnet_np"  # in the metadata: model and schema as JSON


def write(path, classifier: Classifier) -> None:
    """Write the weights under the names that PyTorch has for them in ``nn.Sequential``, in the
    network's own type; Tucker layers as three Linear, lean ones as two, the last with a bias.

    So ``load_state_dict(load_file(path))`` fills Linear, ELU, Linear, ..., Linear. What those
    weights do not say is in the header's metadata, as text.
    """
    known = classifier.schema.to_json() if classifier.schema else {}
    text = json.dumps({"model": describe(classifier.network.model), "data": known})
    views = zip(names_of(classifier.network.model), classifier.network.p.values(), strict=True)
    arrays = {name: a[0] if name.endswith("bias") else a.T for name, a in views}
    content = to_bytes(arrays, {KEY: text})
    write_atomically(path, lambda temporary: temporary.write_bytes(content))


def names_of(model: MLP) -> list[str]:
    """PyTorch's name of each array of the model's layout, in that order."""
    names, module = [], 0
    for entry in model.layout.entries:
        if not entry.startswith("b"):
            names.append(f"{module}.weight")
            module += 1
        else:
            names.append(f"{module - 1}.bias")  # and an activation after it
            module += model.activation != "identity" and entry != f"b{len(model.widths)}"
    return names


def to_bytes(arrays: dict[str, np.ndarray], metadata: dict[str, str]) -> bytes:
    """The file of float arrays, in any memory layout, and of metadata."""
    header: dict[str, dict] = {"__metadata__": metadata}
    codes, pieces, end = {code: key for key, code in DTYPES.items()}, [], 0
    for name, a in arrays.items():
        a = a.astype(a.dtype.newbyteorder("<"), order="C")
        begin, end = end, end + a.nbytes
        header[name] = {"dtype": codes[f"<f{a.itemsize}"], "shape": a.shape,
                        "data_offsets": [begin, end]}
        pieces.append(a.tobytes())
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)  # so that the numbers are aligned
    return len(text).to_bytes(8, "little") + text + b"".join(pieces)


def read(path) -> dict[str, Any] | Classifier:
    """What `write` wrote, or Linear layers of another program: then arguments for
    `classifier.from_layers`. Those are in the order of the numbers in their names."""
    arrays, metadata = from_bytes(Path(path).read_bytes())
    if KEY not in metadata:
        return layers_of({name: arrays[name] for name in sorted(arrays, key=_natural)})
    header = parse(metadata[KEY])
    model, data = rebuild(path, header, "model", MLP), header["data"]
    names = names_of(model)
    if set(names) != arrays.keys():
        raise FormatError(f"it holds {len(arrays)} arrays, expected those of {model}")
    laid = {entry: arrays[name][None] if name.endswith("bias") else arrays[name].T
            for entry, name in zip(model.layout.entries, names, strict=True)}
    network = Network(model, model.layout.pack(laid))
    return Classifier(network, Schema.from_json(data))


def from_bytes(content: bytes) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The arrays, as views of the content, and the metadata."""
    size = int.from_bytes(content[:8], "little")
    if len(content) < 8 or size > min(HEADER, len(content) - 8):
        raise FormatError(f"its header has {size:,} bytes, expected {HEADER:,} at the most, inside "
                          "the file; a damaged file, or of another format")
    header = parse(content[8 : 8 + size].decode(), object_pairs_hook=_without_twins)
    metadata, arrays = header.pop("__metadata__", {}), {}
    end, rest = 0, memoryview(content)[8 + size :]
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        dtype, shape, (begin, stop) = entry["dtype"], entry["shape"], entry["data_offsets"]
        if dtype not in DTYPES:
            raise FormatError(f"its array {name[:60]!r} is {str(dtype)[:20]}, expected one of "
                              f"{', '.join(DTYPES)}; save it as F32")
        counts = (*shape[:8], begin, stop)
        if len(shape) > 8 or not all(type(n) is int and 0 <= n < 2**63 for n in counts):
            raise FormatError(f"its array {name[:60]!r} has a shape or a place that is none")
        if begin != end or stop - begin != math.prod(shape) * int(DTYPES[dtype][2]):
            raise FormatError(f"its array {name[:60]!r} is not next to the one before it, or of "
                              "another size than its shape; a damaged file")
        arrays[name] = np.frombuffer(rest[begin:stop], DTYPES[dtype]).reshape(shape)
        end = stop
    if end != len(rest):
        raise FormatError(f"its arrays have {end:,} bytes of {len(rest):,}; a damaged file")
    return arrays, metadata


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A dictionary of JSON, in which a name stands once."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twin = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise FormatError(f"its header has {twin[:60]!r} twice; a damaged file")
    return found


def _natural(name: str) -> list[tuple[bool, int, str]]:
    """For sorting: figures as numbers, so that layer 10 comes after 9."""
    return [(i % 2 == 0, int(part) if i % 2 else 0, part)
            for i, part in enumerate(re.split(r"([0-9]+)", name))]
