"""The cells of a column: which are numbers, which are missing, and what is wrong with the rest."""

import re
from contextlib import suppress

import numpy as np

from .table import Table, show, told

FLOAT32_MAX = float(np.finfo(np.float32).max)  # a float32 would round what it is compared with
MISSING = {"", "?", "na", "n/a", "#n/a", "#na", "<na>", "nan", "-nan", "nat"}
MISSING_NUMBER = MISSING | {"none", "null", "nil", "-", "."}  # in a text column they are words
FLAGS = {"true": 1.0, "false": 0.0}
# Numbers as people write them: 1,070 and 1.070,5 and '7' and $7 and 45%.
_LIKE = re.compile(r"['\"]?[-+]?[$€£]?[-+]?\d[\d.,'_\s]*%?['\"]?")
_COMMA = re.compile(r"[-+]?\d*(\.\d{3})*,\d+([eE][-+]?\d+)?")


def missing(cells: np.ndarray, values: np.ndarray | None = None) -> np.ndarray:
    """Which cells (N,) are missing, (N,) bool: of texts, or of a column with these numbers."""
    if cells.dtype != object:
        return np.isnan(cells)
    if values is None:
        return each(cells, lambda cell: cell.casefold() in MISSING, bool)
    gone = np.isnan(values)
    gone[gone] = each(cells[gone], lambda cell: cell.casefold() in MISSING_NUMBER, bool)
    return gone


def numbers(cells: np.ndarray, decimal: str = ".", thousands: str = "") -> np.ndarray:
    """The numbers that cells hold, (N,) float64; NaN for a missing one and for a text."""
    if cells.dtype != object:
        return cells
    if decimal == "," and all("." in c and "," not in c for c in cells.tolist() if c):
        decimal = "."  # a column of another hand than its neighbours
    if decimal == "." and not thousands:
        with suppress(ValueError):
            values = cells.astype(np.float64)
            if not any("_" in cell for cell in cells.tolist()):
                return values
    return each(cells, lambda cell: number(cell, decimal, thousands), float)


def number(cell: str, decimal: str = ".", thousands: str = "") -> float:
    """The number that a text holds, NaN if it holds none (1_000, one to Python, is text)."""
    if thousands:
        cell = "".join(cell.split()) if thousands == " " else cell.replace(thousands, "")
    if decimal != ".":
        cell = "" if "." in cell else cell.replace(decimal, ".")
    try:
        return np.nan if "_" in cell else float(cell)
    except ValueError:
        return np.nan


def has_decimal_commas(columns: list[np.ndarray]) -> bool:
    """Whether some texts are numbers if a comma is the decimal sign, and none has a point."""
    cells = {cell for column in columns for cell in column.tolist()}
    if any("." in cell and not np.isnan(number(cell)) for cell in cells):
        return False
    return any("." not in cell and _COMMA.fullmatch(cell) for cell in cells)


def kind(cells: np.ndarray, values: np.ndarray) -> str:
    """What a column (N,) is, by the numbers that it holds: "flag" (True and False, 1 and 0),
    "number", "category", or "empty"."""
    filled = ~missing(cells, values)
    if not filled.any():
        return "empty" if missing(cells).all() else "category"
    cells, values = cells[filled], values[filled]
    if np.isin(as_flags(cells, values), (0, 1)).all():
        return "flag"
    text = np.isnan(values)
    text[text] = each(cells[text], lambda cell: not _LIKE.fullmatch(cell), bool)
    return "category" if 2 * text.sum() > len(text) else "number"


def as_flags(cells: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The values (N,) with 1 and 0 for the words true and false."""
    text, values = np.isnan(values) & (cells.dtype == object), values.copy()
    values[text] = each(cells[text], lambda cell: FLAGS.get(cell.casefold(), np.nan), float)
    return values


def each(cells: np.ndarray, function, dtype) -> np.ndarray:
    """What a function makes of the cells (N,), asked once for each different one."""
    known = {cell: function(cell) for cell in set(cells.tolist())}
    return np.array([known[cell] for cell in cells.tolist()], dtype)


def faults(table: Table, j: int, values: np.ndarray, allowed: bool) -> list[str]:
    """What is wrong with the numbers (N,) of a column, counted, each with its remedy.

    allowed : whether a cell may be missing.
    """
    cells, name = table.columns[j], show(table.names[j])
    gone = missing(cells, values)
    wrong = [(np.isnan(values) & ~gone, "text", "")]
    wrong += [(np.isinf(values), "no finite number", "correct them, or drop the rows"),
              (np.isfinite(values) & (abs(values) > FLOAT32_MAX), "beyond float32, 3.4e38 at most",
               "rescale the column")]
    if not allowed:
        wrong.append((gone, "missing", "fill them in, or pass --missing mean or drop"))
    found = []
    for where, what, remedy in wrong:
        if where.any():
            remedy = remedy or _remedy(str(table.text(j)[where.argmax()]), table.names[j])
            found.append(f"column {name}: {counted(where)} {what}, {first(table, j, where)}; "
                         f"{remedy}")
    return found


def counted(where: np.ndarray) -> str:
    """How many cells of a column (N,) bool are so: "3 of 90 cells are"."""
    n = int(where.sum())
    return f"{n} of {len(where)} cells {'is' if n == 1 else 'are'}"


def first(table: Table, j: int, where: np.ndarray) -> str:
    """The first of these cells of a column, (N,) bool: "'red' in line 6"."""
    i = int(where.argmax())
    return f"{show(str(table.text(j)[i])) if table.text(j)[i] else 'blank'} in {table.at(i)}"


def _remedy(cell: str, name: str) -> str:
    """What to do about a text where numbers are."""
    if _COMMA.fullmatch(cell) or re.fullmatch(r"[-+]?\d{1,3}(,\d{3})+(\.\d*)?", cell):
        if "." in cell and cell.rindex(",") > cell.rindex("."):
            return "thousands separators and decimal commas: pass --thousands . --decimal ,"
        return "thousands separators or decimal commas: pass --thousands , or --decimal ,"
    if re.fullmatch(r"'.*'", cell):
        return "remove the single quotes"
    return f"expected numbers; correct them, encode the column as numbers, or --drop {told(name)}"
