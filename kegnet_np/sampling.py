"""What is drawn at random: labels, latent codes, noise inputs, generated inputs, seeds.

Every function takes a `numpy.random.Generator` that the caller owns. A *sampler* is a function
``sampler(rng, n) -> x`` of shape (n, D): what a student is trained on in place of data.
"""

from collections.abc import Callable, Sequence
from zlib import crc32

import numpy as np

from .models import NormalisedMLP, generator_input

Sampler = Callable[[np.random.Generator, int], np.ndarray]

SAMPLERS = {
    "uniform": "every feature U(−1, 1), the paper's baseline",
    "normal": "every feature N(0, 1), the paper's baseline",
    "wide": "every feature U(−√3, √3): uniform, with the variance of standardised data",
    "kegnet": "samples of the generators (Yoo et al., 2019)",
    "noised": "√(1 − s²) x̂ + s ε, from a generator's sample (s = 0) to noise (s = 1), s ~ U(0, 1)",
    "energy": "Langevin samples of exp(logsumexp M(x)) N(x; 0, I): where the teacher is sure",
    "ranges": "normal, cut off at every feature's range, from --metadata",
    "covariance": "one Gaussian with the data's covariance, from --metadata",
    "classes": "a Gaussian for each class, its features independent, from --metadata",
}
LEARNT = ("kegnet", "noised")  # those that need generators
DESCRIBED = ("ranges", "covariance", "classes")  # those that need metadata: not data-free


def parts(names: str) -> list[str]:
    """The samplers of "NAME+NAME..."; a name may stand twice, for twice the share."""
    made = names.split("+")
    for name in made:
        if name not in SAMPLERS:
            raise ValueError(
                f"sampler is {names!r}, expected NAME or NAME+NAME..., of {', '.join(SAMPLERS)}"
            )
    return made


def needs_generators(names: str) -> bool:
    """Whether one of the samplers in ``names`` draws from learnt generators."""
    return any(name in LEARNT for name in parts(names))


def seeded(seed: int, purpose: str, members: int = 1) -> list[np.random.Generator]:
    """One independent generator per member: streams of (seed, purpose, member) never overlap."""
    if not (isinstance(seed, (int, np.integer)) and seed >= 0):
        raise ValueError(f"seed is {seed!r}, expected an integer of at least 0")
    return [
        np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(crc32(purpose.encode()), i)))
        for i in range(members)
    ]


def stacked(draw: Callable, rngs: Sequence[np.random.Generator]) -> np.ndarray:
    """draw(rng) for each member's own generator, as a stack (S, ...)."""
    return np.stack([draw(rng) for rng in rngs])


def one_hot(labels: np.ndarray, classes: int, dtype=np.float32) -> np.ndarray:
    """Class numbers (...) in 0..K−1 as rows of the identity (..., K)."""
    return np.eye(classes, dtype=dtype)[labels]


def draw_y(rng: np.random.Generator, n: int, classes: int, dtype=np.float32) -> np.ndarray:
    """ŷ ~ p_y: one-hot (n, K), uniform over the classes (Yoo et al., 2019)."""
    return one_hot(rng.integers(classes, size=n), classes, dtype)


def draw_z(rng: np.random.Generator, n: int, latent: int, dtype=np.float32) -> np.ndarray:
    """ẑ ~ p_z: (n, Z), standard normal (Yoo et al., 2019)."""
    return rng.standard_normal((n, latent), dtype)


def uniform(features: int) -> Sampler:
    """Baseline: every feature U(−1, 1) (Yoo et al., 2019)."""
    return lambda rng, n: rng.uniform(-1, 1, (n, features)).astype(np.float32)


def normal(features: int) -> Sampler:
    """Baseline: every feature N(0, 1) (Yoo et al., 2019)."""
    return lambda rng, n: rng.standard_normal((n, features), np.float32)


def rows_of(x: np.ndarray) -> Sampler:
    """Rows of x (N, D) at random, with replacement: real inputs as a sampler."""
    return lambda rng, n: x[rng.integers(len(x), size=n)]


def generated(model: NormalisedMLP, theta, state, latent: int) -> Sampler:
    """Samples of a stack of trained generators, in evaluation mode, in equal shares.

    Parameters
    ----------
    model : the generator; theta (S, P), state (S, Q) : S trained ones.
    latent : int, Z; the model's other inputs are the K classes.
    """
    p, S, classes = model.layout.views(theta), len(theta), model.inputs - latent

    def sampler(rng, n):
        each = -(-n // S)  # rounded up; of the few too many, random ones are left out
        y = draw_y(rng, S * each, classes, theta.dtype)
        z = draw_z(rng, S * each, latent, theta.dtype)
        zy = generator_input(z, y).reshape(S, each, -1)
        x, _ = model.apply(p, state, zy)  # (S, n / S, D)
        return x.reshape(S * each, -1)[rng.permutation(S * each)[:n]]

    return sampler
