"""Read a table, split it by a seed, standardise it: the only place where real data enters.

``digits`` is inside the package; ``pendigits``, ``letter`` and ``shuttle`` are files of the UCI
archive; any other table is a CSV file. All go one way: text -> features x (N, D) and labels (N,)
-> a seeded permutation -> three splits, standardised by the training split.
"""

import csv
import hashlib
import io
import os
import pkgutil
import reprlib
import warnings
import zipfile
import zlib
from collections import namedtuple
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

Pathish = str | os.PathLike[str]
FLOAT32_MAX = float(np.finfo(np.float32).max)  # a float32 would round what it is compared with
SPLITS = ("x_train", "y_train", "x_val", "y_val", "x_test", "y_test")
_short = reprlib.Repr()  # quotes, escapes and shortens, so that a message stays one line
_short.maxlist = 20
_show = _short.repr


class DataError(ValueError):
    """Input that cannot be used; one line that names the cause and the remedy."""


def _require(fine: object, message: str) -> None:
    if not fine:
        raise DataError(message)


ARCHIVE = "https://archive.ics.uci.edu/static/public/"
# address: below ARCHIVE; members: file -> SHA-256 (of a .Z: decoded), a second is the test split
Source = namedtuple("Source", "address members label features")
SOURCES = {
    "pendigits": Source("81/pen+based+recognition+of+handwritten+digits.zip", {
        "pendigits.tra": "e2b9eb9f0d0467e2b64a4816a3420edf2b8043447576f4b84337aba44a9f97d3",
        "pendigits.tes": "8bd03229c5c5291fefe43e45465dd948d2645bf23328b9d993e0b777666b2015",
    }, -1, "x1 y1 x2 y2 x3 y3 x4 y4 x5 y5 x6 y6 x7 y7 x8 y8"),
    "letter": Source("59/letter+recognition.zip", {"letter-recognition.data":
        "2b89f3602cf768d3c8355267d2f13f2417809e101fc2b5ceee10db19a60de6e2",
    }, 0, "x-box y-box width high onpix x-bar y-bar x2bar y2bar xybar x2ybr xy2br x-ege xegvy "
          "y-ege yegvx"),
    "shuttle": Source("148/statlog+shuttle.zip", {
        "shuttle.trn.Z": "87b24ee9fb5137e1d417659cf905d84d0e15342bbaa60770f1ae83da1a38200a",
        "shuttle.tst": "f776934a628d9b94c482cb058a76ddaa63823e0f74aec065813c9dff3b89d661",
    }, -1, "time a1 a2 a3 a4 a5 a6 a7 a8"),
}


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
        return len(self.feature_names)

    @property
    def classes(self) -> int:
        return len(self.class_names)


def load(name: Pathish, *, label: str | int | None = None, seed: int = 2019,
         data_dir: Pathish | None = None) -> Dataset:
    """Load a set by name, or a table by the path of its CSV file; a DataError says what is wrong.

    A CSV file has commas, UTF-8 text, numeric features and one label column. Text outside that
    column makes the first row a header; without one, the columns are called x0, x1, ... Classes
    have numeric order if all labels are numbers (1 and 1.0 are then one), else alphabetical order.

    name : "digits", "pendigits", "letter", "shuttle", or a path that ends in ``.csv``.
    label : for a CSV file only: the label column's name, or its position (0 is the first, -1 the
        last; a number or text). Default: the last column.
    seed : 0 .. 2**32 - 1, of the split 7:1:2; the paper's program has 2019. Where UCI has a test
        file (pendigits, shuttle) that is the test split, and the other is split 7:1, as there.
    data_dir : folder with the UCI files. Default: the environment variable KEGNET_DATA; without
        it the download cache, then the network.
    """
    name = os.fspath(name) if isinstance(name, os.PathLike) else name
    if isinstance(name, str) and name.lower().endswith(".csv"):
        return load_csv(name, label=label, seed=seed)
    _require(name in ("digits", *SOURCES), f"name: no data set {_show(name)}; choose digits, "
             f"{', '.join(SOURCES)} or the path of a .csv file")
    _require(label is None, f"label: {_show(label)} given, but {name} has a known label column; "
             "leave label out, it is for CSV files")
    if name == "digits":  # read without importing the package, also from a zip
        npz = np.load(io.BytesIO(pkgutil.get_data(__name__, "kegnet_np/digits.npz") or b""))
        pixels = [f"r{i}c{j}" for i in range(8) for j in range(8)]
        with warnings.catch_warnings(action="ignore"):  # corners that are always blank: no news
            return _split(name, npz["x"], *_encode(npz["y"].astype(str)), pixels, seed)
    source = SOURCES[name]
    parts = [[line.replace(b",", b" ").split() for line in content.splitlines()]
             for content in _read_files(name, data_dir)]
    table = np.concatenate(parts).astype(str)  # (N, D + 1), text
    x = np.delete(table, source.label, axis=1).astype(np.float64)  # (N, D)
    return _split(name, x, *_encode(table[:, source.label]), source.features.split(), seed,
                  test_rows=sum(map(len, parts[1:])))


def load_csv(path: Pathish, *, label: str | int | None = None, seed: int = 2019) -> Dataset:
    """Load a CSV file by a path that may end in anything; else as `load`."""
    names, at, rows = _read_csv(path, label)
    for line, row in rows:
        _require(len(row) == len(names), f"{path}, line {line}: {len(row)} fields, but the first "
                 f"row has {len(names)}; complete the line, or quote a field with a comma")
        for j, (column, cell) in enumerate(zip(names, row, strict=True)):
            if fault := _fault(cell, is_label=j == at):
                raise DataError(f"{path}, line {line}, column {_show(column)}: {fault}")
    _require(len(rows) >= 10, f"{path}: {len(rows)} row(s) of data, a 7:1:2 split needs at least "
             "10; add rows")  # with 10, one row is in the smallest split
    where = f"{path}: label column {_show(names.pop(at))}"
    y, classes = _encode([row.pop(at) for _, row in rows])
    counts = np.bincount(y)
    _require(len(counts) > 1, f"{where} holds only the class {_show(classes[0])}, expected two or "
             "more; choose another label column, or add rows of another class")
    _require(counts.min() > 2, f"{where} has too few rows to split 7:1:2, {counts.min()} of 3, of "
             f"class {_show(classes[counts.argmin()])}; add rows, drop the class, or choose "
             "another label column")
    x = [[float(cell) for cell in row] for _, row in rows]
    return _split(Path(path).stem, np.array(x), y, classes, names, seed)


def standardise_like(data: Dataset, mean: Sequence[float], scale: Sequence[float]) -> Dataset:
    """The data standardised by another table's mean and scale, (D,) each in the file's units."""
    new_mean, new_scale = np.asarray(mean, np.float32), np.asarray(scale, np.float32)
    if np.array_equal(new_mean, data.mean) and np.array_equal(new_scale, data.scale):
        return data
    raw = {x: getattr(data, x).astype(np.float64) * data.scale + data.mean for x in SPLITS[::2]}
    new = {name: ((x - new_mean) / new_scale).astype(np.float32) for name, x in raw.items()}
    return replace(data, mean=new_mean, scale=new_scale, **new)


def standardise_each_split(data: Dataset) -> Dataset:
    """The data with validation and test rows standardised by their *own* mean and deviation."""
    def own(x: np.ndarray) -> np.ndarray:  # as the official program does; for comparisons only
        mean, scale = x.mean(axis=0, dtype=np.float64), x.std(axis=0, dtype=np.float64)
        constant = np.ptp(x, axis=0) == 0  # its mean and deviation are rounding
        return np.where(constant, 0, (x - mean) / np.where(constant, 1, scale)).astype(np.float32)

    return replace(data, x_val=own(data.x_val), x_test=own(data.x_test))


def checksum(data: Dataset) -> int:
    """A number that changes with any row, label or name of any split: is it the same table?"""
    names = repr((data.feature_names, data.class_names)).encode()
    return zlib.crc32(b"".join([names, *(getattr(data, key).tobytes() for key in SPLITS)]))


def _split(name: str, x: np.ndarray, y: np.ndarray, classes: tuple[str, ...],
           features: Sequence[str], seed: int, test_rows: int = 0) -> Dataset:
    """Split and standardise x (N, D), numbers; the last `test_rows` rows are a given test split."""
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed < 2**32:
        raise DataError(f"seed: {_show(seed)} given, expected a whole number from 0 to 2**32 - 1")
    n = len(y) - test_rows
    order = np.random.RandomState(seed).permutation(n)  # equals numpy.random.seed + shuffle
    # Whole numbers only: int(0.7 * n) would depend on how 0.7 is rounded.
    sizes = [n * 7 // 8, n - n * 7 // 8] if test_rows else [n * 7 // 10, n // 10]
    train, val, test = np.split(np.append(order, np.arange(n, len(y))), np.cumsum(sizes))
    absent = np.setdiff1d(y, y[train])
    if absent.size:
        raise DataError(f"seed: {seed} leaves class {_show(classes[absent[0]])} of {name} with "
                        "no row in the training split; take another split seed, or add rows of it")
    # Constant but for rounding: its deviation is noise, and dividing would magnify that. Measured
    # against the whole column, the bound also keeps every standardised value within float32.
    noise = np.maximum(1e-12 * np.abs(x).max(axis=0), np.finfo(np.float32).tiny)  # (D,)
    constant = np.ptp(x[train], axis=0) <= noise
    mean = np.where(constant, x[train[0]], x[train].mean(axis=0))  # (D,)
    scale = np.where(constant, 1.0, x[train].std(axis=0))  # (D,), ddof 0
    if constant.any():
        warnings.warn(f"{name}: constant in the training split, so centred but not scaled: "
                      f"{_show(np.array(features)[constant].tolist())}", stacklevel=3)
    z = ((x - mean) / scale).astype(np.float32)  # (N, D)
    return Dataset(name, z[train], y[train], z[val], y[val], z[test], y[test],
                   mean.astype(np.float32), scale.astype(np.float32), tuple(features), classes)


def _encode(labels: Sequence[str] | np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Map label texts to y (N,) in 0..K-1 and the K texts, in numeric order if all are numbers."""
    numbers = [_number(text) for text in labels]
    keys = np.array(labels if None in numbers else numbers, dtype=object)
    _, first, y = np.unique(keys, return_index=True, return_inverse=True)
    return y, tuple(str(labels[i]) for i in first)  # as first spelt


def _number(text: str) -> float | None:
    """The number that a cell holds, None if it is text (1_000, a number to Python, is text)."""
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None


def _fault(cell: str, is_label: bool) -> str:
    """What makes a cell unusable, with the remedy; empty if nothing does."""
    value = _number(cell)
    if not cell or (value is not None and not -np.inf < value < np.inf):
        return f"{_show(cell) if cell else 'a blank cell'} is no value; fill it in or drop the row"
    if value is None and not is_label:
        return f"{_show(cell)} is text, expected a number; encode the column as numbers"
    if value and abs(value) > FLOAT32_MAX and not is_label:
        return f"{_show(cell)} is beyond float32, 3.4e38 at most; rescale the column"
    return ""


def _read_csv(path: Pathish, label: str | int | None) -> tuple[list[str], int, list]:
    """Column names, the label's position, the rows of data as (line number, stripped cells)."""
    try:
        with open(os.fspath(path), encoding="utf-8-sig", newline="") as file:  # -sig: skip a BOM
            reader = csv.reader(file, strict=True)
            rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader
                    if len(row) > 1 or "".join(row).strip()]
    except (OSError, TypeError, ValueError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read ({error}); expected comma-separated UTF-8 text, "
                        "check the path, the encoding and the quotes") from None
    _require(rows, f"{path}: the file is empty; expected rows of comma-separated numbers")
    first = rows[0][1]
    _require(len(first) > 1, f"{path}: no feature column, the first row is {_show(first)}; "
             "expected features and a label, separated by commas")
    try:
        at = range(len(first))[-1 if label is None else int(str(label))]  # -1 becomes the last
        has_header = any(cell and _number(cell) is None for cell in first[:at] + first[at + 1:])
    except (ValueError, IndexError):  # no position in this table, so it must be a name
        has_header = label in first
        if not has_header:
            raise DataError(f"label: no column {_show(label)} in {path}; its first row is "
                            f"{_show(first)}, give a name in it or a position such as -1") from None
    at = first.index(str(label)) if has_header and label in first else at  # a name comes first
    names = [name if name and has_header else f"x{j}" for j, name in enumerate(first)]
    name = max(names, key=names.count)
    _require(names.count(name) < 2, f"{path}: the header has two columns {_show(name)}; rename one")
    return names, at, rows[has_header:]


def _read_files(name: str, data_dir: Pathish | None) -> list[bytes]:
    """The decoded members of a set, from the folder given, the download cache or the network."""
    with warnings.catch_warnings(action="ignore"):  # in a notebook tqdm, imported, misses a widget
        import pooch

    source, given = SOURCES[name], data_dir or os.environ.get("KEGNET_DATA")
    folder, url = Path(given or pooch.os_cache("kegnet_np")).expanduser(), ARCHIVE + source.address
    remedy = (f"unpack {url} into a folder, so that it holds {' and '.join(source.members)}, and "
              "name that folder in the environment variable KEGNET_DATA or in data_dir")

    def checked(file: str, content: bytes) -> bytes:
        """The content, of a .Z file decoded, if its SHA-256 is the pinned one; else an error."""
        if file.endswith(".Z"):
            import uncompresspy

            content = uncompresspy.open(io.BytesIO(content), warn_truncation=False).read()
        found, expected = hashlib.sha256(content).hexdigest(), source.members[file]
        _require(found == expected, f"{file} is altered or damaged, its SHA-256 is {found[:12]}... "
                 f"where {expected[:12]}... is expected")
        return content

    try:
        return [checked(file, (folder / file).read_bytes()) for file in source.members]
    except (OSError, ValueError) as error:
        if given:
            raise DataError(f"{name} in {folder}: {error}; {remedy}") from None
    # Not in the cache, or damaged there. A zip packed anew is welcome: its members' hashes decide.
    try:
        pooch.HTTPDownloader()(url, buffer := io.BytesIO(), None)
        with zipfile.ZipFile(buffer) as archive:
            inside = {Path(member).name: member for member in archive.namelist()}
            raw = {file: archive.read(inside.get(file, file)) for file in source.members}
        contents = [checked(file, content) for file, content in raw.items()]
    except (OSError, ValueError, LookupError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        cause = str(error).split("Caused by ")[-1]  # the end of requests' long story
        raise DataError(f"{name} from {url}: no usable download, {cause}; {remedy}") from None
    with suppress(OSError):  # a cache that cannot be written only costs another download
        folder.mkdir(parents=True, exist_ok=True)
        for file, content in raw.items():
            part = folder / f"{file}.{os.getpid()}.part"
            part.write_bytes(content)
            os.replace(part, folder / file)  # atomic: a reader never sees half a file
    return contents
