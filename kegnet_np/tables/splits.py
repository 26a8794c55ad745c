"""Which rows train, validate and test; how the training rows standardise all of them."""

from dataclasses import replace

import numpy as np

from .schema import Schema
from .table import DataError, show


def _order(n: int, seed: int) -> np.ndarray:
    """Positions 0..n-1 at random."""
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed < 2**32:
        raise DataError(f"seed: {show(seed)} given, expected a whole number from 0 to 2**32 - 1")
    return np.random.RandomState(seed).permutation(n)  # equals numpy.random.seed + shuffle


def at_random(n: int, seed: int, test_rows: int = 0) -> list[np.ndarray]:
    """Positions of training, validation and test rows among n, 7:1:2; or 7:1 and the last
    ``test_rows``, if a set has test rows of its own."""
    own = n - test_rows
    # Whole numbers only: int(0.7 * n) would depend on how 0.7 is rounded.
    sizes = [own * 7 // 8, own - own * 7 // 8] if test_rows else [own * 7 // 10, own // 10]
    return np.split(np.append(_order(own, seed), np.arange(own, n)), np.cumsum(sizes))


def stratified(y: np.ndarray, seed: int) -> list[np.ndarray]:
    """Positions of training, validation and test rows: of every class in y (N,), of three rows or
    more, 7:1:2, and at least one to each."""
    order, part = _order(len(y), seed), np.empty(len(y), int)
    for k in range(y.max() + 1):
        rows = order[y[order] == k]
        n, val, test = len(rows), max(len(rows) // 10, 1), max(len(rows) // 5, 1)
        part[rows] = np.repeat([0, 1, 2], [max(n - val - test, 0), val, test])[:n]
    return [order[part[order] == i] for i in range(3)]


def measured(name: str, x: np.ndarray, schema: Schema) -> tuple[Schema, list[str]]:
    """The schema with the mean and deviation of training rows x (n, D), NaN where a number is
    missing; and the features that are constant in them. Errors: `DataError`."""
    gone, features = np.isnan(x), np.array(schema.feature_names)
    if (empty := gone.all(axis=0)).any():
        raise DataError(f"{name}: no value in the training split: {show(features[empty].tolist())};"
                        " drop the columns, or take another split seed")
    if gone.any():
        x = np.where(gone, np.nanmean(x, axis=0), x)
    # Constant but for rounding: its deviation is noise, and dividing would magnify that.
    noise = np.maximum(1e-12 * np.abs(x).max(axis=0), np.finfo(np.float32).tiny)  # (D,)
    constant = np.ptp(x, axis=0) <= noise
    if constant.all():
        raise DataError(f"{name}: every feature is constant in the training split; add columns "
                        "that vary")
    mean = np.where(constant, x[0], x.mean(axis=0))  # (D,)
    scale = np.where(constant, 1.0, x.std(axis=0))  # (D,), ddof 0
    return replace(schema, mean=mean, scale=scale), features[constant].tolist()
