"""A teacher as plain arrays in an .npz file: what `numpy.savez` writes of weights and biases."""

from typing import Any

import numpy as np

from ..archive import opened, to_array
from ..files import FormatError


def read(path) -> dict[str, Any]:
    """Arguments for `classifier.from_layers`, as far as the file has them.

    Its arrays: W0 (inputs × outputs), b0, W1, b1, ...; and if they are known mean and scale (D,),
    class_names (K,), and the text activation.
    """
    found = arrays_of(path)
    given = units_of(found)
    if "activation" in found:
        given["activation"] = str(found.pop("activation"))
    count = sum(name.startswith("W") for name in found)
    expected = [f"{letter}{i}" for i in range(count) for letter in "Wb"]
    if not count or sorted(found) != sorted(expected):
        odd = sorted(found.keys() ^ expected) or ["none"]
        raise FormatError(f"it holds {', '.join(sorted(found)[:8])[:99] or 'no weights'}, expected "
                          "W0 (inputs × outputs), b0, W1, b1, ... and what of mean, scale, "
                          f"class_names and activation is known; see {odd[0][:40]}")
    return given | {"weights": [found[f"W{i}"] for i in range(count)],
                    "biases": [found[f"b{i}"] for i in range(count)]}


def units_of(found: dict[str, np.ndarray]) -> dict[str, Any]:
    """What of mean, scale and class_names there is; taken out."""
    return {name: found.pop(name) for name in ("mean", "scale", "class_names") if name in found}


def arrays_of(path) -> dict[str, np.ndarray]:
    """The arrays of an .npz file by name."""
    with opened(path) as (archive, members):
        return {name.removesuffix(".npy"): to_array(archive.read(member))
                for name, member in members.items()}
