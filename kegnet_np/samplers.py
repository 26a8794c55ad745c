"""Samplers by name: what a student sees in place of data, single or mixed.

    make("normal+noised", M, theta_M, generated)

draws half of every batch from each. They know the teacher, that its inputs are standardised, and
generators that were learnt from it: data-free, but for those that are made from `metadata`.
"""

from collections.abc import Callable, Mapping

import numpy as np
from autograd.core import make_vjp

from . import losses, sampling
from .models import Classifier

STEPS, STEP, POOL = 150, 0.02, 8192  # of `energy`


def make(
    names: str, M: Classifier, theta_M: np.ndarray, generated: sampling.Sampler | None = None,
    described: Mapping[str, Callable[[], sampling.Sampler]] | None = None,
) -> sampling.Sampler:  # fmt: skip
    """The sampler of the given name, or an equal mixture of "NAME+NAME...".

    Parameters
    ----------
    names : of `sampling.SAMPLERS`. M, theta_M (P,) : the teacher.
    generated : `sampling.generated`, for those that need it. described : `metadata.load`.

    Returns
    -------
    sampler(rng, n) -> (n, D), rows in random order.
    """
    D = M.features

    def learnt() -> sampling.Sampler:
        if generated is None:
            raise ValueError(f"sampler is {names!r}, but generated is None: extract first")
        return generated

    factories: dict[str, Callable[[], sampling.Sampler]] = {
        "uniform": lambda: sampling.uniform(D),
        "normal": lambda: sampling.normal(D),
        "wide": lambda: wide(D),
        "kegnet": learnt,
        "noised": lambda: noised(learnt()),
        "energy": lambda: energy(M, theta_M),
    }
    factories |= described or {}
    for name in sampling.parts(names):
        if name in sampling.DESCRIBED and name not in factories:
            raise ValueError(f"sampler is {names!r}, expected --metadata with {name}")
    return mixture([factories[name]() for name in sampling.parts(names)])


def mixture(samplers: list[sampling.Sampler]) -> sampling.Sampler:
    """Equal shares of each sampler, shuffled; where n does not divide, random ones get one more."""
    if len(samplers) == 1:
        return samplers[0]

    def sampler(rng, n):
        first = rng.permutation(len(samplers))
        shares = [len(range(i, n, len(samplers))) for i in range(len(samplers))]
        pieces = [samplers[k](rng, share) for k, share in zip(first, shares, strict=True) if share]
        return rng.permutation(np.concatenate(pieces))

    return sampler


def wide(features: int) -> sampling.Sampler:
    """Every feature U(−√3, √3): mean 0, variance 1."""
    return lambda rng, n: (3**0.5 * rng.uniform(-1, 1, (n, features))).astype(np.float32)


def noised(generated: sampling.Sampler) -> sampling.Sampler:
    """x = √(1 − s²) x̂ + s ε with s ~ U(0, 1) for each row: variances of 1 stay 1.

    A generator's samples avoid the class boundaries, noise knows nothing of the classes; on the
    way from one to the other a student sees both.
    """

    def sampler(rng, n):
        x_hat, s = generated(rng, n), rng.random((n, 1), np.float32)
        return np.sqrt(1 - s * s) * x_hat + s * rng.standard_normal(x_hat.shape, np.float32)

    return sampler


def energy(M: Classifier, theta_M: np.ndarray, seed: int = 0) -> sampling.Sampler:
    """Rows of a pool of unadjusted Langevin samples of p(x) ∝ exp(logsumexp M(x)) N(x; 0, I).

    x ← x + η (∇ logsumexp M(x) − x) + √(2η) ε, 150 steps of η = 0.02 from noise, every feature
    standardised over the pool after each step. The gradient is M's VJP of its own probabilities.
    """
    (rng,) = sampling.seeded(seed, "energy")
    p = M.layout.views(theta_M)
    x = rng.standard_normal((POOL, M.features), np.float32)
    for _ in range(STEPS):
        vjp, logits = make_vjp(lambda x: M.apply(p, None, x)[0], x)
        x = x + STEP * (vjp(losses.softmax(logits)) - x)
        x += (2 * STEP) ** 0.5 * rng.standard_normal(x.shape, np.float32)
        x = (x - x.mean(0)) / x.std(0)
    return sampling.rows_of(x)
