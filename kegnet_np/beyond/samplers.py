"""Samplers by name: what a student sees in place of data, single or mixed.

They know the teacher, how its inputs are coded and standardised, and generators that were learnt
from it: data-free, but for those of `metadata`. To add one, add it to `SAMPLERS`; all else follows.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from autograd.core import make_vjp

from .. import sampling
from ..backend import array_module, put, to_host
from ..network import Network
from ..sampling import Sampler

STEPS, STEP, POOL = 150, 0.02, 8192  # of `energy`


DESCRIBED = {  # needs of samplers that are given by name, and what to say where one is not
    "metadata": "expected --metadata with {}",
    "schema": "but the teacher does not say what its columns are; teach it anew, or take normal"}


class Entry(NamedTuple):
    """What a sampler draws; from what it is made: the "teacher", the number of its "features", the
    "schema" of its inputs, the sampler of "generators", or that of "metadata" (not data-free); and
    how, unless it is that."""

    text: str
    needs: str
    make: Callable[..., Sampler] = lambda given: given


def parts(names: str) -> list[str]:
    """The samplers of "NAME+NAME..."; a name may stand twice, for twice the share."""
    made = names.split("+")
    if not SAMPLERS.keys() >= set(made):
        raise ValueError(
            f"sampler is {names!r}, expected NAME or NAME+NAME..., of {', '.join(SAMPLERS)}")
    return made


def needs(names: str, what: str) -> bool:
    """Whether one of the samplers in ``names`` needs "generators", a "schema", or "metadata"."""
    return any(SAMPLERS[name].needs == what for name in parts(names))


def make(names: str, teacher: Network, generated: Sampler | None = None,
         described: Mapping[str, Sampler] | None = None) -> Sampler:
    """The sampler of the given name, or an equal mixture of "NAME+NAME...", in random order; those
    that need it take ``generated`` of `generator.generated`, or are in ``described``: samplers by
    name, of `metadata.load` and `frequencies`."""
    made, known = [], described or {}
    for name in parts(names):
        entry = SAMPLERS[name]
        if entry.needs == "generators" and generated is None:
            raise ValueError(f"sampler is {names!r}, but generated is None: extract first")
        if entry.needs in DESCRIBED and name not in known:
            raise ValueError(f"sampler is {names!r}, {DESCRIBED[entry.needs].format(name)}")
        given = {"teacher": teacher, "features": teacher.model.features, "generators": generated}
        made.append(anywhere(known[name]) if entry.needs in DESCRIBED
                    else entry.make(given[entry.needs]))
    return sampling.mixture(made)


def anywhere(sampler: Sampler) -> Sampler:
    """A sampler of NumPy's, for any device: there its rows are drawn on the host and put."""
    def on_device(rng, n):
        if array_module(rng) is np:
            return sampler(rng, n)
        seed = to_host(rng.integers(2**31, size=2)).tolist()
        return put(sampler(np.random.default_rng(seed), n))

    return on_device


def wide(features: int) -> Sampler:
    """Every feature U(−√3, √3): mean 0, variance 1."""
    return lambda rng, n: (3**0.5 * rng.uniform(-1, 1, (n, features))).astype(np.float32)


def narrow(features: int) -> Sampler:
    """Every feature N(0, 0.85²): a sum of squares as small as most real rows have."""
    return lambda rng, n: np.float32(0.85) * rng.standard_normal((n, features), np.float32)


def frequencies(schema: Any) -> Sampler:
    """Inputs as the columns code them: a flag is 1, a category has a value, as often as in the
    training rows, which is what their means are; numbers are N(0, 1). Columns are independent.

    schema : a `tables.schema.Schema`. No more is known than what every teacher of raw rows carries
    to standardise them.
    """
    mean, scale = (np.asarray(a, np.float32) for a in (schema.mean, schema.scale))
    coded, first = [], 0  # flags and categories: features, and where their shares of (0, 1) end
    for column in schema.columns:
        at = slice(first, first := first + len(column.features))
        if column.kind != "number":
            coded.append((at, np.cumsum(mean[at], dtype=np.float64)))

    def sampler(rng, n):
        x = rng.standard_normal((n, first), np.float32)
        for at, ends in coded:
            value = np.searchsorted(ends, rng.random(n), side="right")
            x[:, at] = ((value[:, None] == np.arange(len(ends))) - mean[at]) / scale[at]
        return x

    return sampler


def noised(generated: Sampler) -> Sampler:
    """x = √(1 − s²) x̂ + s ε with s ~ U(0, 1) for each row: variances of 1 stay 1. A generator's
    samples avoid class boundaries, noise knows nothing of the classes; here a student sees both."""
    def sampler(rng, n):
        x_hat, s = generated(rng, n), rng.random((n, 1), np.float32)
        return (1 - s * s) ** 0.5 * x_hat + s * rng.standard_normal(x_hat.shape, np.float32)

    return sampler


def energy(teacher: Network, seed: int = 0) -> Sampler:
    """Rows of a pool of unadjusted Langevin samples of p(x) ∝ exp(logsumexp M(x)) N(x; 0, I).

    x ← x + η (∇ logsumexp M(x) − x) + √(2η) ε, 150 steps of η = 0.02 from noise, every feature
    standardised over the pool after each step. The gradient is M's VJP of its own probabilities.
    """
    from ..losses import softmax  # with scipy, which the list of names does not need

    (rng,), M, teacher = sampling.seeded(seed, "energy"), teacher.model, teacher.moved()
    x = rng.standard_normal((POOL, M.features), np.float32)
    for _ in range(STEPS):
        vjp, logits = make_vjp(lambda x: M.apply(teacher.p, None, x)[0], x)
        x = x + STEP * (vjp(softmax(logits)) - x)
        x += (2 * STEP) ** 0.5 * rng.standard_normal(x.shape, np.float32)
        x = (x - x.mean(0)) / x.std(0)
    return sampling.rows_of(x)


SAMPLERS = {
    "uniform": Entry("every feature U(−1, 1), the paper's baseline", "features", sampling.uniform),
    "normal": Entry("every feature N(0, 1), the paper's baseline", "features", sampling.normal),
    "wide": Entry("every feature U(−√3, √3): uniform, with the variance of standardised data",
                  "features", wide),
    "narrow": Entry("every feature N(0, 0.85²): normal, nearer to the mean", "features", narrow),
    "frequencies": Entry("flags and categories as often as their means tell, numbers N(0, 1)",
                         "schema"),
    "kegnet": Entry("samples of the generators (Yoo et al., 2019)", "generators"),
    "noised": Entry("from a generator's sample to noise: √(1 − s²) x̂ + s ε, s ~ U(0, 1)",
                    "generators", noised),
    "energy": Entry("Langevin samples of exp(logsumexp M(x)) N(x; 0, I): where the teacher is sure",
                    "teacher", energy),
    "ranges": Entry("normal, cut off at every feature's range", "metadata"),
    "covariance": Entry("one Gaussian with the data's covariance", "metadata"),
    "classes": Entry("a Gaussian for each class, its features independent", "metadata")}
