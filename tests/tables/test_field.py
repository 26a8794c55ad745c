"""Small tables of the kinds that people report trouble with: each ends as its folder's README says.

They are in the folder KEGNET_FIELD, or field beside KEGNET_DATA; without it these are skipped.
"""

import os
import warnings
from pathlib import Path

import numpy as np
import pytest

from data_loaders import DataError, load, load_like
from kegnet_np.io.classifier import Classifier
from kegnet_np.models import MLP
from kegnet_np.network import Network

GIVEN, UCI = os.environ.get("KEGNET_FIELD"), os.environ.get("KEGNET_DATA")
FIELD = Path(GIVEN or (Path(UCI).parent / "field" if UCI else "field"))
pytestmark = pytest.mark.skipif(
    not (FIELD / "a_ok.csv").is_file(), reason="neither KEGNET_FIELD nor ../field of KEGNET_DATA")
ARRAYS = ("x_train", "y_train", "x_val", "y_val", "x_test", "y_test", "mean", "scale")


def loaded(name, **how):
    """The data, and all warnings as one text."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        data = load(FIELD / name, **how)
    return data, " | ".join(str(warning.message) for warning in caught)


def refusal(name, **how):
    with pytest.raises(DataError) as caught, warnings.catch_warnings():
        warnings.simplefilter("error")  # one line, so no warning before it
        load(FIELD / name, **how)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 600 + len(str(FIELD))
    return str(caught.value)


def raw(data):
    """All rows in the units of the file, sorted."""
    x = np.concatenate([data.x_train, data.x_val, data.x_test]).astype(float)
    x = x * data.schema.scale + data.schema.mean
    return x[np.lexsort(x.T)]


SAME = {
    "a_ok.csv": {}, "b_semicolon.csv": {}, "c_semicolon_comma_decimal.csv": {}, "d_tab.csv": {},
    "d2_tab.tsv": {}, "d3_data.data": {}, "e_quoted_header_bom_crlf.csv": {},
    "f_bom_label_first.csv": {"label": "kind"}, "h_trailing_comma.csv": {},
    "l2_id_last.csv": {"drop": ["id"]}, "l_index_col.csv": {"drop": ["x0"]},
    "u2_numeric_header.csv": {"header": True}, "r_comment.csv": {},
    "new_extra.csv": {"drop": ["colour"]}, "new_renamed.csv": {}}


@pytest.mark.parametrize("name", SAME)
def test_the_plain_table_in_another_dress_gives_its_very_arrays(name):
    data, said = loaded(name, **SAME[name])
    plain, _ = loaded("a_ok.csv")
    for key in ARRAYS:
        assert np.array_equal(getattr(data, key), getattr(plain, key)), key
    assert data.class_names == plain.class_names and said == ""
    own = {"d3_data.data": ("x0", "x1", "x2"), "u2_numeric_header.csv": ("2019", "2020", "2021"),
           "new_renamed.csv": ("w", "h", "m")}
    assert data.feature_names == own.get(name, ("width", "height", "mass"))


def test_latin_1_is_read_when_it_is_said():
    data, _ = loaded("g_latin1.csv", encoding="latin-1")
    assert data.feature_names == ("größe", "höhe", "mass")
    assert data.class_names == ("café", "maté", "thé")


@pytest.mark.parametrize("name, features, classes, said", [
    ("j_text_category.csv", ("width", "height=blue", "height=green", "height=red", "mass"),
     ("high", "low", "mid"), ""),
    ("j2_bool.csv", ("width", "height", "mass"), ("high", "low", "mid"), ""),
    ("k_label_gap.csv", ("width", "height", "mass"), ("1", "4", "9"), ""),
    ("k2_label_float.csv", ("width", "height", "mass"), ("0.0", "1.0", "2.0"), ""),
    ("m_scales.csv", ("width", "height", "mass"), ("high", "low", "mid"), ""),
    ("u3_numeric_header_label.csv", ("0", "1", "2"), ("1", "2", "3"), ""),
    ("o_constant.csv", ("width", "height", "mass"), ("high", "low", "mid"),
     "constant in the training split, so centred but not scaled: ['height']"),
    ("l_index_col.csv", ("x0", "width", "height", "mass"), ("high", "low", "mid"),
     "column 'x0' numbers the rows, so it is hardly a feature; leave it out with --drop x0"),
    ("new_permuted.csv", ("mass", "width", "height"), ("high", "low", "mid"), ""),
    ("fill_value_in_test.csv", ("temp", "pressure"), ("0", "1"),
     "column 'temp': 1 of 400 cells is beyond 10,000 deviations of the rest, 9.96921e+36 in line "
     "74"),
    ("fill_value_in_train.csv", ("temp", "pressure"), ("0", "1"),
     "column 'temp': 1 of 400 cells is beyond 10,000 deviations of the rest, 9.96921e+36 in line "
     "324"),
    ("p_dup.csv", ("width", "height", "mass"), ("high", "low", "mid"),
     "80 of 80 test rows stand in the training rows too"),
    ("s_case_label.csv", ("width", "height", "mass"), ("HIGH", "LOW", "MID", "high", "low", "mid"),
     "classes 'HIGH' and 'high', 'LOW' and 'low', 'MID' and 'mid' differ by case or a full stop"),
])
def test_a_sound_table_loads_with_a_word_where_one_is_due(name, features, classes, said):
    data, found = loaded(name)
    assert (data.feature_names, data.class_names) == (features, classes)
    assert said in found and bool(said) == bool(found)
    moving = data.schema.scale != 1
    assert np.abs(data.x_train[:, moving].std(0) - 1).max() < 1e-4


def test_true_and_false_are_one_and_zero_and_a_colour_is_one_of_three():
    flags, colours = raw(loaded("j2_bool.csv")[0])[:, 1], raw(loaded("j_text_category.csv")[0])
    assert set(np.rint(flags)) == {0, 1} and np.abs(flags - np.rint(flags)).max() < 1e-6
    assert colours[:, 1:4].sum(1) == pytest.approx(1)


def test_scales_that_differ_by_sixty_powers_of_ten_are_kept():
    data, plain = loaded("m_scales.csv")[0], loaded("a_ok.csv")[0]
    assert data.x_test == pytest.approx(plain.x_test, abs=1e-3)


@pytest.mark.parametrize("missing, rows", [("mean", 90), ("drop", 88)])
def test_missing_numbers_are_filled_or_their_rows_dropped(missing, rows):
    data, plain = loaded("i_qmark.csv", missing=missing)[0], loaded("a_ok.csv")[0]
    assert len(data.y_train) + len(data.y_val) + len(data.y_test) == rows
    if missing == "mean":
        changed = (np.abs(data.x_train - plain.x_train) > 0.2).sum()
        assert changed <= 2 and (data.x_train == 0).sum() + (data.x_test == 0).sum() + (
            data.x_val == 0).sum() == 2


@pytest.mark.parametrize("name, words", [
    ("f_bom_label_first.csv", ["only 'kind' holds text: is it the label? pass --label kind"]),
    ("l2_id_last.csv", ["only 'kind' holds text: is it the label? pass --label kind",
                        "'id' numbers the rows: --drop id"]),
    ("g_latin1.csv", ["line 1 is no UTF-8 text", "pass --encoding latin-1"]),
    ("i_qmark.csv", ["column 'width': 1 of 90 cells is missing, 'NA' in line 22",
                     "column 'height': 1 of 90 cells is missing, '?' in line 9",
                     "--missing mean or drop"]),
    ("m2_too_big.csv", ["column 'width': 90 of 90 cells are beyond float32", "rescale"]),
    ("n_thousands_sep.csv", ["column 'width': 90 of 90 cells are text, '1,070' in line 2",
                             "--thousands , or --decimal ,"]),
    ("o2_all_constant.csv", ["every feature is constant"]),
    ("q_rare.csv", ["too few rows to split 7:1:2, 2 of 3, of class 'rare'"]),
    ("r2_title.csv", ["line 1: 1 field, 'Quarterly report', where most lines have 4"]),
    ("t_single_quotes.csv", ["'width': 90 of 90 cells are text", "remove the single quotes"]),
    ("u_dup_header.csv", ["two columns 'x'; rename one"]),
    ("u2_numeric_header.csv", ["'kind' is in the first line: is that a header? pass --header"]),
    ("v_nul.csv", ["line 2 holds a NUL character"]),
    ("v2_bad_quote.csv", ["line 3: a quote is opened and not closed"]),
    ("y_inf.csv", ["column 'width': 1 of 90 cells is no finite number, 'inf' in line 5"]),
    ("x_ten_rows.csv", ["too few rows to split 7:1:2, 2 of 3, of class 'high'"]),
    ("new_5rows.csv", ["5 row(s) of data, a 7:1:2 split needs at least 10"]),
    ("new_nolabel.csv", ["label column 'mass' has too few rows"]),
])
def test_what_cannot_be_used_is_refused_with_the_remedy_that_works(name, words):
    message = refusal(name)
    assert all(word in message for word in words), message


@pytest.mark.parametrize("how, width", [({"thousands": ","}, 1070), ({"decimal": ","}, 1.070)])
def test_a_comma_parts_thousands_or_decimals_as_it_is_said(how, width):
    data, _ = loaded("n_thousands_sep.csv", **how)
    assert np.isclose(raw(data)[:, 0], width, rtol=1e-5).any()


@pytest.mark.parametrize("name, how, rows, said", [
    ("new_permuted.csv", {}, 90, ""),
    ("new_renamed.csv", {"by_position": True}, 90, ""),
    ("new_extra.csv", {}, 90, "column 'colour' is not used: the model was taught without it"),
    ("new_5rows.csv", {}, 5, ""),
])
def test_a_new_table_gives_the_inputs_that_the_teachers_own_gave(name, how, rows, said):
    schema = load(FIELD / "a_ok.csv").schema
    plain = load_like(schema, FIELD / "a_ok.csv")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        data = load_like(schema, FIELD / name, **how)
    assert np.array_equal(data.x_test, plain.x_test[:rows]) and len(data.y_test) == rows
    assert np.array_equal(data.y_test, plain.y_test[:rows])
    found = " | ".join(str(warning.message) for warning in caught)
    assert said in found and bool(said) == bool(found)


def test_other_names_are_refused_with_both_lists():
    with pytest.raises(DataError) as caught:
        load_like(load(FIELD / "a_ok.csv").schema, FIELD / "new_renamed.csv")
    assert "'w', 'h', 'm', 'kind'" in str(caught.value) and "--by-position" in str(caught.value)
    assert "'width', 'height', 'mass'" in str(caught.value)


def test_rows_without_labels_are_answered_and_those_of_the_plain_table_alike(rng):
    schema = load(FIELD / "a_ok.csv").schema
    classifier = Classifier(Network.random(MLP(3, 3, (8,)), rng), schema)
    plain = classifier.predict(FIELD / "a_ok.csv")
    assert len(classifier.predict(FIELD / "new_nolabel.csv")) == 25
    assert (classifier.predict(FIELD / "new_permuted.csv") == plain).all()
    renamed = classifier.predict(FIELD / "new_renamed.csv", by_position=True)
    assert len(set(plain)) > 1 and (renamed == plain).all()


@pytest.mark.parametrize("seed", range(8))
def test_a_fill_value_outside_the_training_rows_leaves_its_feature_as_it_is(seed):
    data, said = loaded("fill_value_in_test.csv", seed=seed)
    inside = np.abs(data.x_train[:, 0]).max() > 15  # drawn into the training rows
    assert "in line 74" in said and "constant" not in said
    assert inside or data.schema.scale[0] < 10 and np.abs(data.x_train[:, 0]).max() < 10


def test_every_file_has_a_test():
    here = Path(__file__).parents[1].rglob("*.py")
    text = "".join(path.read_text(encoding="utf-8") for path in here)
    assert [path.name for path in FIELD.iterdir()
            if path.suffix != ".md" and path.name not in text] == []
