"""What is said of a sound table: a line of what was read, and what looks odd, with its row."""

import warnings

import numpy as np
import pytest

from data_loaders import load, load_like

RNG = np.random.default_rng(11)
X = np.round(RNG.normal(size=(120, 2)), 4)
Y = np.array(["ab"[i % 2] for i in range(120)])


def said(source, *args, call=load, **how):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        data = call(source, *args, **how)
    return data, [str(warning.message) for warning in caught]


def test_a_line_says_rows_features_by_kind_and_classes_with_their_counts(tmp_path):
    rows = [f"{i * i};{('blue', 'red')[i % 2]};{i % 3 % 2};{'yn'[i % 5 == 0]}" for i in range(50)]
    rows[7] = "?;red;0;y"
    (tmp_path / "t.csv").write_text("\n".join(["size;colour;wet;ok", *rows]))
    data, _ = said(tmp_path / "t.csv", missing="drop")
    assert data.told == (
        f"{tmp_path / 't.csv'}: 49 rows (1 left out), separated by semicolons, with a header; "
        "features: 1 number, 1 flag, 1 category of 2 values; classes: n 10, y 39")
    assert load((X, Y)).told == "table: 120 rows; features: 2 numbers; classes: a 60, b 60"
    assert load("digits").told == ""
    assert load_like(data.schema, tmp_path / "t.csv").told == data.told


def test_a_plain_table_needs_no_word():
    assert said((X, Y))[1] == []


@pytest.mark.parametrize("names, words", [
    (["cat", "Cat"], "classes 'Cat' and 'cat' differ by case or a full stop alone"),
    (["<=50K", "<=50K."], "classes '<=50K' and '<=50K.' differ"),
    (["a", " a."], "classes 'a' and 'a.' differ"),
    (["1", "1.5"], ""), (["cat", "cats"], ""), (["A", "b"], ""),
])
def test_classes_that_may_be_one_are_named(names, words):
    _, found = said((X, [names[i % 2] for i in range(120)]))
    assert [words in line for line in found] == [True] * bool(words)


def test_a_small_class_is_named_with_its_rows_and_is_in_every_split():
    labels = ["rare"] * 4 + ["scarce"] * 9 + ["a", "b"] * 60
    x = RNG.normal(size=(len(labels), 2))
    data, found = said((x, labels))
    assert found == ["table: class 'rare' has 4, 'scarce' has 9 rows, so few that validation and "
                     "test scores say little of it"]
    for y in (data.y_train, data.y_val, data.y_test):
        assert set(y.tolist()) == {0, 1, 2, 3}


def test_test_rows_that_were_trained_on_are_counted():
    x, y = np.concatenate([X, X[:30]]), np.concatenate([Y, Y[:30]])
    data, found = said((x, y))
    twice = sum((row == data.x_train).all(1).any() for row in data.x_test)
    assert twice and found == [f"table: {twice} of {len(data.y_test)} test rows stand in the "
                               "training rows too, so their scores flatter"]


@pytest.mark.parametrize("value", [-99999.0, 9.96921e36, 3e38, -1e20])
@pytest.mark.parametrize("n", [1, 9])
def test_a_fill_value_is_named_wherever_its_rows_are(value, n):
    for seed in range(4):
        x = X.copy()
        rows = RNG.choice(120, n, replace=False)
        x[rows, 1] = value
        data, found = said((x, Y), seed=seed)
        assert [line for line in found if "beyond" in line] == [
            f"table: column 'x1': {n} of 120 cells {'is' if n == 1 else 'are'} beyond 10,000 "
            f"deviations of the rest, {value:g} in row {rows.min()}; if that stands for a missing "
            "value, leave it blank and pass --missing mean"]
        assert np.isfinite(data.x_test).all() and np.isfinite(data.x_train).all()


@pytest.mark.parametrize("column", [
    RNG.random(120) < 0.02, np.exp(3 * RNG.normal(size=120)), RNG.integers(0, 3, 120) * 1e9,
    np.where(RNG.random(120) < 0.9, 0, RNG.normal(size=120)), 10.0 ** RNG.integers(0, 4, 120)],
    ids=["rare flag", "heavy tail", "three values", "mostly zero", "powers of ten"])
def test_what_is_only_skewed_is_no_fill_value(column):
    x = np.c_[X, np.asarray(column, float)]
    assert not [line for line in said((x, Y))[1] if "beyond" in line]


def test_a_column_that_counts_its_rows_is_named():
    _, found = said((np.c_[np.arange(5, 125), X], Y))
    assert found == ["table: column 'x0' numbers the rows, so it is hardly a feature; leave it out "
                     "with --drop x0"]
    assert said((np.c_[np.arange(5, 125), X], Y), drop=["x0"])[1] == []


def test_a_new_value_far_from_all_that_was_taught_is_named():
    schema, x = load((X, Y)).schema, X.copy()
    x[17, 0] = 1e6
    data, found = said(schema, (x, Y), call=load_like)
    assert len(found) == 1 and "beyond 10,000 deviations of what the model was taught, 1e+06 in " \
        "row 17" in found[0]
    assert np.isfinite(data.x_test).all()
