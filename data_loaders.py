"""Read a table, split it by a seed, standardise it: the only place where real data enters.

``digits`` is inside the package; ``pendigits``, ``letter`` and ``shuttle`` are files of the UCI
archive; any other table is a CSV file. All go one way: text -> features x (N, D) and labels (N,)
-> a seeded permutation -> three splits, standardised by the training split.
"""

import csv
import math
import os
import reprlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

from kegnet_np.uci import SOURCES, DataError, Pathish, read_files

FLOAT32 = np.finfo(np.float32)
_short = reprlib.Repr()  # quotes, escapes and shortens, so that a message stays one line
_short.maxlist = 20
_show = _short.repr


@dataclass(frozen=True)
class Dataset:
    """Three standardised splits: x (N, D) float32, y (N,) int64 with values 0..K-1."""

    name: str
    x_train: np.ndarray
    y_train: np.ndarray
    x_val: np.ndarray
    y_val: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    mean: np.ndarray  # (D,) float32, of the training split, in the units of the file
    scale: np.ndarray  # (D,) float32, its standard deviation; 1 for a constant feature
    feature_names: tuple[str, ...]
    class_names: tuple[str, ...]  # the label text of class 0, 1, ... as the file spells it

    @property
    def features(self) -> int:
        """D, the number of features."""
        return len(self.feature_names)

    @property
    def classes(self) -> int:
        """K, the number of classes."""
        return len(self.class_names)


def load(name: Pathish, *, label: str | int | None = None, seed: int = 2019,
         data_dir: Pathish | None = None) -> Dataset:
    """Load a set by name, or a table by the path of its CSV file.

    Parameters
    ----------
    name : "digits", "pendigits", "letter", "shuttle", or a path that ends in ``.csv``.
    label : the label's column, for a CSV file only; see `load_csv`.
    seed : 0 .. 2**32 - 1, of the split. The paper's program has 2019; keep it to compare results.
    data_dir : folder with the UCI files. Default: the environment variable KEGNET_DATA; without
        it the download cache, then the network.

    Returns
    -------
    Dataset, split 7:1:2. Where UCI has a test file (pendigits, shuttle) that is the test split
    and the other file is split 7:1, as in Yoo et al., NeurIPS 2019.

    Raises
    ------
    DataError : unknown name, bad argument, a UCI file missing or altered, a bad CSV file.
    """
    name = os.fspath(name) if isinstance(name, os.PathLike) else name
    if isinstance(name, str) and name.lower().endswith(".csv"):
        return load_csv(name, label=label, seed=seed)
    if name not in ("digits", *SOURCES):
        raise DataError(f"name: no data set {_show(name)}; choose digits, {', '.join(SOURCES)} "
                        "or the path of a .csv file")
    if label is not None:
        raise DataError(f"label: {_show(label)} given, but {name} has a known label column; leave "
                        "label out, it is for CSV files")
    if name == "digits":
        with (resources.files("kegnet_np") / "digits.npz").open("rb") as file:
            npz = np.load(file)
            x, classes = npz["x"].astype(np.float64), _encode(npz["y"].astype(str).tolist())
        pixels = [f"r{i}c{j}" for i in range(8) for j in range(8)]
        with warnings.catch_warnings(action="ignore"):  # corners that are always blank: no news
            return _dataset(name, x, *classes, pixels, seed)
    source = SOURCES[name]
    parts = [[line.replace(b",", b" ").split() for line in content.splitlines()]
             for content in read_files(name, data_dir)]
    table = np.concatenate(parts).astype(str)  # (N, D + 1), text
    x = np.delete(table, source.label, axis=1).astype(np.float64)  # (N, D)
    return _dataset(name, x, *_encode(table[:, source.label].tolist()), source.features.split(),
                    seed, test_rows=sum(map(len, parts[1:])))


def standardise_like(data: Dataset, mean: Sequence[float], scale: Sequence[float]) -> Dataset:
    """The data standardised by another table's mean and scale, (D,) each in the file's units."""
    new_mean, new_scale = np.asarray(mean, np.float32), np.asarray(scale, np.float32)
    if np.array_equal(new_mean, data.mean) and np.array_equal(new_scale, data.scale):
        return data

    def like(x: np.ndarray) -> np.ndarray:
        raw = x.astype(np.float64) * data.scale + data.mean
        return ((raw - new_mean) / new_scale).astype(np.float32)

    return replace(
        data, mean=new_mean, scale=new_scale,
        x_train=like(data.x_train), x_val=like(data.x_val), x_test=like(data.x_test),
    )  # fmt: skip


def checksum(data: Dataset) -> int:
    """A number that changes with any row, label or name of any split: is it the same table?"""
    found = crc32(repr((data.feature_names, data.class_names)).encode())
    for key in ("x_train", "y_train", "x_val", "y_val", "x_test", "y_test"):
        found = crc32(np.ascontiguousarray(getattr(data, key)).tobytes(), found)
    return found


def standardise_each_split(data: Dataset) -> Dataset:
    """The data with validation and test rows standardised by their *own* mean and deviation.

    The official program does so; it looks at the test rows together, which a deployed network
    cannot do. For comparisons with it only.
    """
    def own(x: np.ndarray) -> np.ndarray:
        mean, scale = x.mean(axis=0, dtype=np.float64), x.std(axis=0, dtype=np.float64)
        constant = np.ptp(x, axis=0) == 0  # its mean and deviation are rounding
        mean, scale = np.where(constant, x[0], mean), np.where(constant, 1, scale)
        return ((x - mean) / scale).astype(np.float32)

    return replace(data, x_val=own(data.x_val), x_test=own(data.x_test))


def load_csv(path: Pathish, *, label: str | int | None = None, seed: int = 2019) -> Dataset:
    """Load a person's own table: comma-separated UTF-8, numeric features, one label column.

    Parameters
    ----------
    path : the file. A first row with text outside the label column is a header; without one,
        the columns are called x0, x1, ... by their position.
    label : the label column's name, or its position (0 is the first, -1 the last; a number or
        text). Default: the last column.
    seed : of the 7:1:2 split, see `load`.

    Returns
    -------
    Dataset. Labels may be any text; classes are in numeric order if all labels are numbers
    (1 and 1.0 are then one class), else in alphabetical order.

    Raises
    ------
    DataError : the file cannot be read, a cell cannot be used, or the rows do not make a split.
    """
    rows = _csv_rows(path)
    names, has_header, at = _columns(path, rows[0][1], label)
    x, labels = [], []
    for line, row in rows[has_header:]:
        if len(row) != len(names):
            raise DataError(f"{path}, line {line}: {len(row)} fields, but the first row has "
                            f"{len(names)}; complete the line, or quote a field with a comma")
        values = [_number(cell) for cell in row]
        for j, (cell, value) in enumerate(zip(row, values, strict=True)):
            if fault := _fault(cell, value, is_label=j == at):
                raise DataError(f"{path}, line {line}, column {_show(names[j])}: {fault}")
        x.append(values[:at] + values[at + 1:])
        labels.append(row[at])
    if len(labels) < 10:  # with 10, 7:1:2 leaves one row in the smallest split
        raise DataError(f"{path}: {len(labels)} row(s) of data, a 7:1:2 split needs at least 10; "
                        "add rows")
    y, class_names = _encode(labels)
    where, counts = f"{path}: label column {_show(names[at])}", np.bincount(y)
    if len(counts) < 2:
        raise DataError(f"{where} holds only the class {_show(labels[0])}, expected two or more; "
                        "choose another label column, or add rows of another class")
    if counts.min() < 3:
        raise DataError(f"{where} has too few rows to split 7:1:2, {counts.min()} of 3, of class "
                        f"{_show(class_names[counts.argmin()])}; add rows, drop the class, or "
                        "choose another label column")
    features = names[:at] + names[at + 1:]
    return _dataset(Path(path).stem, np.array(x, np.float64), y, class_names, features, seed)


def _dataset(name: str, x: np.ndarray, y: np.ndarray, class_names: tuple[str, ...],
             features: Sequence[str], seed: int, test_rows: int = 0) -> Dataset:
    """Split and standardise x (N, D) float64; the last `test_rows` rows are a given test split."""
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed < 2**32:
        raise DataError(f"seed: {_show(seed)} given, expected a whole number from 0 to 2**32 - 1")
    n = len(y) - test_rows
    order = np.random.RandomState(seed).permutation(n)  # equals numpy.random.seed + shuffle
    # Whole numbers only: int(0.7 * n) would depend on how 0.7 is rounded.
    sizes = [n * 7 // 8, n - n * 7 // 8] if test_rows else [n * 7 // 10, n // 10]
    train, val, test = np.split(np.append(order, np.arange(n, len(y))), np.cumsum(sizes))
    absent = np.setdiff1d(y, y[train])
    if absent.size:
        raise DataError(f"seed: {seed} leaves class {_show(class_names[absent[0]])} of {name} with "
                        "no row in the training split; take another split seed, or add rows of it")
    mean, scale = x[train].mean(axis=0), x[train].std(axis=0)  # (D,), ddof 0
    # Constant but for rounding: its deviation is noise, and dividing would magnify that. Measured
    # against the whole column, the bound also keeps every standardised value within float32.
    noise = np.maximum(1e-12 * np.abs(x).max(axis=0), FLOAT32.tiny)  # (D,)
    constant = np.ptp(x[train], axis=0) <= noise
    mean, scale = np.where(constant, x[train[0]], mean), np.where(constant, 1.0, scale)
    if constant.any():
        warnings.warn(f"{name}: constant in the training split, so centred but not scaled: "
                      f"{_show(np.array(features)[constant].tolist())}", stacklevel=3)
    z = ((x - mean) / scale).astype(np.float32)  # (N, D)
    return Dataset(name, z[train], y[train], z[val], y[val], z[test], y[test],
                   mean.astype(np.float32), scale.astype(np.float32), tuple(features), class_names)


def _encode(labels: Sequence[str]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Map label texts to y (N,) in 0..K-1 and the K texts, in numeric order if all are numbers."""
    keys: Sequence[Any] = [_number(text) for text in labels]
    keys = labels if None in keys else keys
    text_of = dict(zip(reversed(keys), reversed(labels), strict=True))  # the first spelling stays
    class_of = {key: k for k, key in enumerate(sorted(text_of))}
    return np.array([class_of[key] for key in keys]), tuple(text_of[key] for key in class_of)


def _number(text: str) -> float | None:
    """The number that a cell holds, None if it is text (1_000, a number to Python, is text)."""
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None


def _fault(cell: str, value: float | None, is_label: bool) -> str:
    """What makes a cell unusable, with the remedy; empty if nothing does."""
    if not cell or (value is not None and not math.isfinite(value)):
        return f"{_show(cell) if cell else 'a blank cell'} is no value; fill it in or drop the row"
    if is_label:
        return ""
    if value is None:
        return f"{_show(cell)} is text, expected a number; encode the column as numbers"
    if abs(value) > float(FLOAT32.max):  # as float32 it would round the value first
        return f"{_show(cell)} is beyond float32, 3.4e38 at most; rescale the column"
    return ""


def _csv_rows(path: Pathish) -> list[tuple[int, list[str]]]:
    """The rows of a CSV file that are not empty, as (line number, stripped cells)."""
    try:
        with open(os.fspath(path), encoding="utf-8-sig", newline="") as file:  # -sig: skip a BOM
            reader = csv.reader(file, strict=True)
            rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader
                    if len(row) > 1 or "".join(row).strip()]
    except (OSError, TypeError, ValueError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read ({error}); expected comma-separated UTF-8 text, "
                        "check the path, the encoding and the quotes") from None
    if not rows:
        raise DataError(f"{path}: the file is empty; expected rows of comma-separated numbers")
    return rows


def _columns(path: Pathish, first: list[str], label: str | int | None
             ) -> tuple[list[str], bool, int]:
    """Column names, whether the `first` row is a header, and the label's position."""
    if len(first) < 2:
        raise DataError(f"{path}: no feature column, the first row is {_show(first)}; expected "
                        "features and a label, separated by commas")
    try:
        at = range(len(first))[-1 if label is None else int(str(label))]  # -1 becomes the last
        has_header = any(cell and _number(cell) is None for cell in first[:at] + first[at + 1:])
    except (ValueError, IndexError):  # no position in this table, so it must be a name
        has_header = label in first
        if not has_header:
            raise DataError(f"label: no column {_show(label)} in {path}; its first row is "
                            f"{_show(first)}, give a name in it or a position such as -1") from None
    if not has_header:
        return [f"x{j}" for j in range(len(first))], False, at
    names = [name or f"x{j}" for j, name in enumerate(first)]
    twice = [name for j, name in enumerate(names) if name in names[:j]]
    if twice:
        raise DataError(f"{path}: the header has two columns {_show(twice[0])}; rename one")
    return names, True, first.index(str(label)) if label in first else at  # a name comes first
