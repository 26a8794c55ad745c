"""Means and intervals over teachers, and differences paired by teacher."""

from collections.abc import Sequence

import numpy as np


def interval(per_teacher: Sequence[Sequence[float]]) -> dict:
    """Mean, sd and the half-width of a 95% Student t interval of nested seeds.

    per_teacher : for each teacher its students' values. The teacher is the unit: with two or more,
        sd and interval are those of the teachers' means; with one, of its students', and then the
        interval says nothing of other teachers.
    returns : {mean, sd, half, n}: sd and half are None for a single value, n counts the units.
    """
    if not per_teacher or not all(len(values) for values in per_teacher):
        raise ValueError("per_teacher is empty, expected a list of values for each teacher")
    means = [float(np.mean(values)) for values in per_teacher]
    units = means if len(means) > 1 else per_teacher[0]
    if (n := len(units)) == 1:
        return {"mean": means[0], "sd": None, "half": None, "n": 1}
    sd = float(np.std(units, ddof=1))
    from scipy.special import stdtrit  # Student's t; takes half a second to import

    half = float(stdtrit(n - 1, 0.975) * sd / n**0.5)
    return {"mean": float(np.mean(means)), "sd": sd, "half": half, "n": n}


def paired(a: Sequence[Sequence[float]], b: Sequence[Sequence[float]]) -> dict:
    """`interval` of a less b, taken teacher by teacher and student by student."""
    return interval([np.subtract(x, y).tolist() for x, y in zip(a, b, strict=True)])
