"""A classifier as .safetensors: a header of JSON, and the numbers.

    8 bytes: n, the length of the header, little-endian; n bytes of JSON; the arrays' bytes
    header: {name: {"dtype": "F32", "shape": [...], "data_offsets": [begin, end]}, ...,
             "__metadata__": {key: text, ...}}
"""

import json

import numpy as np

from ..checkpoint import describe
from ..classifier import Classifier
from ..files import write_atomically

DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2"}  # those that are read
KEY = "kegnet_np"  # in the metadata: model, mean, scale and class names as JSON


def write(path, classifier: Classifier) -> None:
    """Write the weights under the names that PyTorch has for them in ``nn.Sequential``, in the
    network's own type; Tucker layers as three Linear, the first two without bias.

    So ``load_state_dict(load_file(path))`` fills Linear, ELU, Linear, ..., Linear. What those
    weights do not say is in the header's metadata, as text.
    """
    known = {"mean": classifier.mean.tolist(), "scale": classifier.scale.tolist(),
             "class_names": classifier.class_names}
    text = json.dumps({"model": describe(classifier.network.model), "data": known})
    content = to_bytes(state_dict(classifier), {KEY: text})
    write_atomically(path, lambda temporary: temporary.write_bytes(content))


def state_dict(classifier: Classifier) -> dict[str, np.ndarray]:
    """The layers' arrays by PyTorch's names, outputs × inputs."""
    arrays, module = {}, 0
    for W, b, activation in classifier.layers:
        arrays[f"{module}.weight"] = W.T
        if b is not None:
            arrays[f"{module}.bias"] = b
        module += 1 if activation == "identity" else 2
    return arrays


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
