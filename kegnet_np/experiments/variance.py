"""How an estimator's gradient for C scatters, and how far its mean is from the exact one."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import sampling
from ..autodiff import value_and_grad
from ..kdgan.estimators import ESTIMATORS, exact
from ..network import Network
from .play import Play


def spread(C: Network, x: np.ndarray, d: np.ndarray, estimator: Callable, n: int, tau: float,
           rngs: Sequence[np.random.Generator], times: int = 100) -> dict[str, list[float]]:
    """The spread of an estimator's gradient over draws.

    C : a stack of S. x (S, m, D), d (S, m, K) : rows, and the discriminator's logits for them.
    times : of drawing anew, n labels a row.
    returns : by member the variance E‖g − ḡ‖² / ‖ḡ‖²; the bias ‖ḡ − g‖ / ‖g‖, g that of `exact`;
        and by chance, the standard error of ḡ in the same unit: a bias near it is none.
    """
    step = value_and_grad(
        lambda p, of: (of(C.model.apply(p, None, x)[0], d, rngs, n, tau), None), C.model.layout)
    g = step(C.theta, exact)[1]
    drawn = np.array([step(C.theta, estimator)[1] for _ in range(times)], np.float64)
    mean = drawn.mean(0)
    total, size = ((drawn - mean) ** 2).sum(-1).mean(0), (g**2).sum(-1)
    return {"variance": (total / (mean**2).sum(-1)).tolist(),
            "bias": np.sqrt(((mean - g) ** 2).sum(-1) / size).tolist(),
            "chance": np.sqrt(total / (times - 1) / size).tolist()}


def measured(C: Network, D: Network, x: np.ndarray, own: Play, seed: int) -> dict[str, Any]:
    """Variance and bias of every estimator of C's gradient, at its pretrained parameters, with as
    many draws as the game has, but two at the least: `score` needs them."""
    x = x[:, : own.rows]
    d, n, found = D.predict(x), max(own.draws, 2), {}
    for name, estimator in ESTIMATORS.items():
        rngs = sampling.seeded(seed, f"gradients {name}", len(x))
        found[name] = {str(tau): spread(C, x, d, estimator, n, tau, rngs) for tau in (1.0, 0.1)}
    return {"gradients": found}
