"""A little metadata: what may be known of data that nobody may see, and samplers from it.

A JSON file in the data's own units, every entry optional:

    {"ranges": [[low, high], ...],                          # of each feature
     "mean": [...], "covariance": [[...], ...],             # of all rows
     "classes": {"NAME": {"mean": [...], "variance": [...]}, ...}}

It is not data-free: whoever uses it says so. What each entry reveals: `REVEALS`.
"""

import json
from collections.abc import Callable

import numpy as np
from scipy.special import ndtr, ndtri

from . import sampling
from .checkpoint import write_text

REVEALS = {
    "ranges": "the extremes of every feature, which are values of single rows",
    "covariance": "how features go together over all rows; of few rows it may reveal a row",
    "classes": "every class's typical row; of a class with few rows nearly those rows",
}


def describe(data) -> dict:
    """All metadata of a `data_loaders.Dataset`'s training rows, in the data's own units."""
    x = data.x_train.astype(np.float64) * data.scale + data.mean
    by_class = {str(n): x[data.y_train == k] for k, n in enumerate(data.class_names)}
    return {
        "ranges": np.stack([x.min(0), x.max(0)], axis=1).tolist(),
        "mean": x.mean(0).tolist(), "covariance": np.cov(x.T).tolist(),
        "classes": {
            name: {"mean": rows.mean(0).tolist(), "variance": rows.var(0).tolist()}
            for name, rows in by_class.items() if len(rows)
        },
    }  # fmt: skip


def save(path, data) -> None:
    """Write `describe` as JSON."""
    write_text(path, json.dumps(describe(data), indent=1) + "\n")


def load(path, mean, scale) -> dict[str, Callable[[], sampling.Sampler]]:
    """Samplers for the entries of a metadata file, by the names of `sampling.SAMPLERS`.

    mean, scale (D,) : of the teacher's training data, by which its inputs are standardised.

    "ranges": N(0, 1) cut off at the range. "covariance": a Gaussian. "classes": a Gaussian with
    independent features for each class, all classes equally often.
    """
    mean, scale = np.asarray(mean, float), np.asarray(scale, float)
    D = len(mean)
    try:
        with open(path, encoding="utf-8") as file:
            given = json.load(file)
    except ValueError as error:
        raise ValueError(f"--metadata {path} is not JSON: {error}") from error
    known = ("ranges", "mean", "covariance", "classes")
    if not isinstance(given, dict) or not given or (set(given) - set(known)):
        raise ValueError(f"--metadata {path}: expected an object with some of {', '.join(known)}")

    def array(value, name, *shape):
        try:
            made = np.asarray(value, float)
        except (TypeError, ValueError):
            made = np.empty(0)
        if made.shape != shape or not np.isfinite(made).all():
            text = " x ".join(map(str, shape))
            raise ValueError(f"--metadata {path}: {name} is not {text} finite numbers")
        return made

    made: dict[str, Callable[[], sampling.Sampler]] = {}
    if "ranges" in given:
        low, high = ((array(given["ranges"], "ranges", D, 2) - mean[:, None]) / scale[:, None]).T
        if (low > high).any():
            raise ValueError(f"--metadata {path}: ranges has a low above its high")
        made["ranges"] = lambda: _within(low, high)
    if "covariance" in given:
        centre = (array(given.get("mean", mean.tolist()), "mean", D) - mean) / scale
        sigma = array(given["covariance"], "covariance", D, D) / np.outer(scale, scale)
        values, vectors = np.linalg.eigh(sigma)
        if not np.allclose(sigma, sigma.T) or values.min() < -1e-6 * max(values.max(), 1):
            raise ValueError(f"--metadata {path}: covariance is not symmetric with variances >= 0")
        root = vectors * np.sqrt(np.maximum(values, 0))
        made["covariance"] = lambda: _gaussian(centre, root)
    if "classes" in given:
        if not isinstance(given["classes"], dict) or not given["classes"]:
            raise ValueError(f"--metadata {path}: classes is not an object by class name")
        entries = []
        for name, entry in given["classes"].items():
            if not isinstance(entry, dict) or set(entry) != {"mean", "variance"}:
                raise ValueError(f"--metadata {path}: class {name!r} needs mean and variance")
            variance = array(entry["variance"], f"variance of {name!r}", D)
            if (variance < 0).any():
                raise ValueError(f"--metadata {path}: variance of {name!r} is below 0")
            centre_k = (array(entry["mean"], f"mean of {name!r}", D) - mean) / scale
            entries.append((centre_k, np.sqrt(variance) / scale))
        centres, deviations = (np.stack(a) for a in zip(*entries, strict=True))
        made["classes"] = lambda: _by_class(centres, deviations)
    return made


def _within(low, high):
    """N(0, 1) conditioned on [low, high], feature by feature, through its distribution function."""
    a, b = ndtr(low), ndtr(high)

    def sampler(rng, n):
        x = ndtri(a + (b - a) * rng.random((n, len(a))))
        return np.clip(x, low, high).astype(np.float32)  # beyond 8 deviations ndtri is infinite

    return sampler


def _gaussian(centre, root):
    return lambda rng, n: (centre + rng.standard_normal((n, len(root))) @ root.T).astype(np.float32)


def _by_class(centres, deviations):
    def sampler(rng, n):
        k = rng.integers(len(centres), size=n)
        noise = rng.standard_normal((n, centres.shape[1]))
        return (centres[k] + deviations[k] * noise).astype(np.float32)

    return sampler
