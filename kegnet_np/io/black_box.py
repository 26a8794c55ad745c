"""A teacher that is only asked: any program that gives probabilities, a forest or boosted trees."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..backend import put, to_host
from ..models import MLP
from .files import FormatError

REFUSED = ("p", "theta", "state", "apply", "layout")
COUNTED_AS = (100,) * 11  # widths: the paper's teacher


@dataclass(frozen=True, eq=False)
class BlackBox:
    """A teacher for `student.distill` that is a function: students learn its answers to noise.

    Its logits are the logarithms of its probabilities, so that their softmax is what it said; a
    probability of 0 is taken for the least normal float32, 1.2e-38. It has no parameters and no
    gradient, so that what needs them (generators, energy, Tucker forms) refuses it and says why.
    Where a student is to be so many times smaller, it counts as a network of the paper's size.

    Parameters
    ----------
    predict_proba : rows (N, D) in raw units, float64 -> probabilities (N, K).
    features, classes : D and K.
    mean, scale : (D,), of raw rows, as in `units.of_numbers`: x = z scale + mean is what
        predict_proba sees of a standardised z. Left out, 0 and 1.
    """

    predict_proba: Callable
    features: int
    classes: int
    mean: np.ndarray | float = 0.0
    scale: np.ndarray | float = 1.0

    @property
    def model(self) -> MLP:
        """The network that it is counted as."""
        return MLP(self.features, self.classes, COUNTED_AS, dropout=0.0)

    @property
    def size(self) -> int:
        """The number of that network's parameters."""
        return self.model.layout.size

    def member(self, s: int) -> "BlackBox":
        """Itself, one for all."""
        return self

    def moved(self, move=put) -> "BlackBox":
        """Itself: a function has no arrays that a device could hold."""
        return self

    def predict(self, z: np.ndarray) -> np.ndarray:
        """log p, float32: standardised rows z (..., N, D) -> (..., N, K)."""
        z = to_host(z)
        rows = np.reshape(z, (-1, self.features)).astype(np.float64)
        p = np.asarray(self.predict_proba(rows * self.scale + self.mean))
        if p.shape != (len(rows), self.classes):
            raise FormatError(f"predict_proba gives an array of shape {p.shape} for "
                              f"{len(rows)} rows, expected ({len(rows)}, {self.classes}): a "
                              "probability for each class")
        if not (p >= 0).all() or not np.allclose(p.sum(1), 1, atol=1e-3):
            raise FormatError("predict_proba gives numbers that are below 0, or do not add up to "
                              "1 in a row; pass probabilities")
        logits = np.log(np.maximum(p, np.finfo(np.float32).tiny)).astype(np.float32)
        return put(logits.reshape(*np.shape(z)[:-1], self.classes))

    def __getattr__(self, name: str):
        if name in REFUSED:
            raise FormatError(f"the teacher is a function, which has no {name}: nothing can be "
                              "learnt by its gradient or made of its weights (KegNet's samples, "
                              "energy, Tucker forms); distil a plain MLP from noise instead")
        raise AttributeError(f"{type(self).__name__} has no {name}")
