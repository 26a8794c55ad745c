"""What is drawn at random: labels, latent codes, noise inputs, rows, mixtures; and seeds.

Every function takes a `numpy.random.Generator` that the caller owns. A *sampler* is a function
``sampler(rng, n) -> x`` of shape (n, D): what a student is trained on in place of data.
"""

from collections.abc import Callable, Sequence
from zlib import crc32

import numpy as np

from .backend import array_module, stream, to_host

Sampler = Callable[[np.random.Generator, int], np.ndarray]


def seeded(seed: int, purpose: str, members: int | range = 1) -> list[np.random.Generator]:
    """A generator for each member (S or a range): streams of (seed, purpose, member) differ."""
    if not (isinstance(seed, (int, np.integer)) and seed >= 0):
        raise ValueError(f"seed is {seed!r}, expected an integer of at least 0")
    return [
        stream(np.random.SeedSequence(seed, spawn_key=(crc32(purpose.encode()), i)))
        for i in (members if isinstance(members, range) else range(members))
    ]


def stacked(draw: Callable, rngs: Sequence[np.random.Generator]) -> np.ndarray:
    """draw(rng) for each member's own generator, as a stack (S, ...)."""
    return array_module(rngs[0]).stack([draw(rng) for rng in rngs])


def one_hot(labels: np.ndarray, classes: int, dtype=np.float32) -> np.ndarray:
    """Class numbers (...) in 0..K−1 as rows of the identity (..., K)."""
    return array_module(labels).eye(classes, dtype=dtype)[labels]


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


def mixture(samplers: Sequence[Sampler]) -> Sampler:
    """Equal shares of each sampler, shuffled; where n does not divide, random ones get one more."""
    if len(samplers) == 1:
        return samplers[0]

    def sampler(rng, n):
        first = to_host(rng.permutation(len(samplers)))
        shares = [len(range(i, n, len(samplers))) for i in range(len(samplers))]
        pieces = [samplers[k](rng, share) for k, share in zip(first, shares, strict=True) if share]
        return rng.permutation(array_module(rng).concatenate(pieces))

    return sampler
