"""Transformations of Pendigits: x₁, y₁, ..., x₈, y₈ of a pen, from 0 to 100.

UCI's description says that the wider of the ranges becomes 0..100. In its files x *and* y of every
row go from 0 to 100, so `renormalise` scales each by itself. Points are (..., 8, 2).
"""

import numpy as np


def rotate(points: np.ndarray, degrees) -> np.ndarray:
    """About the centroid, counter-clockwise; by one angle, or by one for each row (N,)."""
    angle = np.deg2rad(np.asarray(degrees, np.float64))
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    centre = points.mean(-2, keepdims=True)
    return (points - centre) @ np.moveaxis(turn, (0, 1), (-2, -1)) + centre


def jitter(points: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Every coordinate moved by N(0, σ²), in the units of 0..100."""
    if not sigma >= 0:
        raise ValueError(f"sigma is {sigma}, expected a deviation of at least 0")
    return points + sigma * rng.standard_normal(points.shape)


def renormalise(points: np.ndarray) -> np.ndarray:
    """x and y from 0 to 100 in every row, as in the files; one that is constant becomes 0."""
    low, high = points.min(-2, keepdims=True), points.max(-2, keepdims=True)
    return (points - low) * (100 / np.where(high > low, high - low, 1))


def transformed(x: np.ndarray, mean: np.ndarray, scale: np.ndarray, *, degrees=0.0,
                sigma: float = 0.0, rng: np.random.Generator | None = None) -> np.ndarray:
    """Standardised rows (N, 16), rotated, jittered, renormalised and clipped; standardised again.

    mean, scale (16,) : of the `Dataset`. degrees : of `rotate`. sigma : of `jitter`, by ``rng``.
    Once normalised, the clip to 0..100 takes off rounding alone.
    """
    if x.ndim != 2 or x.shape[1] != 16 or (sigma and rng is None):
        raise ValueError(f"x has shape {x.shape}, sigma is {sigma} and rng {rng}: expected (N, 16) "
                         "of eight points, and for a sigma a generator")
    points = rotate((x * np.float64(scale) + mean).reshape(-1, 8, 2), degrees)
    points = points if rng is None else jitter(points, sigma, rng)
    points = np.clip(renormalise(points), 0, 100)
    return ((points.reshape(x.shape) - mean) / scale).astype(x.dtype)
