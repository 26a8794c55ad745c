"""Zip files from strangers, and NumPy's arrays in them: nothing is made that is not in the file."""

import math
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np

from .files import FormatError

RATIO = 4  # a file may become so many times its size
Members = dict[str, zipfile.ZipInfo]
LEAST = 2**22  # or so many bytes, however small it is


def check_bytes(inflated: int, path, least: int = LEAST) -> None:
    """Raise FormatError if a file becomes so many bytes, and that is many times its size."""
    if inflated > max(least, RATIO * Path(path).stat().st_size):
        raise FormatError(f"it would inflate to {inflated:,} bytes")


@contextmanager
def opened(path, least: int = LEAST) -> Iterator[tuple[zipfile.ZipFile, Members]]:
    """A zip file that does not inflate to much more than it is, and its members by name."""
    with zipfile.ZipFile(path) as archive:
        members, size = archive.infolist(), Path(path).stat().st_size
        check_bytes(sum(member.file_size for member in members), path, least)
        if any(member.header_offset + member.compress_size > size for member in members):
            raise FormatError("it has a member that ends beyond its end")  # made room for unseen
        yield archive, {member.filename: member for member in members}


def to_array(content: bytes) -> np.ndarray:
    """The array of numbers or text that an .npy file's content holds; never more memory than that.

    `numpy.load` makes room for the shape that the header names before it looks for the numbers.
    """
    file = BytesIO(content)
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"an array in NumPy's format {version}, expected (1, 0) or (2, 0)")
    read = (np.lib.format.read_array_header_1_0 if version == (1, 0)
            else np.lib.format.read_array_header_2_0)
    with warnings.catch_warnings(action="ignore"):  # of headers that Python 2 wrote
        shape, fortran, dtype = read(file)
    if dtype.hasobject:
        raise ValueError("Object arrays cannot be loaded: they are pickles, which run code")
    if dtype.kind not in "biufU" or min(shape, default=0) < 0:
        raise ValueError(f"an array of {dtype.str} and shape {shape}, expected numbers or text")
    count, rest = math.prod(shape), len(content) - file.tell()
    if count * dtype.itemsize != rest:
        raise ValueError(f"{rest:,} bytes of numbers, expected {count * dtype.itemsize:,}")
    if not count:
        return np.empty(shape, dtype)
    flat = np.frombuffer(content, dtype, count, file.tell())
    return flat.reshape(shape, order="F" if fortran else "C").copy()  # may be written to
