"""A little metadata: what may be known of data that nobody may see, and samplers from it.

A JSON file in the data's own units, every entry optional:

    {"ranges": [[low, high], ...],                          # of each feature
     "mean": [...], "covariance": [[...], ...],             # of all rows
     "classes": {"NAME": {"mean": [...], "variance": [...]}, ...}}

It is not data-free: whoever uses it says so. What each entry reveals: `REVEALS`.
"""

import json

import numpy as np

from ..sampling import Sampler

REVEALS = {
    "ranges": "the extremes of every feature, which are values of single rows",
    "covariance": "how features go together over all rows; of few rows it may reveal a row",
    "classes": "every class's typical row; of a class with few rows nearly those rows"}


def describe(data) -> dict:
    """All metadata of a `data_loaders.Dataset`'s training rows, in the data's own units."""
    x = data.x_train.astype(np.float64) * data.scale + data.mean
    by_class = {str(n): x[data.y_train == k] for k, n in enumerate(data.class_names)}
    return {
        "ranges": np.stack([x.min(0), x.max(0)], axis=1).tolist(),
        "mean": x.mean(0).tolist(), "covariance": np.cov(x.T).tolist(),
        "classes": {name: {"mean": rows.mean(0).tolist(), "variance": rows.var(0).tolist()}
                    for name, rows in by_class.items() if len(rows)}}


def load(path, mean, scale) -> dict[str, Sampler]:
    """`samplers_of` a metadata file; mean and scale are None where a teacher does not say them."""
    if mean is None or scale is None:
        raise ValueError("--metadata: the teacher does not say how its inputs are standardised")
    try:
        with open(path, encoding="utf-8") as file:
            given = json.load(file)
    except ValueError as error:
        raise ValueError(f"--metadata {path} is not JSON: {error}") from error
    return samplers_of(given, mean, scale, path)


def samplers_of(given, mean, scale, path="") -> dict[str, Sampler]:
    """Samplers for the entries of metadata as `describe` makes it, by their names in `SAMPLERS`.

    mean, scale (D,) : by which the teacher's inputs are standardised. path : for errors.
    "ranges": N(0, 1) cut off at the range. "covariance": a Gaussian. "classes": a Gaussian with
    independent features for each class, all classes equally often.
    """
    mean, scale = np.asarray(mean, float), np.asarray(scale, float)
    D, known = len(mean), ("ranges", "mean", "covariance", "classes")

    def check(sound, text):
        if not sound:
            raise ValueError(f"--metadata {path}: {text}")

    def array(value, name, *shape):
        try:
            made = np.asarray(value, float)
        except (TypeError, ValueError):
            made = np.empty(0)
        check(made.shape == shape and np.isfinite(made).all(),
              f"{name} is not {' x '.join(map(str, shape))} finite numbers")
        return made

    check(isinstance(given, dict) and given and set(given) <= set(known),
          f"expected an object with some of {', '.join(known)}")
    made: dict[str, Sampler] = {}
    if "ranges" in given:
        low, high = ((array(given["ranges"], "ranges", D, 2) - mean[:, None]) / scale[:, None]).T
        check(not (low > high).any(), "ranges has a low above its high")
        made["ranges"] = _within(low, high)
    if "covariance" in given:
        centre = (array(given.get("mean", mean.tolist()), "mean", D) - mean) / scale
        sigma = array(given["covariance"], "covariance", D, D) / np.outer(scale, scale)
        values, vectors = np.linalg.eigh(sigma)
        check(np.allclose(sigma, sigma.T) and values.min() >= -1e-6 * max(values.max(), 1),
              "covariance is not symmetric with variances >= 0")
        root = vectors * np.sqrt(np.maximum(values, 0))
        made["covariance"] = lambda rng, n: (
            centre + rng.standard_normal((n, D)) @ root.T).astype(np.float32)
    if "classes" in given:
        classes, moments = given["classes"], []
        check(isinstance(classes, dict) and classes, "classes is not an object by class name")
        for name, entry in classes.items():
            check(isinstance(entry, dict) and set(entry) == {"mean", "variance"},
                  f"class {name!r} needs mean and variance")
            variance = array(entry["variance"], f"variance of {name!r}", D)
            check((variance >= 0).all(), f"variance of {name!r} is below 0")
            centre_k = (array(entry["mean"], f"mean of {name!r}", D) - mean) / scale
            moments.append((centre_k, np.sqrt(variance) / scale))
        made["classes"] = _by_class(*np.stack(moments, axis=1))
    return made


def _within(low, high):
    """N(0, 1) conditioned on [low, high], feature by feature, through its distribution function."""
    def sampler(rng, n):
        from scipy.special import ndtr, ndtri  # takes half a second to import

        a, b = ndtr(low), ndtr(high)
        x = ndtri(a + (b - a) * rng.random((n, len(a))))
        return np.clip(x, low, high).astype(np.float32)  # beyond 8 deviations ndtri is infinite

    return sampler


def _by_class(centres, deviations):
    def sampler(rng, n):
        k = rng.integers(len(centres), size=n)
        noise = rng.standard_normal((n, centres.shape[1]))
        return (centres[k] + deviations[k] * noise).astype(np.float32)

    return sampler
