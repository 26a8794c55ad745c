"""Tables as other programs write them: each gives the plain one's arrays, or one clear line."""

import gzip
import time
import warnings

import numpy as np
import pytest

from data_loaders import DataError, load
from kegnet_np.tables.reading import read

RNG = np.random.default_rng(5)
X = np.round(RNG.normal(size=(60, 3)) * [1, 10, 100], 3)
Y = ["ab"[int(x[0] + x[1] / 10 > 0)] for x in X]
NAMES = ["u", "v", "w", "kind"]


def lines(sep=",", names=NAMES, cell=str):
    rows = [sep.join([*map(cell, x), y]) for x, y in zip(X.tolist(), Y, strict=True)]
    return [sep.join(names), *rows] if names else rows


def write(folder, content, name="t.csv"):
    path = folder / name
    text = content if isinstance(content, bytes) else ("\n".join(content) + "\n").encode()
    path.write_bytes(text)
    return path


def german(v):
    whole, _, part = f"{v:.3f}".partition(".")
    return f"{whole},{part}"


def padded(v):
    return f"{v:12.3f}"


DRESSES = {
    "bars": (lines("|"), {}),
    "blanks": (lines(" "), {}),
    "columns of fixed width": (lines(" ", cell=padded), {}),
    "blank after a comma": (lines(", "), {}),
    "tabs and decimal commas": (lines("\t", cell=german), {}),
    "colons, as told": (lines(":"), {"sep": ":"}),
    "utf-16 with a mark": ("\n".join(lines()).encode("utf-16"), {}),
    "utf-16 as told": ("\n".join(lines()).encode("utf-16-le"), {"encoding": "utf-16-le"}),
    "gzip": (gzip.compress("\n".join(lines()).encode()), {}),
    "gzip of a bom and crlf": (gzip.compress(b"\xef\xbb\xbf" + "\r\n".join(lines()).encode()), {}),
    "carriage returns alone": ("\r".join(lines()).encode(), {}),
    "no newline at the end": ("\n".join(lines()).encode(), {}),
    "blank lines between": ([line for row in lines() for line in (row, "", "  ")], {}),
    "comments above": (["# made by a program", "# u: first", *lines()], {}),
    "names behind a #": ([f"# {lines()[0]}", *lines()[1:]], {}),
    "all cells quoted": ([",".join(f'"{c}"' for c in row.split(",")) for row in lines()], {}),
    "a quoted separator in a name": (['"u","v","w","kind"', *lines()[1:]], {}),
    "an empty column with a name": ([f"{row},{'note' * (i == 0)}" for i, row in
                                     enumerate(lines())], {"label": "kind"}),
    "three separators at the end": ([f"{row},,," for row in lines()], {}),
    "no header": (lines(names=[]), {}),
    "a header of numbers 0 to 3": (lines(names=list("0123")), {}),
    "an index and a header of numbers": ([f"{i - 1 if i else ''},{row}" for i, row in
                                          enumerate(lines(names=list("0123")))], {"drop": [0]}),
    "thousands of blanks": (lines(";", cell=lambda v: f"{v:,.3f}".replace(",", "\xa0")),
                            {"thousands": "blank"}),
    "plus signs and exponents": (lines(cell=lambda v: f"{v:+.8e}"), {}),
}


@pytest.mark.parametrize("dress", DRESSES)
def test_a_table_in_another_dress_gives_the_same_arrays(tmp_path, dress):
    content, how = DRESSES[dress]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = load(write(tmp_path, content), **how)
        plain = load((X, Y))
    assert data.class_names == ("a", "b")
    for key in ("x_train", "y_train", "x_val", "y_val", "x_test", "y_test"):
        assert np.array_equal(getattr(data, key), getattr(plain, key)), key


@pytest.mark.parametrize("name", ["t", "t.trn", "t.csv.gz", "ünï cödé.txt"])
def test_a_path_may_end_in_anything(tmp_path, name, monkeypatch):
    content = "\n".join(lines()).encode()
    write(tmp_path, gzip.compress(content, mtime=0) if name.endswith("gz") else content, name)
    monkeypatch.chdir(tmp_path)
    assert load(name).name == name.split(".")[0] and load(tmp_path / name).features == 3


def test_a_dataframe_and_arrays_give_the_arrays_of_the_file(tmp_path):
    pandas = pytest.importorskip("pandas")
    plain = load(write(tmp_path, lines()))
    frame = pandas.DataFrame(X, columns=NAMES[:3])
    framed = frame.assign(kind=pandas.Categorical(Y))
    for source in (framed, (X, Y), (X.tolist(), np.array(Y)), (frame, pandas.Series(Y)),
                   [[*x, y] for x, y in zip(X.tolist(), Y, strict=True)],
                   {name: framed[name] for name in NAMES}):
        data = load(source)
        assert np.array_equal(data.x_train, plain.x_train)
        assert np.array_equal(data.y_test, plain.y_test)
    assert load(framed).schema.columns == plain.schema.columns


def test_a_dataframe_of_every_type_of_column_is_understood():
    pandas = pytest.importorskip("pandas")
    n = 40
    frame = pandas.DataFrame({
        "i": pandas.array([*range(n - 1), None], dtype="Int64"),
        "b": np.arange(n) % 3 == 0, "nb": pandas.array([True, None] * (n // 2), dtype="boolean"),
        "s": pandas.array(["x", "y"] * (n // 2), dtype="string"),
        "c": pandas.Categorical(list("pqqr") * (n // 4)), "o": [1, "2", 3.5, None] * (n // 4),
        "label": np.arange(n) % 2 == 0})
    data = load(frame, missing="mean")
    kinds = [column.kind for column in data.schema.columns]
    assert kinds == ["number", "flag", "flag", "category", "category", "number"]
    assert data.class_names == ("False", "True")
    assert data.feature_names[3:8] == ("s=x", "s=y", "c=p", "c=q", "c=r")


@pytest.mark.parametrize("source, words", [
    ([], "expected a path, a DataFrame, rows"),
    (np.zeros((2, 2, 2)), "expected a path, a DataFrame, rows"),
    ((X, Y[:-1]), "59 labels for 60 rows"),
    ({"a": [1, 2], "b": [1]}, "columns of 1, 2 rows, expected one length"),
    ({}, "columns of no rows"),
    ([[1, [2]], [3, 4]], "a column holds lists, expected one value for each row"),
    ((X, [[y] for y in Y]), "a column holds lists"),
    ({"a": [[1], [2, 3]]}, "a column holds lists"), (([[1], [2, 3]], [1]), "a column holds lists"),
    ({1, 2}, "expected a path, a DataFrame, rows"),
    ({"a": list(range(12))}, "no feature column is left"),
])
def test_what_python_passes_and_is_no_table_is_refused(source, words):
    with pytest.raises(DataError) as caught:
        load(source)
    assert words in str(caught.value)


def swapped(*changes):
    made = lines()
    for i, text in changes:
        made[i] = text
    return made


@pytest.mark.parametrize("content, how, words", [
    (swapped((3, "1,2,a"), (5, "1,2,3,4,a"), (7, "red,2,3,a"), (9, "1,,inf,b"), (11, "1,2,3,")), {},
     ["line 4 has 3, line 6 has 5 fields where the first has 4", "label column 'kind': 1 of 58",
      "column 'u': 1 of 58 cells is text, 'red' in line 8",
      "column 'v': 1 of 58 cells is missing, blank in line 10",
      "column 'w': 1 of 58 cells is no finite number, 'inf' in line 10"]),
    ([f"{row},{f'name {i}' if i else 'who'}" for i, row in enumerate(lines())], {"label": "kind"},
     ["column 'who' is text, 60 different ones in 60 rows", "--drop who"]),
    (lines(";", cell=lambda v: f"{abs(v) + 1000:,.2f}".replace(",", " ").replace(".", ",")
           .replace(" ", ".")), {}, ["--thousands . --decimal ,"]),
    (lines(cell=lambda v: f"${v}"), {}, ["cells are text", "expected numbers"]),
    (b"PK\x03\x04 not text", {}, ["a zip archive or a spreadsheet", "save it as CSV"]),
    (gzip.compress(b"u,v\n1,2\n" * 99, mtime=0)[:20], {}, ["cannot be read"]),
    (swapped((4, '1,2,3,"a'), (9, '1,2,3,b"')), {}, ["line 5", "a quote"]),
    (lines(names=["u", "v", "w"]), {}, ["line 1: 3 fields", "where most lines have 4"]),
    (lines(), {"sep": "::"}, ["sep: '::' given, expected one sign"]),
    (lines(), {"sep": "a"}, ["sep: 'a' given"]),
    (lines(), {"decimal": ";"}, ["decimal: ';' given, expected . or ,"]),
    (lines(), {"thousands": "x"}, ["thousands: 'x' given"]),
    (lines(), {"thousands": ",", "decimal": ","}, ["the decimal sign too"]),
    (lines(), {"encoding": 8}, ["encoding: 8 given, expected text"]),
    (lines(), {"sep": [","]}, ["sep: [','] given, expected text"]),
    (lines(), {"encoding": "klingon"}, ["encoding: 'klingon' is unknown"]),
    (lines(), {"encoding": "utf-32"}, ["is no UTF-32 text; pass the encoding"]),
    (lines(), {"missing": "zero"}, ["missing: 'zero' given, expected refuse, mean, drop"]),
    (lines(), {"drop": ["z"]}, ["drop: no column 'z'", "['u', 'v', 'w', 'kind']"]),
    (lines(), {"drop": ["kind"], "label": "kind"}, ["column 'kind' is dropped; name another"]),
    (lines(), {"drop": ["u", "v", "w"]}, ["no feature column is left"]),
])
def test_a_fault_is_told_in_one_line_with_all_others(tmp_path, content, how, words):
    with pytest.raises(DataError) as caught, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        load(write(tmp_path, content), **how)
    message = str(caught.value)
    assert "\n" not in message and all(word in message for word in words), message


@pytest.mark.parametrize("first, header", [
    ("a,b,c", False), ("p,q,r", True), ("a,a,c", False), ("a,,c", False)])
def test_words_over_words_are_a_header_if_none_comes_again(tmp_path, first, header):
    rows = ["a,b,c", "a,c,c", "b,b,d", "b,c,d"]
    assert read(write(tmp_path, [first, *rows])).header == header


def test_a_known_name_makes_a_header(tmp_path):
    path = write(tmp_path, ["1,2,3", "4,5,6"])
    assert not read(path).header
    table = read(path, known=["2"])
    assert table.names == ["1", "2", "3"] and table.rows.tolist() == [2]


def test_twenty_thousand_rows_of_sixteen_are_read_within_a_second(tmp_path):
    x = np.random.default_rng(0).normal(size=(20_000, 16))
    path = tmp_path / "big.csv"
    np.savetxt(path, np.c_[x, np.arange(len(x)) % 3], delimiter=",", fmt="%.6g")
    import pandas  # noqa: F401  its import is not the reading

    times = []
    for _ in range(3):
        start = time.process_time()
        data = load(path)
        times.append(time.process_time() - start)
    assert data.x_train.shape == (14_003, 16) and min(times) < 1  # CPU time, measured: 0.3 s
