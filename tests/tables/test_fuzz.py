"""Tables as chance damages them: each loads, or gets one line of a DataError; nothing else happens.

KEGNET_FUZZ says how many are tried by the slow test (default: 50,000, some minutes).
"""

import os
import warnings

import numpy as np
import pytest

from data_loaders import DataError, load, load_like

TABLES = [
    "\n".join(["size,colour,ill,kind", *(f"{i * i % 17 + 0.5},{'rgb'[i % 3]},{i % 5 == 0},"
                                         f"{'ab'[i % 2]}" for i in range(24))]) + "\n",
    "\n".join(f"{i * 7 % 11};{i * i % 13},{i % 10};{'xyz'[i % 3]}" for i in range(21)),
    "\r\n".join(['"a","b c","d"', *(f'"{i}.5"\t"{i * i % 7}"\t"{i % 2}"'.replace("\t", ",")
                                    for i in range(20))]),
    "\n".join(f"{i % 3} {i * i % 5}   {i % 2}" for i in range(20)) + "\n"]
PIECES = ["", ",", ";", "\t", " ", '"', "'", "\n", "\r", "\r\n", "\0", "#", "?", "NA", "nan", "inf",
          "-inf", "1e39", "1e400", "1,5", "1.000,5", "1_0", "True", "ä", "\ufeff", "\u2028", "\x85",
          "\x1a", "\x0b", "٣", "½", "-", ".", "=", "0x1f", "1e", '""', '","', "a" * 300, "9" * 400,
          "\ud800", ",,,,", "\n\n", "kind", "size", "x0", "0", "-0", "1e-320", "1,2,3,4,5,6"]
OPTIONS: list[dict] = [{}] * 20 + [
    {"label": 0}, {"label": "kind"}, {"missing": "mean"}, {"missing": "drop"}, {"drop": [0]},
    {"categories": [0]}, {"categories": [1], "missing": "mean"},
    {"header": True}, {"header": False}, {"sep": ";"}, {"sep": "blank"}, {"decimal": ","},
    {"thousands": ","}, {"thousands": "."}, {"encoding": "latin-1"}, {"encoding": "utf-16"},
    {"encoding": "utf-8"}, {"label": -1, "missing": "mean", "header": True}]


def damaged(rng) -> bytes:
    """A table with some of its text replaced, doubled, cut or shuffled, in some encoding."""
    text = TABLES[rng.integers(len(TABLES))]
    for _ in range(rng.integers(0, 4)):
        i, j = np.sort(rng.integers(0, len(text) + 1, 2))
        j = min(j, i + rng.integers(0, 12))
        how, piece = rng.integers(6), PIECES[rng.integers(len(PIECES))]
        if how < 3:
            text = text[:i] + piece + text[j:]
        elif how == 3:
            text = text[:i] + text[i:j] * int(rng.integers(2, 9)) + text[j:]
        elif how == 4:
            lines = text.split("\n")
            k = rng.integers(len(lines))
            lines[k] = piece.join(lines[k].split(","))
            text = "\n".join(lines)
        else:
            text = text[:i] + text[j:]
    encoding = (*["utf-8"] * 9, "latin-1", "utf-16", "utf-16-le")[rng.integers(12)]
    content = bytearray(text.encode(encoding, "replace"))
    if content and not rng.integers(8):
        content[rng.integers(len(content))] = rng.integers(256)
    return bytes(content)


def hold(n: int, seed: int, path) -> int:
    """Try n damaged tables; how many of them loaded."""
    rng, schema, loaded = np.random.default_rng(seed), None, 0
    for i in range(n):
        content, how = damaged(rng), OPTIONS[rng.integers(len(OPTIONS))]
        path.write_bytes(content)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                data = load(path, **how)
                loaded, schema = loaded + 1, data.schema
                assert all(np.isfinite(x).all() for x in (data.x_train, data.x_val, data.x_test))
                assert len(data.y_train) and data.y_train.max() < data.classes
            except DataError as error:
                assert str(error).isprintable() and len(str(error)) < 4000, (i, content, how)
            except Exception as error:
                raise AssertionError(f"table {i}: {content!r} with {how}: {error!r}") from error
            if schema and i % 3 == 0:
                try:
                    load_like(schema, path, by_position=bool(i % 2))
                except DataError as error:
                    assert str(error).isprintable(), (i, content)
                except Exception as error:
                    raise AssertionError(f"table {i}: {content!r}, like: {error!r}") from error
        assert {w.category for w in caught} <= {UserWarning}, (content, [str(w) for w in caught])
        assert all(str(w.message).isprintable() for w in caught), (content, caught)
    return loaded


def test_damaged_tables_load_or_get_one_line(tmp_path):
    loaded = hold(400, 0, tmp_path / "t.csv")
    assert 40 < loaded < 360  # some of both kinds


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 9))
def test_many_damaged_tables_load_or_get_one_line(tmp_path, seed):
    assert hold(int(os.environ.get("KEGNET_FUZZ", 50_000)) // 8, seed, tmp_path / "t.csv")
