"""What every program's file can hold of a classifier: float32 numbers, and names as text."""

from collections.abc import Sequence

import numpy as np

from ..tables.schema import Column, Schema
from .files import FormatError

FLOAT32 = np.finfo(np.float32)
LONGEST = 1000  # characters of a class's name: a string of C99 need hold no more than 4,095 bytes


def of_numbers(features: int, classes: int, mean=None, scale=None, class_names: Sequence = ()
               ) -> Schema:
    """A schema of D columns of numbers without names.

    Parameters
    ----------
    features, classes : D and K.
    mean, scale : (D,), what is subtracted from a raw row, and what it is then divided by; finite,
        scale positive. Left out, 0 and 1.
    class_names : K different texts; left out, "0", "1", ...
    """
    units = []
    for name, given, value in (("mean", mean, 0.0), ("scale", scale, 1.0)):
        a = np.full(features, value) if given is None else sound(name, given)
        if a.shape != (features,):
            raise FormatError(f"{name} has shape {a.shape}, expected ({features},), a number for "
                              "each feature")
        units.append(a.astype(np.float64))
    if not (units[1] >= FLOAT32.tiny).all():
        raise FormatError(f"scale holds {units[1].min():g}, expected positive numbers of at least "
                          "1.2e-38; give a constant feature the scale 1")
    names = tuple(class_names) or tuple(map(str, range(classes)))
    _check_names(names, classes)
    columns = tuple(Column(f"x{i}") for i in range(features))
    return Schema(columns, names, header=False, mean=units[0], scale=units[1])


def require_float32(name: str, a: np.ndarray) -> None:
    """Raise unless every number is finite and within float32: other programs have no more."""
    if not (np.abs(a) <= FLOAT32.max).all():
        raise FormatError(f"{name} holds numbers that are not finite, or beyond float32, 3.4e38; "
                          "train or rescale it anew")


def sound(name: str, given) -> np.ndarray:
    """Numbers as float32 or float64, finite and within float32."""
    a = np.asarray(given)
    if a.dtype.kind not in "iuf":
        raise FormatError(f"{name} is {a.dtype}, expected numbers")
    a = a.astype(np.result_type(a, np.float32), copy=False)
    require_float32(name, a)
    return a.astype(np.float64 if a.dtype != np.float32 else a.dtype, copy=False)


def _check_names(names: tuple, classes: int) -> None:
    if len(names) != classes or len(set(names)) != classes:
        raise FormatError(f"class_names has {len(set(names))} different names, expected {classes}, "
                          "one for each class")
    for name in names:
        fine = isinstance(name, str) and 0 < len(name) <= LONGEST and "\0" not in name
        if not fine or any(0xD800 <= ord(sign) < 0xE000 for sign in name):
            raise FormatError(f"class_names holds {str(name)[:40]!r}, expected text of 1 to "
                              f"{LONGEST:,} characters, without NUL and lone surrogates")
