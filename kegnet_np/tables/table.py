"""A table in memory, named columns of cells: from a DataFrame or arrays (`reading`: a file)."""

import os
import reprlib
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

Pathish = str | os.PathLike[str]
_short = reprlib.Repr()  # quotes, escapes and shortens, so that a message stays one line
_short.maxlist = 20
show = _short.repr


class DataError(ValueError):
    """Input that cannot be used; one line that names the cause and the remedy."""


def require(fine: object, message: str) -> None:
    if not fine:
        raise DataError(message)


def some(items: Iterable, most: int = 5) -> str:
    """The first items as text, and how many more there are."""
    items = [str(item) for item in items]
    return ", ".join(items[:most]) + (f" and {len(items) - most} more" if items[most:] else "")


def told(name: str) -> str:
    """A column's name as one writes it on the command line."""
    return shlex.quote(name) if name.isprintable() and len(name) < 40 else "COLUMN"


@dataclass(frozen=True)
class Table:
    """N rows of cells by column; a cell is a number or a text, nothing of it is judged yet."""

    name: str  # what messages call it
    names: list[str]  # of the columns
    columns: list[np.ndarray]  # (N,) each: float64, NaN if missing; or str objects
    rows: np.ndarray  # (N,) int, what messages call a row
    unit: str = "row"  # a "line" of a file
    header: bool = True  # whether the names are its own, or x0, x1, ...
    decimal: str = "."
    thousands: str = ""
    faults: tuple[str, ...] = ()  # of lines that are left out here
    told: str = ""  # how it was read
    label: int | None = None  # the column that is known to hold labels

    def __len__(self) -> int:
        return len(self.rows)

    def at(self, i) -> str:
        """Where a row is, for a message."""
        return f"{self.unit} {self.rows[i]}"

    def index(self, column: str | int, argument: str) -> int:
        """The position of a column given by name or position; a text is first taken for a name."""
        if isinstance(column, str) and column in self.names:
            return self.names.index(column)
        try:
            return range(len(self.names))[int(str(column))]  # -1 becomes the last
        except (ValueError, IndexError):
            if str(column) in self.names:
                return self.names.index(str(column))
            raise DataError(f"{argument}: no column {show(column)} in {self.name}; its columns are "
                            f"{show(self.names)}, give a name or a position such as -1") from None

    def text(self, j: int) -> np.ndarray:
        """The cells of a column as str objects (N,); a missing number is blank, 1.0 is "1"."""
        cells = self.columns[j]
        if cells.dtype == object:
            return cells
        return objects("" if v != v else str(int(v)) if v == v // 1 else repr(v)
                       for v in cells.tolist())

    def take(self, rows: np.ndarray) -> "Table":
        """The table of these rows, (n,) positions or (N,) bool."""
        return replace(self, rows=self.rows[rows], columns=[c[rows] for c in self.columns])


def objects(cells: Iterable[str]) -> np.ndarray:
    """An object array (N,) of texts."""
    cells = list(cells)
    made = np.empty(len(cells), dtype=object)
    made[:] = cells
    return made


def _ndim(value: Any) -> int:
    try:
        return np.ndim(value)
    except ValueError:  # lists of several lengths
        return -1


def _column(values: Any, name: str) -> np.ndarray:
    """A column of a table from a Series or a sequence of anything (N,)."""
    try:
        values = np.asarray(values)
    except ValueError:  # lists of several lengths
        values = np.empty((0, 0))
    require(values.ndim == 1, f"{name}: a column holds lists, expected one value for each row")
    if values.dtype.kind in "iuf":
        return values.astype(np.float64)
    return objects("" if v is None else " ".join(str(v).split()) for v in values.tolist())


def from_python(source: Any, name: str = "table") -> Table:
    """A table from a DataFrame, from columns or one row by name, from rows (N, D) or one row (D,).

    (x, y), a pair of rows and their labels (N,), has the labels as the last column, "label".
    """
    if isinstance(source, tuple) and len(source) == 2 and _ndim(source[0]) == 2:
        x, y = from_python(source[0], name), _column(source[1], name)
        require(y.shape == (len(x),), f"{name}: {len(y)} labels for {len(x)} rows")
        return replace(x, names=[*x.names, "label"], columns=[*x.columns, y], label=len(x.names))
    if hasattr(source, "iloc") and source.ndim == 1:  # a Series is one row
        source = dict(source.items())
    if isinstance(source, Mapping):
        names = list(source)
        columns = [_column([v] if _ndim(v) == 0 else v, name) for v in source.values()]
    elif hasattr(source, "iloc"):
        names = list(source.columns)
        columns = [_column(source.iloc[:, j], name) for j in range(len(names))]
    else:
        try:
            cells = source if hasattr(source, "dtype") else np.array(source, dtype=object)
        except ValueError:
            cells = np.empty(0)
        cells = cells[None] if cells.ndim == 1 and cells.size else cells
        require(cells.ndim == 2, f"{name}: {show(source)} given, expected a path, a DataFrame, "
                "rows (N, D) or one row (D,)")
        names, columns = list(range(cells.shape[1])), [_column(c.tolist(), name) for c in cells.T]
    n = {len(column) for column in columns}
    require(len(n) == 1, f"{name}: columns of {some(sorted(n)) or 'no'} rows, expected one length")
    header = names != list(range(len(names)))  # an array's columns, and its DataFrame's, have none
    names = [" ".join(str(key).split()) if header else f"x{key}" for key in names]
    distinct(name, names)
    return Table(name, names, columns, np.arange(n.pop()), header=header)


def distinct(name: str, names: list[str]) -> None:
    """See that no two columns have the same name."""
    often = max(names, key=names.count, default="")
    require(names.count(often) < 2,
            f"{name}: the header has two columns {show(often)}; rename one")
