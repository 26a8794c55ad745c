"""What a network's inputs are: columns by name, their kinds, classes, how they are standardised.

A schema is learnt from the teacher's table (`encoding`) and travels with every network that is made
from it, so that a new table, in raw units and any order of columns, becomes the same inputs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from . import cells
from .table import DataError, Table, objects, require, show, some

FAR = 1e18  # deviations at the most: a network's activations stay within float32
KINDS = ("number", "flag", "category")
MISSING = ("refuse", "mean", "drop")  # what becomes of missing numbers


@dataclass(frozen=True)
class Column:
    """A column of a table: a number, a flag (1 or 0) or a category, one feature for each value."""

    name: str
    kind: str = "number"
    values: tuple[str, ...] = ()  # of a category

    @property
    def features(self) -> list[str]:
        return [f"{self.name}={v}" for v in self.values] if self.values else [self.name]


@dataclass(frozen=True)
class Encoded:
    """A table as numbers, and what is to be said of it."""

    x: np.ndarray  # (N, D) float64 in the table's units, NaN where a number is missing
    gone: np.ndarray  # (N,) bool: a row with a missing cell
    faults: list[str]
    notes: list[str]


@dataclass(frozen=True, eq=False)
class Schema:
    """What the inputs of a network are, D features of C columns."""

    columns: tuple[Column, ...]
    class_names: tuple[str, ...]  # the label text of class 0, 1, ... as the table spells it
    label: str = ""  # the label column's name
    label_at: int = -1  # its place among the columns that are used
    header: bool = True  # whether the columns had names of their own
    missing: str = "refuse"
    stratified: bool = True  # how rows were split
    mean: np.ndarray = field(default_factory=lambda: np.empty(0))  # (D,) float64, training rows'
    scale: np.ndarray = field(default_factory=lambda: np.empty(0))  # (D,); 1 for a constant one

    @property
    def feature_names(self) -> tuple[str, ...]:
        return tuple(name for column in self.columns for name in column.features)

    def standardise(self, x: np.ndarray) -> np.ndarray:
        """Raw features x (N, D) as inputs (N, D) float32; a missing one is the mean: 0."""
        z = (x - self.mean) / self.scale
        return np.clip(np.where(np.isnan(z), 0, z), -FAR, FAR).astype(np.float32)

    def match(self, table: Table, by_position: bool = False) -> tuple[list[int], int | None]:
        """Where the table has the schema's columns, and the label if it has one. Columns are found
        by name; by position with ``by_position``, and where neither names its columns."""
        names, wanted = table.names, [column.name for column in self.columns]
        have, need = (some(map(show, listed), 20) for listed in (names, wanted))
        label = table.label
        if label is None and table.header and self.label in names:
            label = names.index(self.label)
        if set(wanted) <= set(names) and not by_position and table.header == self.header:
            if label is None and self.label in names:
                label = names.index(self.label)
            return [names.index(name) for name in wanted], label
        rest = [j for j in range(len(names)) if j != label]
        if by_position or not table.header and (not self.header or table.unit == "row"):
            if label is None and len(rest) == len(wanted) + 1:
                label = rest.pop(self.label_at)
            require(len(rest) == len(wanted), f"{table.name}: {len(rest)} columns, "
                    f"{have}; expected {len(wanted)}: {need}")
            return rest, label
        if not table.header:
            raise DataError(f"{table.name} has no header, so its columns cannot be matched by "
                            f"name; expected {need}; add one, or pass --by-position")
        absent = some((show(name) for name in wanted if name not in names), 20)
        raise DataError(f"{table.name} has no column {absent}; its columns are {have}, the model's "
                        f"{need}; rename them, or pass --by-position")

    def encode(self, table: Table, at: Sequence[int], missing: str | None = None) -> Encoded:
        """The columns at these positions as numbers. missing : "refuse", a fault for each column
        with missing numbers; "mean" or "drop", none; None: as the schema has it."""
        missing = missing or self.missing
        require(missing in MISSING, f"missing: {show(missing)} given, expected {some(MISSING)}")
        x, gone = [np.empty((len(table), 0))], np.zeros(len(table), bool)
        faults, notes = [], []
        for column, j in zip(self.columns, at, strict=True):
            if column.kind == "category":
                text = table.text(j)
                gone |= cells.missing(text)
                k = which(text, column.values)
                unseen = k < 0
                if unseen.any():
                    notes.append(f"column {show(column.name)}: {cells.counted(unseen)} of no known "
                                 f"value, {cells.first(table, j, unseen)}; all its features "
                                 "are 0 there")
                x.append((k[:, None] == np.arange(len(column.values))).astype(np.float64))
                continue
            values = cells.numbers(table.columns[j], table.decimal, table.thousands)
            if column.kind == "flag":
                values = cells.as_flags(table.columns[j], values)
            gone |= np.isnan(values)
            faults += cells.faults(table, j, values, missing != "refuse")
            x.append(values[:, None])
        return Encoded(np.concatenate(x, axis=1), gone, faults, notes)

    def classes_of(self, table: Table, j: int) -> tuple[np.ndarray, str]:
        """The classes (N,) of a label column, -1 where there is none, and the fault in that."""
        text, names = table.text(j), list(self.class_names)
        y = which(text, names)
        wrong = y < 0
        if not wrong.any():
            return y, ""
        return y, (f"label column {show(table.names[j])}: {cells.counted(wrong)} no class of the "
                   f"model, {cells.first(table, j, wrong)}; it knows {some(map(show, names), 10)}")

    def to_json(self) -> dict[str, Any]:
        """As JSON values, for a checkpoint's header; with the names of the features."""
        return {"columns": [asdict(column) for column in self.columns],
                "feature_names": self.feature_names, "class_names": self.class_names,
                "label": self.label, "label_at": self.label_at, "header": self.header,
                "missing": self.missing, "stratified": self.stratified,
                "mean": self.mean.tolist(), "scale": self.scale.tolist()}

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> "Schema | None":
        """The schema that `to_json` wrote; None of a network that does not know its inputs. An
        older file has the names of its features, all of them numbers. Errors: `DataError`."""
        if not {"feature_names", "class_names", "mean", "scale"} <= given.keys():
            return None
        try:
            columns = given.get("columns", [{"name": name} for name in given["feature_names"]])
            made = [Column(str(c["name"]), c.get("kind", "number"), tuple(c.get("values", ())))
                    for c in columns]
            unnamed = [f"x{j}" for j in range(len(made) + 1)]
            mean, scale = (np.array(given[key], np.float64) for key in ("mean", "scale"))
            schema = cls(
                tuple(made), tuple(map(str, given["class_names"])), str(given.get("label", "")),
                int(given.get("label_at", -1)),
                bool(given.get("header", not {c.name for c in made} <= set(unnamed))),
                str(given.get("missing", "refuse")), bool(given.get("stratified", False)),
                mean, scale)
            D = len(schema.feature_names)
            require(mean.shape == scale.shape == (D,) and np.isfinite(mean).all()
                    and (scale > 0).all() and schema.missing in MISSING
                    and all(c.kind in KINDS for c in made), f"{D} features do not fit")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError("the checkpoint does not say soundly what its inputs are "
                            f"({error}); make it anew") from error
        return schema


def which(text: np.ndarray, values: Sequence[str]) -> np.ndarray:
    """Which of the values each text (N,) is, -1 for none; where all that are not blank are numbers
    1 and 1.0 are one."""
    known = {value: k for k, value in enumerate(values)}
    filled = ~cells.missing(objects(values))
    by_number = {cells.number(values[k]): k for k in np.flatnonzero(filled).tolist()}
    if np.isnan(list(by_number)).any():
        by_number = {}

    def place(cell):
        if cell in known or not by_number:
            return known.get(cell, -1)
        return by_number.get(cells.number(cell), -1)

    return cells.each(text, place, int)


@dataclass(frozen=True)
class Rows:
    """N rows of a table as numbers."""

    schema: Schema  # of a table that was learnt still without mean and scale
    table: Table  # the rows that are used
    x: np.ndarray  # (N, D) float64 in the table's units, NaN where a number is missing
    y: np.ndarray  # (N,) int, classes; -1 where a table has no labels
    notes: list[str]  # what is to be said of them
