"""What is to be said of a table that is sound: a line of what was read, and what looks odd."""

from collections import Counter
from collections.abc import Iterator

import numpy as np

from . import cells
from .schema import Rows, Schema
from .table import Table, show, some

FAR = 1e4  # deviations from the other values: a number that stands for something else, perhaps
FEW = 10  # rows of a class: with fewer it has not even its tenth to validate


def summary(rows: Rows, n: int) -> str:
    """One line of what was read of a table of n rows: rows, features by kind, classes, counts."""
    table, schema, y = rows.table, rows.schema, rows.y
    kinds = Counter(column.kind for column in schema.columns)
    plural = {"number": "numbers", "flag": "flags", "category": "categories"}
    told = [f"{k} {kind if k == 1 else plural[kind]}" for kind in plural if (k := kinds[kind])]
    if values := sum(len(column.values) for column in schema.columns):
        told[-1] += f" of {values} value{'s' * (values > 1)}"
    counts = np.bincount(y, minlength=len(schema.class_names))
    classes = [f"{name} {k:,}" for name, k in zip(schema.class_names, counts, strict=True)]
    left_out = f" ({n - len(y):,} left out)" if n > len(y) else ""
    read = f", {table.told}" if table.told else ""
    return (f"{table.name}: {len(y):,} rows{left_out}{read}; features: {', '.join(told)}; "
            f"classes: {some(classes, 12)}")


def of_classes(names: tuple[str, ...], y: np.ndarray) -> Iterator[str]:
    """Classes that may be one; classes of few rows."""
    if not np.isfinite([cells.number(name) for name in names]).all():
        alike: dict[str, list[str]] = {}
        for name in names:
            alike.setdefault(name.casefold().strip(" ."), []).append(name)
        pairs = [" and ".join(map(show, group)) for group in alike.values() if len(group) > 1]
        if pairs:
            yield f"classes {some(pairs)} differ by case or a full stop alone; are they one?"
    counts = np.bincount(y, minlength=len(names))
    if few := [f"{show(names[k])} has {counts[k]}" for k in np.flatnonzero(counts < FEW)]:
        yield f"class {some(few)} rows, so few that validation and test scores say little of it"


def of_splits(table: Table, schema: Schema, x: np.ndarray, parts: list[np.ndarray]
              ) -> Iterator[str]:
    """Test rows that were trained on, and values far from all others of the training rows.

    x : (N, D) in the table's units. parts : positions of training, validation and test rows.
    """
    seen = {row.tobytes() for row in x[parts[0]]}
    twice = sum(row.tobytes() in seen for row in x[parts[2]])
    if twice:
        yield (f"{twice:,} of {len(parts[2]):,} test rows stand in the training rows too, so their "
               "scores flatter")
    for name, v in _numbers(schema, x):
        t = v[parts[0]]
        rest = t[(t > np.nanmin(t)) & (t < np.nanmax(t))]  # without the extremes it is fair
        if len(rest) > 2 and rest.std() > 1e-12 * np.abs(rest).max():
            yield from _far(table, name, v, rest.mean(), rest.std(), "the rest")


def of_new_rows(table: Table, schema: Schema, x: np.ndarray) -> Iterator[str]:
    """Values far from all that a network was taught."""
    taught = np.stack([schema.mean, schema.scale])  # (2, D)
    for (name, v), (_, own) in zip(_numbers(schema, x), _numbers(schema, taught), strict=True):
        yield from _far(table, name, v, own[0], own[1], "what the model was taught")


def _numbers(schema: Schema, x: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """The columns of numbers in x (N, D): their names and values (N,)."""
    at = 0
    for column in schema.columns:
        if column.kind == "number":
            yield column.name, x[:, at]
        at += len(column.features)


def _far(table: Table, name: str, v: np.ndarray, centre, spread, of: str
         ) -> Iterator[str]:
    far = np.abs(v - centre) > FAR * spread  # False for NaN
    if far.any():
        i = int(far.argmax())
        yield (f"column {show(name)}: {cells.counted(far)} beyond {FAR:,.0f} deviations of {of}, "
               f"{v[i]:g} in {table.at(i)}; if that stands for a missing value, leave it blank and "
               "pass --missing mean")
