"""A file of text -> a `table.Table`. pandas parses it; what pandas must be told (the encoding, the
separator, the header, decimal commas) is given, or guessed from the text."""

import gzip
import io
import os
import re
import warnings
import zlib
from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np

from . import guess
from .cells import has_decimal_commas
from .guess import BLANKS, SAMPLE, SEPARATORS, Line, fields
from .table import DataError, Pathish, Table, distinct, from_python, objects, require, show, some

WORDS = {"tab": "\t", "\\t": "\t", "blank": BLANKS, "": BLANKS}  # for a separator
BOMS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe\0\0": "utf-32", b"\0\0\xfe\xff": "utf-32",
        b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}  # the first that fits
FOREIGN = {b"PK\x03\x04": "a zip archive or a spreadsheet", b"PAR1": "a Parquet file",
           b"\x89HDF": "an HDF5 file", b"\xd0\xcf\x11\xe0": "a spreadsheet", b"%PDF": "a PDF"}


def read(path: Pathish, *, sep: str | None = None, decimal: str | None = None,
         thousands: str | None = None, encoding: str | None = None, header: bool | None = None,
         known: Iterable[str] = ()) -> Table:
    """The table of a file: separated text, which may be compressed by gzip.

    sep : , ; | or another sign, the word "tab", or "blank" for any number of blanks.
    decimal : "." or ",". thousands : what parts thousands: , . ' or "blank".
    encoding : such as "latin-1". header : whether the first row has the columns' names.
    Each is guessed if it is None. known : names of columns; a row with one of them is a header.
    Blank lines are skipped, and comments, which begin with #, at the top. Errors: `DataError`;
    lines with too many or too few fields are left out, and are faults of the table.
    """
    given = f"{os.fspath(path)}" if isinstance(path, str | os.PathLike) else show(path)
    for name, value in (("sep", sep), ("decimal", decimal), ("thousands", thousands),
                        ("encoding", encoding)):
        require(value is None or isinstance(value, str), f"{name}: {show(value)} given, expected "
                "text")
    sep, decimal, thousands = _signs(sep, decimal, thousands)
    text, encoding = _decoded(given, _content(given, path), encoding)
    lines = [(i, line) for i, line in enumerate(text.split("\n"), 1)
             if line.strip(BLANKS if sep == "\t" else None)]
    require(lines, f"{given}: the file is empty; expected rows of numbers and texts")
    sep = sep or guess.separator(lines)
    lines = guess.without_comments(lines, sep)
    _check_first(given, lines, sep)
    columns, lines, faults = _parsed(given, lines, sep)
    sample = [column[:SAMPLE] for column in columns]
    if decimal is None:
        commas = sep != "," and not thousands and has_decimal_commas(sample)
        decimal = "," if commas else "."
    if header is None:
        header = guess.is_header(sample, set(known), decimal, thousands)
    first = [column[0] if header else "" for column in columns]
    columns = [column[int(header):] for column in columns]
    while len(columns) > 1 and not first[len(columns) - 1] and not (columns[-1] != "").any():
        columns.pop()  # a separator ends every line
    names = [name or f"x{j}" for j, name in enumerate(first[: len(columns)])]
    distinct(given, names)
    told = [f"separated by {SEPARATORS.get(sep, show(sep))}"]
    told += ["decimal commas"] * (decimal == ",") + [encoding] * (encoding != "utf-8")
    told += ["with a header" if header else "without a header"]
    told += ["the empty last column left out"] * (len(names) < len(first))
    return Table(given, names, columns, np.array([i for i, _ in lines][int(header):], int), "line",
                 header, decimal, thousands, tuple(faults), ", ".join(told))


def table_of(source: Any, known: Iterable[str] = (), **how: Any) -> Table:
    """The table of a path, as `read` reads it, or of what Python has, see `from_python`; a table
    that was read is itself."""
    if isinstance(source, Table):
        return source
    if isinstance(source, str | os.PathLike):
        return read(source, known=known, **how)
    require(not how, f"{next(iter(how), '')}: given with a table in memory; it is for files")
    return from_python(source)


def _signs(sep: str | None, decimal: str | None, thousands: str | None
           ) -> tuple[str | None, str | None, str]:
    """The three signs, checked; the decimal one is clear if thousands are parted by its rival."""
    sep = WORDS.get(sep, sep) if sep is not None else None
    require(sep is None or len(sep) == 1 and sep.isascii() and not sep.isalnum()
            and sep not in "\"\n\r\0._-+",
            f"sep: {show(sep)} given, expected one sign such as , or ; or the words tab and blank")
    require(decimal in (None, ".", ","), f"decimal: {show(decimal)} given, expected . or ,")
    thousands = {None: "", "blank": " "}.get(thousands, thousands)
    require(thousands in ("", *"., '’_"),
            f"thousands: {show(thousands)} given, expected one of , . ' _ or blank")
    if thousands in (".", ",") and decimal is None:
        decimal = "," if thousands == "." else "."
    require(not thousands or thousands != decimal, f"thousands: {show(thousands)} is the decimal "
            "sign too; expected two signs")
    return sep, decimal, thousands or ""


def _content(given: str, path: Pathish) -> bytes:
    """The bytes of a file, of text as far as its first ones tell."""
    try:
        with open(os.fspath(path), "rb") as file:
            content = file.read()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
    except (OSError, TypeError, ValueError, EOFError, zlib.error) as error:
        raise DataError(f"{given}: cannot be read ({error}); check the path") from None
    for start, what in FOREIGN.items():
        require(not content.startswith(start), f"{given}: {what}, expected text; save it as CSV, "
                "or from Python pass a DataFrame")
    return content


def _decoded(given: str, content: bytes, encoding: str | None) -> tuple[str, str]:
    """The text with ``\\n`` at the ends of lines, and its encoding."""
    guessed = next((name for bom, name in BOMS.items() if content.startswith(bom)), "utf-8")
    try:
        text = content.decode(encoding or guessed)
    except LookupError:
        raise DataError(f"encoding: {show(encoding)} is unknown; expected such as utf-8, latin-1 "
                        "or utf-16") from None
    except ValueError as error:  # UnicodeError is one
        line = content[: getattr(error, "start", 0)].count(b"\n") + 1
        remedy = ("the encoding that it was saved in" if encoding else
                  "--encoding latin-1 or whatever it was saved in")
        raise DataError(f"{given}: line {line} is no {(encoding or guessed).upper()} text; pass "
                        f"{remedy}") from None
    text = text.lstrip("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        remedy = ("pass --encoding utf-16-le" if text.count("\0") > len(text) // 4 else
                  "the file is damaged, or no text; save it anew")
        raise DataError(f"{given}: line {line} holds a NUL character; {remedy}")
    return text, encoding or guessed.removesuffix("-sig")


def _check_first(given: str, lines: list[Line], sep: str) -> None:
    """See that there is more than one field, and that the first line is no title."""
    widths = [len(fields(line, sep)) for _, line in lines[:SAMPLE]]
    usual, often = Counter(widths).most_common(1)[0]
    number, first = lines[0]
    require(widths[0] == usual or 2 * often <= len(widths), f"{given}, line {number}: {widths[0]} "
            f"field{'s' * (widths[0] != 1)}, {show(first)}, where most lines have {usual}; is it a "
            "title? delete it, or complete it")
    require(widths[0] > 1, f"{given}: no feature column, the first row is {show(first)}; expected "
            "features and a label, separated by commas, or pass --sep")


def _parsed(given: str, lines: list[Line], sep: str) -> tuple[list[np.ndarray], list[Line], list]:
    """Columns of stripped texts; the lines that they come from; faults of the other lines."""
    import pandas as pd

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            frame = pd.read_csv(
                io.StringIO("\n".join(line for _, line in lines)), header=None, dtype=object,
                sep=r"\s+" if sep == BLANKS else sep, na_filter=False, skip_blank_lines=False,
                skipinitialspace=sep != BLANKS, on_bad_lines="warn")
        except (ValueError, OverflowError) as error:  # ParserError is a ValueError
            row = re.search(r"inside string starting at row (\d+)", str(error))
            raise DataError(
                f"{given}, line {lines[int(row[1])][0]}: a quote is opened and not closed; close "
                "it, or delete it" if row else f"{given}: cannot be read ({error}); check the "
                "separator and the quotes") from None
    columns = [objects(map(str.strip, frame[j].tolist())) for j in frame]
    said = "".join(str(w.message) for w in caught)
    long = re.findall(r"line (\d+): expected \d+ fields, saw (\d+)", said)
    wrong = {int(line) - 1: int(n) for line, n in long}
    kept = [i for i in range(len(lines)) if i not in wrong]
    if len(kept) != len(frame):
        rows = map("".join, zip(*columns, strict=True))
        at = next((i for i, row in enumerate(rows) if "\n" in row), 0)
        raise DataError(f"{given}, line {lines[kept[at]][0]}: a quoted field goes on in the next "
                        "line; is a quote not closed?")
    for i in np.array(kept)[columns[-1] == ""]:  # pandas fills a line up
        if (n := len(fields(lines[i][1], sep))) < len(columns):
            wrong[int(i)] = n
    sound = np.array([k for k, i in enumerate(kept) if i not in wrong], int)
    told = (f"line {lines[i][0]} has {n}" for i, n in sorted(wrong.items()))
    faults = [f"{some(told, 3)} fields where the first has {len(columns)}; complete the lines, or "
              "quote a field that holds a separator"] if wrong else []
    return [c[sound] for c in columns], [lines[kept[k]] for k in sound], faults
