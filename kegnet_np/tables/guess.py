"""What a text does not say of itself: its separator, its header, comments at its top."""

import csv
import re
from collections import Counter

import numpy as np

from .cells import missing, numbers
from .table import objects

SAMPLE = 200  # rows that guesses are made from
BLANKS = " "  # the separator that stands for any number of blanks
SEPARATORS = {"\t": "tabs", ";": "semicolons", "|": "bars", ",": "commas", BLANKS: "blanks"}

Line = tuple[int, str]  # its number in the file, and the text


def fields(line: str, sep: str) -> list[str]:
    """The fields of a line; none if it is beyond the csv module."""
    if sep == BLANKS and '"' not in line:
        return line.split()
    line = " ".join(line.split()) if sep == BLANKS else line
    try:
        return next(csv.reader([line], delimiter=sep, skipinitialspace=True), [])
    except csv.Error:  # a field of more than 131,072 characters
        return []


def separator(lines: list[Line]) -> str:
    """The separator that as many of the lines as can be have equally often; of equals the first of
    `SEPARATORS`, blanks only where none of the others will do."""
    bare = [re.sub('"[^"]*"', "", line) for _, line in lines[:SAMPLE] if line[0] != "#"]
    best, share = ",", 0.0
    for sep in SEPARATORS:
        counts = Counter(len(line.split()) - 1 if sep == BLANKS else line.count(sep)
                         for line in bare)
        number, often = max(counts.items(), key=lambda item: (item[1], item[0]), default=(0, 0))
        if number and often / len(bare) > share and (sep != BLANKS or share < 0.5):
            best, share = sep, often / len(bare)
    return best


def without_comments(lines: list[Line], sep: str) -> list[Line]:
    """The lines without those at the top that begin with #; but one that has as many fields as the
    first row of data has the names."""
    start = next((i for i, (_, line) in enumerate(lines) if line[0] != "#"), 0)
    if start:
        number, names = lines[start - 1]
        names = names.lstrip("# ")
        if len(fields(names, sep)) == len(fields(lines[start][1], sep)) > 1:
            return [(number, names), *lines[start:]]
    return lines[start:]


def is_header(columns: list[np.ndarray], known: set[str], decimal: str, thousands: str) -> bool:
    """Whether the first of some rows has the columns' names: it has a known one; it is text where
    the others are numbers, or 0, 1, 2, ...; or all is text, and its words do not come again."""
    first = [column[0] for column in columns]
    count = [str(j) for j in range(len(first))]
    if known & set(first) or first in (count, ["", *count[:-1]]):
        return True
    values = numbers(objects(first), decimal, thousands)
    words = np.isnan(values) & ~missing(objects(first), values)
    all_text = words.all() and len(set(first)) == len(first)
    for j, column in enumerate(columns):
        values = numbers(column[1:], decimal, thousands)
        filled, found = ~missing(column[1:], values), ~np.isnan(values)
        if 2 * found.sum() > filled.sum():
            if words[j]:
                return True
            all_text = False
        all_text = all_text and not (column[1:] == first[j]).any()
    return bool(all_text)
