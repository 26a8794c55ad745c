"""The schema of a table: what it keeps, how it finds columns again, and what it refuses."""

import json
import warnings
from dataclasses import replace

import numpy as np
import pytest

from data_loaders import DataError, load, load_like
from kegnet_np.tables.schema import Schema

RNG = np.random.default_rng(3)
N = 80
COLOURS = RNG.choice(["red", "green", "blue, dark", ""], N).tolist()
COLUMNS = {
    "width": np.round(RNG.normal(2, 3, N), 3).tolist(), "colour": COLOURS,
    "ill": RNG.choice(["True", "False"], N).tolist(),
    "mass": (1e9 + np.round(RNG.normal(size=N), 3)).tolist(),
    "kind": [["low", "mid", "high"][i % 3] for i in range(N)]}


def write(path, columns, header=True, sep=","):
    rows = [columns] if header else []
    rows += zip(*columns.values(), strict=True)
    cell = '"{}"'.format
    path.write_text("\n".join(sep.join(map(cell, row)) for row in rows), encoding="utf-8")
    return path


def with_cells(**cells):
    """The columns with the cell of row 4 replaced."""
    return {name: [*column[:4], cells.get(name, column[4]), *column[5:]]
            for name, column in COLUMNS.items()}


@pytest.fixture
def taught(tmp_path):
    return load(write(tmp_path / "taught.csv", COLUMNS))


def everything(data):
    return np.concatenate([data.x_train, data.x_val, data.x_test])


def said(call, *args, **how):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        data = call(*args, **how)
    return data, " | ".join(str(w.message) for w in caught)


def test_a_schema_has_the_columns_kinds_values_and_classes(taught):
    found = [(c.name, c.kind, c.values) for c in taught.schema.columns]
    assert found == [("width", "number", ()), ("mass", "number", ())][:1] + [
        ("colour", "category", ("", "blue, dark", "green", "red")), ("ill", "flag", ()),
        ("mass", "number", ())]
    assert taught.feature_names == (
        "width", "colour=", "colour=blue, dark", "colour=green", "colour=red", "ill", "mass")
    assert (taught.schema.label, taught.class_names) == ("kind", ("high", "low", "mid"))


def test_a_schema_comes_back_from_json_exactly(taught):
    found = Schema.from_json(json.loads(json.dumps(taught.schema.to_json())))
    assert found.columns == taught.schema.columns and found.class_names == taught.class_names
    assert (found.mean == taught.schema.mean).all() and (found.scale == taught.schema.scale).all()
    assert found.to_json() == taught.schema.to_json()
    assert Schema.from_json({}) is None


def test_the_rows_of_a_table_are_standardised_as_its_schema_does_it(taught, tmp_path):
    again = load_like(taught.schema, tmp_path / "taught.csv", seed=2019)
    for key in ("x_train", "y_train", "x_val", "x_test", "y_test"):
        assert np.array_equal(getattr(again, key), getattr(taught, key))
    whole = load_like(taught.schema, tmp_path / "taught.csv")
    assert len(whole.y_test) == N and len(whole.y_train) == len(whole.y_val) == 0
    assert np.abs(whole.x_test[:, -1]).max() < 5  # 1e9 and a little: float32 would lose it


def test_columns_are_found_by_name_in_any_order_and_place(taught, tmp_path):
    expected = load_like(taught.schema, tmp_path / "taught.csv").x_test
    names = ["kind", "mass", "ill", "width", "colour"]
    other = write(tmp_path / "other.csv", {name: COLUMNS[name] for name in names}, sep=";")
    data, words = said(load_like, taught.schema, other)
    assert np.array_equal(data.x_test, expected) and words == ""
    extra = {"id": range(N), **COLUMNS, "blank": [""] * N, "note": ["x"] * N}
    data, words = said(load_like, taught.schema, write(tmp_path / "extra.csv", extra))
    assert np.array_equal(data.x_test, expected)
    assert words.endswith(": column 'id', 'note' is not used: the model was taught without them")


@pytest.mark.parametrize("change, how, words", [
    ({"width": "w", "mass": "m"}, {}, ["no column 'width', 'mass'", "'w', 'colour'",
                                       "the model's 'width', 'colour'", "--by-position"]),
    ({"kind": "sort"}, {}, ["no label column 'kind'", "'sort'", "--label"]),
    ({"kind": "sort"}, {"label": "sorte"}, ["label: no column 'sorte'"]),
])
def test_a_column_that_is_not_there_is_refused_with_both_lists(
        taught, tmp_path, change, how, words):
    columns = {change.get(name, name): column for name, column in COLUMNS.items()}
    path = write(tmp_path / "other.csv", columns)
    with pytest.raises(DataError) as caught:
        load_like(taught.schema, path, **how)
    assert all(word in str(caught.value) for word in words), str(caught.value)
    if "kind" in change:
        assert len(load_like(taught.schema, path, label="sort").y_test) == N
    else:
        assert len(load_like(taught.schema, path, by_position=True).y_test) == N


def test_without_a_header_columns_are_taken_in_their_order_if_that_is_asked(taught, tmp_path):
    expected = load_like(taught.schema, tmp_path / "taught.csv")
    path = write(tmp_path / "bare.csv", COLUMNS, header=False)
    with pytest.raises(DataError, match="has no header, so its columns cannot be matched by name"):
        load_like(taught.schema, path)
    data = load_like(taught.schema, path, by_position=True)
    assert np.array_equal(data.x_test, expected.x_test)
    first = load(write(tmp_path / "first.csv", {"kind": COLUMNS["kind"], **COLUMNS}), label="kind")
    bare = write(tmp_path / "bare2.csv", {"kind": COLUMNS["kind"], **COLUMNS}, header=False)
    data = load_like(first.schema, bare, by_position=True)  # the label comes first, as there
    assert np.array_equal(data.y_test, expected.y_test)


def test_a_table_without_a_header_is_found_again_without_one(tmp_path):
    path = write(tmp_path / "bare.csv", COLUMNS, header=False)
    data = load(path)
    assert data.schema.label == "x4" and not data.schema.header
    assert len(load_like(data.schema, path).y_test) == N
    rows = [[row[j] for j in range(5)] for row in zip(*COLUMNS.values(), strict=True)]
    assert np.array_equal(load_like(data.schema, rows).x_test,
                          load_like(data.schema, path).x_test)


def test_an_unseen_category_is_all_zeros_with_a_warning(taught, tmp_path):
    path = write(tmp_path / "new.csv", with_cells(colour="pink"))
    data, words = said(load_like, taught.schema, path)
    raw = data.x_test[4] * taught.schema.scale + taught.schema.mean
    assert raw[1:5] == pytest.approx(0, abs=1e-6)
    assert "column 'colour': 1 of 80 cells is of no known value, 'pink' in line 6" in words


@pytest.mark.parametrize("cells, words", [
    ({"width": "wide"}, "column 'width': 1 of 80 cells is text, 'wide' in line 6"),
    ({"ill": "maybe"}, "column 'ill': 1 of 80 cells is text, 'maybe' in line 6"),
    ({"mass": ""}, "column 'mass': 1 of 80 cells is missing, blank in line 6"),
    ({"kind": "odd"}, "label column 'kind': 1 of 80 cells is no class of the model, 'odd' in "
     "line 6; it knows 'high', 'low', 'mid'"),
])
def test_a_cell_that_does_not_fit_the_schema_is_refused(taught, tmp_path, cells, words):
    path = write(tmp_path / "new.csv", with_cells(**cells))
    with pytest.raises(DataError) as caught:
        load_like(taught.schema, path)
    assert words in str(caught.value)


@pytest.mark.parametrize("missing", ["mean", "drop"])
def test_what_stands_for_a_missing_number_is_in_the_schema(tmp_path, missing):
    path = write(tmp_path / "gaps.csv", with_cells(mass="?", ill="NA"))
    data = load(path, missing=missing)
    whole = [i for i, colour in enumerate(COLOURS) if colour and i != 4]  # no cell is blank
    kept = N if missing == "mean" else len(whole)
    assert data.schema.missing == missing and len(everything(data)) == kept
    again = load_like(Schema.from_json(data.schema.to_json()), path)
    assert len(again.y_test) == kept
    assert np.isfinite(again.x_test).all()
    if missing == "mean":
        assert again.x_test[4, -2:].tolist() == [0, 0]
        assert sorted(map(tuple, everything(data))) == sorted(map(tuple, again.x_test))
    else:
        assert len(load_like(data.schema, path, missing="mean").y_test) == N


def test_labels_that_are_numbers_are_found_however_they_are_spelt(tmp_path):
    columns = COLUMNS | {"kind": [str(i % 3) for i in range(N)]}
    data = load(write(tmp_path / "a.csv", columns))
    spelt = columns | {"kind": [f"{i % 3}.0" for i in range(N)]}
    again = load_like(data.schema, write(tmp_path / "b.csv", spelt))
    assert again.y_test.tolist() == [i % 3 for i in range(N)]


def test_numbers_that_are_names_become_categories_if_that_is_said(tmp_path):
    codes = ["" if i == 5 else str(10 - i % 4) for i in range(N)]
    columns = {"code": codes} | COLUMNS
    path = write(tmp_path / "a.csv", columns)
    assert load(path, missing="mean").schema.columns[0].kind == "number"
    data = load(path, categories=["code"])
    column = data.schema.columns[0]
    assert (column.kind, column.values) == ("category", ("", "7", "8", "9", "10"))  # in their order
    spelt = write(tmp_path / "b.csv", columns | {"code": [c and f"{c}.0" for c in codes]})
    for again in (load_like(data.schema, spelt), load_like(data.schema, columns)):
        raw = again.x_test * data.schema.scale + data.schema.mean
        assert raw[:, :5].argmax(1).tolist() == [int(code or 6) - 6 for code in codes]
    _, words = said(load_like, data.schema, columns | {"code": ["11", *codes[1:]]})
    assert "column 'code': 1 of 80 cells is of no known value, '11'" in words
    for wrong, words in [(["kind"], "categories: column 'kind' is the label, or dropped"),
                         (["mass"], "column 'mass' is given as categories, but has [0-9]+ "),
                         (["no"], "categories: no column")]:
        with pytest.raises(DataError, match=words):
            load(path, categories=wrong)


def test_a_header_of_an_older_release_has_numbers_alone():
    old = {"feature_names": ["u", "v"], "class_names": ["a", "b"], "mean": [1, 2], "scale": [3, 4]}
    schema = Schema.from_json(old)
    assert [c.kind for c in schema.columns] == ["number", "number"] and schema.header
    x = [[1.0, 2.0, "a"], [4.0, 6.0, "b"]]
    assert load_like(schema, x, label=-1).x_test.tolist() == [[0, 0], [1, 1]]
    assert not Schema.from_json(old | {"feature_names": ["x0", "x1"]}).header


@pytest.mark.parametrize("change", [
    {"mean": [1]}, {"scale": [0, 1]}, {"mean": ["a", 1]}, {"columns": [{"kind": "number"}]},
    {"columns": [{"name": "u", "kind": "image"}, {"name": "v"}]}, {"missing": "guess"},
    {"columns": 3}, {"scale": None}, {"mean": [float("nan"), 1]}, {"label_at": "first"}])
def test_a_header_that_makes_no_sense_is_refused(change):
    old = {"feature_names": ["u", "v"], "class_names": ["a", "b"], "mean": [1, 2], "scale": [3, 4]}
    with pytest.raises(DataError, match="does not say soundly what its inputs are"):
        Schema.from_json(old | change)


def test_a_value_far_out_stays_within_float32(taught):
    schema = replace(taught.schema, scale=np.full(7, 1e-30), mean=np.zeros(7))
    z = schema.standardise(np.full((2, 7), 3e38))
    assert z.dtype == np.float32 and (z == np.float32(1e18)).all()
