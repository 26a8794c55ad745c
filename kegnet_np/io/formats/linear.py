"""Linear layers by the names that PyTorch gives to their arrays."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..files import FormatError


def layers_of(arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Weights (inputs × outputs) and biases for `classifier.from_layers`.

    arrays : first layer to last, of each NAME.weight (outputs, inputs), and if it has one
        NAME.bias (outputs,).
    """
    weights, biases = [], []
    for name, a in arrays.items():
        stem = name.removesuffix("weight")
        if name.endswith("weight") and a.ndim == 2:
            weights.append(a.T)
            biases.append(arrays.get(f"{stem}bias"))
        elif not (name.endswith("bias") and name.removesuffix("bias") + "weight" in arrays):
            raise FormatError(f"it holds {name[:60]!r} of shape {a.shape}, expected NAME.weight "
                              "(outputs, inputs) and NAME.bias of Linear layers; fold a batch-norm "
                              "into the layer before it, leave all else out")
    return {"weights": weights, "biases": biases}
