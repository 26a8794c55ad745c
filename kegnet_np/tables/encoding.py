"""A table as numbers: by what it teaches of itself (`learn`), or by a known schema (`apply`)."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from . import cells
from .notes import of_classes, of_new_rows
from .schema import MISSING, Column, Rows, Schema
from .table import DataError, Table, require, show, some, told

LEAST = 10  # rows: with fewer a split 7:1:2 would have none in the smallest part
SHOWN = 8  # faults of a message
MANY = 200  # values of a category, at the most; each stands in two rows or more on average


def learn(table: Table, label: str | int | None = None, *, drop: Sequence[str | int] = (),
          missing: str = "refuse", categories: Sequence[str | int] = ()) -> Rows:
    """Label, kinds of columns and classes of a table; DataError counts all that is wrong with it.

    label : name or position of the label column; default: the last that is not dropped.
    drop : columns to leave out. categories : columns whose numbers are names.
    missing : "refuse" missing numbers; "mean": the training rows' mean stands for them; "drop" rows
    with any missing cell.
    """
    require(missing in MISSING, f"missing: {show(missing)} given, expected {some(MISSING)}")
    out, named = _listed(table, drop, "drop"), _listed(table, categories, "categories")
    kinds = [cells.kind(c, cells.numbers(c, table.decimal, table.thousands))
             for c in table.columns]
    used = [j for j in range(len(kinds)) if j not in out and kinds[j] != "empty"]
    at = used[-1] if used else len(kinds) - 1
    if label is not None:
        at = table.index(label, "label")
    elif table.label is not None:
        at = table.label
    require(at not in out, f"label: column {show(table.names[at])} is dropped; name another")
    wrong = [table.names[j] for j in sorted(named & {at, *out})]
    require(not wrong, f"categories: column {some(map(show, wrong))} is the label, or dropped; "
            "expected features")
    features = [j for j in used if j != at]
    require(len(table) >= LEAST or table.faults, f"{table.name}: {len(table)} row(s) of data, a "
            f"7:1:2 split needs at least {LEAST}; add rows")
    require(features, f"{table.name}: no feature column is left; expected features and a label")
    notes = [f"column {show(table.names[j])} is empty in every row and left out"
             for j, kind in enumerate(kinds) if kind == "empty" and j not in (at, *out)]
    notes += [f"column {show(table.names[j])} numbers the rows, so it is hardly a feature; leave "
              f"it out with --drop {told(table.names[j])}"
              for j in features if numbers_rows(table, j)]
    columns, faults = _columns(table, features, kinds, named)
    schema = Schema(tuple(columns.values()), (), table.names[at], sum(j < at for j in features),
                    table.header, missing)
    made = schema.encode(table, list(columns))
    blank = cells.missing(table.text(at))
    if blank.any() and missing != "drop":
        faults.insert(0, f"label column {show(table.names[at])}: {cells.counted(blank)} missing, "
                      f"{cells.first(table, at, blank)}; fill them in, drop the rows, or pass "
                      "--missing drop")
    keep = ~(made.gone | blank) if missing == "drop" else ~blank
    y, names = classes(table.text(at)[keep])
    if fault := _class_fault(table, at, y, names):
        faults.insert(0, fault + _hint(table, at, y, names, features, kinds, label is None))
    _refuse(table, [*table.faults, *faults, *made.faults])
    require(keep.sum() >= LEAST, f"{table.name}: {keep.sum()} row(s) of data without a missing "
            f"cell, a 7:1:2 split needs at least {LEAST}; pass --missing mean, or add rows")
    return Rows(replace(schema, class_names=names), table.take(keep), made.x[keep], y,
                [*notes, *made.notes, *of_classes(names, y)])


def _listed(table: Table, given: str | Sequence[str | int], argument: str) -> set[int]:
    """The positions of columns that an argument lists; a text is one of them."""
    listed = [given] if isinstance(given, str) else given
    return {table.index(column, argument) for column in listed}


def _columns(table: Table, features: list[int], kinds: list[str], named: set[int]
             ) -> tuple[dict[int, Column], list[str]]:
    """The feature columns by position, and the faults of those that are none. named : columns that
    are categories whatever they hold."""
    columns, faults = {}, []
    for j in features:
        kind, name = "category" if j in named else kinds[j], table.names[j]
        values = _values(table.text(j)) if kind == "category" else ()
        if len(values) <= min(MANY, len(table) // 2):
            columns[j] = Column(name, kind, values)
            continue
        many = f"{len(values)} different ones in {len(table)} rows, such as {show(values[-1])}"
        faults.append(
            f"column {show(name)} is given as categories, but has {many}; take it as numbers"
            if kinds[j] != "category" else f"column {show(name)} is text, {many}, and no category; "
            f"encode it as numbers, or --drop {told(name)}")
    return columns, faults


def _values(text: np.ndarray) -> tuple[str, ...]:
    """The values of a category, of its cells (N,): blanks first, then numbers in their order where
    all the others are numbers (1, 1.0 and 01 are one, as first spelt); else in the alphabet's."""
    blank = cells.missing(text)
    if np.isnan(cells.numbers(text[~blank])).any():
        return tuple(sorted(set(text.tolist())))
    return *sorted(set(text[blank].tolist())), *classes(text[~blank])[1]


def classes(labels: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Label texts (N,) as y (N,) in 0..K-1, and the K texts: in numeric order if all are numbers
    (1 and 1.0 are one class, as first spelt), else in alphabetical order."""
    numbers = cells.numbers(labels)
    keys = labels if np.isnan(numbers).any() else numbers
    _, first, y = np.unique(keys, return_index=True, return_inverse=True)
    return y, tuple(str(labels[i]) for i in first)


def _class_fault(table: Table, at: int, y: np.ndarray, names: tuple[str, ...]) -> str:
    """What is wrong with the classes of a label column."""
    counts, where = np.bincount(y), f"label column {show(table.names[at])}"
    if len(counts) == 1:
        return (f"{where} holds only the class {show(names[0])}, expected two or more; choose "
                "another label column, or add rows of another class")
    few = np.flatnonzero(counts < 3)
    if len(few):
        more = f" and {len(few) - 1} more" if len(few) > 1 else ""
        return (f"{where} has too few rows to split 7:1:2, {counts[few[0]]} of 3, of class "
                f"{show(names[few[0]])}{more}; add rows, drop the class, or choose another label "
                "column")
    return ""


def _hint(table: Table, at: int, y: np.ndarray, names: tuple[str, ...], features: list[int],
          kinds: list[str], guessed: bool) -> str:
    """What may be behind a fault of the classes."""
    hint, texts = "", [j for j in features if kinds[j] == "category"]
    if guessed and len(texts) == 1 and kinds[at] != "category":
        name = table.names[texts[0]]
        hint += f"; only {show(name)} holds text: is it the label? pass --label {told(name)}"
    if numbers_rows(table, at):
        hint += f"; {show(table.names[at])} numbers the rows: --drop {told(table.names[at])}"
    if not table.header and len(y) and np.bincount(y)[y[0]] == 1:
        hint += (f"; {show(names[y[0]])} is in the first line: is that a header? pass --header")
    return hint


def numbers_rows(table: Table, j: int) -> bool:
    """Whether a column counts: 0, 1, 2, ... from any number on."""
    values = cells.numbers(table.columns[j], table.decimal, table.thousands)
    return len(values) >= LEAST and bool((np.diff(values) == 1).all())


def _refuse(table: Table, faults: list[str]) -> None:
    """One error for all faults."""
    if faults:
        raise DataError(f"{table.name}: {'; '.join(faults[:SHOWN])}" + (
            f"; and {len(faults) - SHOWN} more faults" if faults[SHOWN:] else ""))


def apply(table: Table, schema: Schema, *, label: str | int | None = None, labelled: bool = False,
          drop: Sequence[str | int] = (), missing: str | None = None, by_position: bool = False
          ) -> Rows:
    """The rows of a table as inputs of a network that knows its schema: columns are found by name,
    or with ``by_position`` in their order.

    label : the label column, if not the schema's. labelled : whether there must be one.
    drop, missing : as in `learn`; default of missing: as the schema has it.
    """
    out = _listed(table, drop, "drop")
    if label is not None:
        table = replace(table, label=table.index(label, "label"))
    at, label_at = schema.match(table, by_position)
    made = schema.encode(table, at, missing)
    faults, y = [*table.faults, *made.faults], np.full(len(table), -1)
    require(len(table) or faults, f"{table.name}: no row of data; add rows")
    keep = ~made.gone if (missing or schema.missing) == "drop" else np.ones(len(table), bool)
    if labelled and label_at is None:
        raise DataError(f"{table.name}: no label column {show(schema.label)}; its columns are "
                        f"{some(map(show, table.names), 20)}; name it with --label")
    if labelled and label_at is not None:
        y, fault = schema.classes_of(table, label_at)
        faults += [fault] if fault else []
    _refuse(table, faults)
    unused = [table.names[j] for j in range(len(table.names)) if j not in (*at, *out, label_at)
              and not cells.missing(table.columns[j]).all()]
    notes = [f"column {some(map(show, unused))} is not used: the model was taught without "
             f"{'it' if len(unused) == 1 else 'them'}"] if unused else []
    require(keep.any(), f"{table.name}: every row misses a cell; pass --missing mean")
    table, x = table.take(keep), made.x[keep]
    return Rows(schema, table, x, y[keep], [*notes, *made.notes, *of_new_rows(table, schema, x)])
