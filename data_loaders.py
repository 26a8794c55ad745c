"""Read a table, split it by a seed, standardise it: the only place where real data enters.

``digits`` is inside the package; ``pendigits``, ``letter`` and ``shuttle`` are files of the UCI
archive; any other table is a file of your own, a DataFrame or arrays, which `kegnet_np.tables`
reads. All go one way: text -> features x (N, D) and labels (N,) -> three splits by a seed,
standardised by the training split.
"""

import hashlib
import io
import os
import pkgutil
import warnings
import zipfile
import zlib
from collections import namedtuple
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from kegnet_np.tables import encoding, notes, splits
from kegnet_np.tables.reading import table_of
from kegnet_np.tables.schema import Column, Schema
from kegnet_np.tables.table import DataError, Pathish, Table, require, show

NAMES = ("digits", "pendigits", "letter", "shuttle")
SPLITS = ("x_train", "y_train", "x_val", "y_val", "x_test", "y_test")

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
    schema: Schema  # columns, classes, and the exact mean and scale
    told: str = ""  # of a table of one's own: a line of what was read

    @property
    def mean(self) -> np.ndarray:
        """(D,) float32, of the training split, in the units of the file."""
        return self.schema.mean.astype(np.float32)

    @property
    def scale(self) -> np.ndarray:
        """(D,) float32, its standard deviation; 1 for a constant feature."""
        return self.schema.scale.astype(np.float32)

    @property
    def feature_names(self) -> tuple[str, ...]:
        return self.schema.feature_names

    @property
    def class_names(self) -> tuple[str, ...]:
        """The label text of class 0, 1, ... as the file spells it."""
        return self.schema.class_names

    @property
    def features(self) -> int:
        return len(self.feature_names)

    @property
    def classes(self) -> int:
        return len(self.class_names)


def load(source: Any, *, label: str | int | None = None, seed: int = 2019,
         data_dir: Pathish | None = None, drop: Sequence[str | int] = (),
         categories: Sequence[str | int] = (), missing: str = "refuse", **how: Any) -> Dataset:
    """Load a set by name, or a table of your own; a DataError says what is wrong with it.

    source : "digits", "pendigits", "letter" or "shuttle"; or the path of a file; or a DataFrame; or
        rows (N, D) that hold the labels too, as arrays or lists; or a pair, rows and labels (N,).
    seed : 0 .. 2**32 - 1, of the split 7:1:2; the paper's program has 2019. Where UCI has a test
        file (pendigits, shuttle) that is the test split, and the other is split 7:1, as there.
    data_dir : folder with the UCI files. Default: the environment variable KEGNET_DATA; without
        it the download cache, then the network.

    Of a table of your own alone:

    label : the label column's name, or its position (0 is the first, -1 the last; a number or
        text). Default: the last column. Classes have numeric order if all labels are numbers (1
        and 1.0 are then one), else alphabetical order.
    drop : names or positions of columns to leave out. categories : of columns whose numbers are
        names, such as 1 for red and 2 for blue; columns of texts are categories anyway.
    missing : what becomes of missing numbers: "refuse"; "mean", the training rows' mean stands for
        them; "drop", rows with any missing cell are left out.
    how : of a file, sep, decimal, thousands, encoding, header, as `tables.reading.read` has them.
    """
    if not (isinstance(source, str) and source in NAMES):
        if isinstance(source, str) and not (set("./\\") & set(source) or os.path.exists(source)):
            raise DataError(f"name: no data set and no file {show(source)}; choose "
                            f"{', '.join(NAMES)} or the path of a table")
        table = table_of(source, **how)
        rows = encoding.learn(table, label, drop=drop, categories=categories, missing=missing)
        drawn = splits.stratified(rows.y, seed)
        data = _standardised(_stem(table), rows.x, rows.y, drawn, rows.schema)
        _say(rows.table, [*rows.notes, *notes.of_splits(rows.table, rows.schema, rows.x, drawn)])
        return replace(data, told=notes.summary(rows, len(table)))
    given = how | {"label": label, "drop": drop or None, "categories": categories or None,
                   "missing": None if missing == "refuse" else missing}
    for name, value in given.items():
        require(value is None, f"{name}: {show(value)} given, but {source} has a known form; leave "
                f"{name} out, it is for tables of your own")
    if source == "digits":  # read from the package, also from a zip
        npz = np.load(io.BytesIO(pkgutil.get_data(__name__, "kegnet_np/digits.npz") or b""))
        pixels = [f"r{i}c{j}" for i in range(8) for j in range(8)]
        with warnings.catch_warnings(action="ignore"):  # corners that are always blank: no news
            return _standardised(source, *_named(npz["x"], npz["y"].astype(str), pixels, seed))
    own = SOURCES[source]
    parts = [[line.replace(b",", b" ").split() for line in content.splitlines()]
             for content in _read_files(source, data_dir)]
    text = np.concatenate(parts).astype(str)  # (N, D + 1)
    x = np.delete(text, own.label, axis=1).astype(np.float64)  # (N, D)
    made = _named(x, text[:, own.label], own.features.split(), seed,
                  test_rows=sum(map(len, parts[1:])), label_at=own.label)
    return _standardised(source, *made)


def load_like(schema: Schema, source: Any, *, label: str | int | None = None,
              seed: int | None = None, drop: Sequence[str | int] = (), missing: str | None = None,
              by_position: bool = False, **how: Any) -> Dataset:
    """A table with labels as the inputs of a network that knows its schema, in the schema's units.

    source, drop, how : as in `load`. label, missing : default: the schema's.
    seed : of the split; None: all rows are test rows.
    by_position : take the columns in their order, not by name.
    """
    if label is None and not schema.label:  # an older release did not keep it
        label = -1
    table = table_of(source, [column.name for column in schema.columns], **how)
    rows = encoding.apply(table, schema, label=label, labelled=True, drop=drop,
                          missing=missing, by_position=by_position)
    n, none = len(rows.y), np.arange(0)
    parts = [none, none, np.arange(n)]
    if seed is not None:  # an older release drew its rows otherwise
        parts = splits.stratified(rows.y, seed) if schema.stratified else splits.at_random(n, seed)
    _say(table, rows.notes)
    data = _dataset(_stem(table), rows.x, rows.y, parts, schema)
    return replace(data, told=notes.summary(rows, len(table)))


def standardise_like(data: Dataset, mean: Sequence[float], scale: Sequence[float]) -> Dataset:
    """The data standardised by another table's mean and scale, (D,) each in the file's units."""
    new_mean, new_scale = np.asarray(mean, np.float32), np.asarray(scale, np.float32)
    if np.array_equal(new_mean, data.mean) and np.array_equal(new_scale, data.scale):
        return data
    raw = {x: getattr(data, x).astype(np.float64) * data.scale + data.mean for x in SPLITS[::2]}
    new = {name: ((x - new_mean) / new_scale).astype(np.float32) for name, x in raw.items()}
    schema = replace(data.schema, mean=np.asarray(mean, float), scale=np.asarray(scale, float))
    return replace(data, schema=schema, **new)


def standardise_each_split(data: Dataset) -> Dataset:
    """The data with validation and test rows standardised by their *own* mean and deviation."""
    def own(x: np.ndarray) -> np.ndarray:  # as the official program does; for comparisons only
        if not len(x):
            return x
        mean, scale = x.mean(axis=0, dtype=np.float64), x.std(axis=0, dtype=np.float64)
        constant = np.ptp(x, axis=0) == 0  # its mean and deviation are rounding
        return np.where(constant, 0, (x - mean) / np.where(constant, 1, scale)).astype(np.float32)

    return replace(data, x_val=own(data.x_val), x_test=own(data.x_test))


def checksum(data: Dataset) -> int:
    """A number that changes with any row, label or name of any split: is it the same table?"""
    names = repr((data.feature_names, data.class_names)).encode()
    return zlib.crc32(b"".join([names, *(getattr(data, key).tobytes() for key in SPLITS)]))


def _named(x: np.ndarray, labels: np.ndarray, features: list[str], seed: int, test_rows: int = 0,
           label_at: int = -1) -> tuple[np.ndarray, np.ndarray, list[np.ndarray], Schema]:
    """Rows x (N, D), classes (N,), splits and schema of a known set; the last ``test_rows`` rows
    are a given test split."""
    y, classes = encoding.classes(labels.astype(object))
    schema = Schema(tuple(map(Column, features)), classes, "class", label_at, stratified=False)
    return x, y, splits.at_random(len(y), seed, test_rows), schema


def _say(table: Table, said: Sequence[str]) -> None:
    for note in said:
        warnings.warn(f"{table.name}: {note}", stacklevel=3)


def _stem(table: Table) -> str:
    return Path(Path(table.name).name.removesuffix(".gz")).stem


def _standardised(name: str, x: np.ndarray, y: np.ndarray, parts: list[np.ndarray], schema: Schema
                  ) -> Dataset:
    """The splits of x (N, D), numbers, NaN where one is missing, standardised by the first."""
    absent = np.setdiff1d(y, y[parts[0]])
    if absent.size:
        raise DataError(f"{name}: class {show(schema.class_names[absent[0]])} has no row in the "
                        "training split; take another split seed, or add rows of it")
    schema, constant = splits.measured(name, x[parts[0]], schema)
    if constant:
        warnings.warn(f"{name}: constant in the training split, so centred but not scaled: "
                      f"{show(constant)}", stacklevel=3)
    return _dataset(name, x, y, parts, schema)


def _dataset(name: str, x: np.ndarray, y: np.ndarray, parts: list[np.ndarray], schema: Schema
             ) -> Dataset:
    (x_train, y_train), (x_val, y_val), (x_test, y_test) = (
        (schema.standardise(x[rows]), y[rows]) for rows in parts)
    return Dataset(name, x_train, y_train, x_val, y_val, x_test, y_test, schema)


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
        require(found == expected, f"{file} is altered or damaged, its SHA-256 is {found[:12]}... "
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
