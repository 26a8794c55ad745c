"""teach: what reaches the teacher, what is kept, what is refused."""

import inspect

import numpy as np
import pytest

import data_loaders
from kegnet_np import metrics
from kegnet_np.models import MLP
from kegnet_np.teacher import teach
from kegnet_np.train import Schedule

RNG = np.random.default_rng(3)
X, LABELS = RNG.standard_normal((60, 4)).astype(np.float32), np.arange(60) % 3
ROWS, VALIDATION = (X[:40], LABELS[:40]), (X[40:], LABELS[40:])
USUAL = {"widths": (6, 6), "schedule": Schedule(1e-2, 16, 3)}


def theta_of(rows=ROWS, **arguments):
    return teach(rows, VALIDATION, **{**USUAL, **arguments})[0].theta


def test_the_defaults_are_the_papers():
    usual = {name: p.default for name, p in inspect.signature(teach).parameters.items()}
    assert (usual["widths"], usual["activation"], usual["dropout"]) == ((100,) * 11, "elu", 0.15)
    assert usual["schedule"] == Schedule(1e-3, 64, 1000, patience=20, min_epochs=100)
    assert usual["seed"] == 2019


def test_a_teacher_is_selected_on_validation_rows():
    data = data_loaders.load("digits")
    teacher, done = teach(
        (data.x_train, data.y_train), (data.x_val, data.y_val),
        widths=(6, 6), schedule=Schedule(1e-3, 64, 3, patience=20, min_epochs=100),
    )
    assert teacher.model == MLP(64, 10, (6, 6)) and teacher.theta.ndim == 1
    assert done.kept_score[0] == metrics.accuracy(teacher.predict(data.x_val), data.y_val) > 0.1
    rows = {row["epoch"]: row["score"] for row in done.history}
    assert rows[done.kept_epoch[0]] == done.kept_score[0] == max(rows.values())


def test_the_best_epoch_is_kept_and_not_the_last():
    schedule = Schedule(1e-2, 16, 12, patience=20)
    teacher, done = teach(ROWS, VALIDATION, widths=(6, 6), schedule=schedule)
    assert done.kept_epoch[0] < done.epoch == 12
    answers = teacher.predict(VALIDATION[0])
    assert metrics.accuracy(answers, VALIDATION[1]) == done.kept_score[0]
    assert not np.array_equal(teacher.theta, done.theta[0])


def test_where_one_class_has_most_rows_an_epoch_can_be_kept_by_balanced_accuracy():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((300, 4)).astype(np.float32)
    labels = (x[:, 0] + rng.standard_normal(300) > 1.2).astype(int)  # four in five are 0
    rows, validation = (x[:200], labels[:200]), (x[200:], labels[200:])
    schedule = Schedule(1e-2, 16, 30, patience=30)
    kept = {}
    for balanced, metric in ((False, metrics.accuracy), (True, metrics.balanced_accuracy)):
        teacher, done = teach(rows, validation, widths=(6, 6), schedule=schedule, balanced=balanced)
        assert metric(teacher.predict(validation[0]), validation[1]) == done.kept_score[0]
        assert done.kept_score[0] == max(row["score"] for row in done.history)
        kept[balanced] = metrics.balanced_accuracy(teacher.predict(validation[0]), validation[1])
    assert kept[True] > kept[False]


def test_the_same_seed_gives_the_same_bits_and_every_argument_reaches_the_training():
    usual = theta_of()
    assert np.array_equal(theta_of(), usual) and usual.dtype == np.float32
    for change in (
        {"seed": 1}, {"dropout": 0.0}, {"activation": "tanh"},
        {"schedule": Schedule(2e-2, 16, 3)}, {"schedule": Schedule(1e-2, 8, 3)},
        {"schedule": Schedule(1e-2, 16, 4)}, {"schedule": Schedule(1e-2, 16, 3, cosine=True)},
        {"rows": (X[:40], LABELS[1:41])},
    ):
        assert not np.array_equal(theta_of(**change), usual), change
    assert teach(ROWS, VALIDATION, widths=[7], schedule=USUAL["schedule"])[0].model.widths == (7,)


def test_classes_that_no_row_has_can_be_asked_for():
    assert teach(ROWS, VALIDATION, **USUAL)[0].model.classes == 3
    assert teach(ROWS, VALIDATION, classes=5, **USUAL)[0].model.classes == 5


def test_the_hook_sees_every_epoch():
    seen = []
    _, done = teach(ROWS, VALIDATION, **USUAL, hook=lambda t: seen.append(t.epoch))
    assert seen == [0, 1, 2, 3] and done.epoch == 3


@pytest.mark.parametrize("rows, validation, message", [
    (X, VALIDATION, r"rows is ndarray, expected x \(N, D\) and labels \(N,\)"),
    ((X[0], LABELS), VALIDATION, r"rows: x has shape \(4,\) and labels \(60,\), expected \(N, D\)"),
    ((X, LABELS[:9]), VALIDATION, r"rows: x has shape \(60, 4\) and labels \(9,\), expected"),
    ((X, LABELS * 1.0), VALIDATION, "rows: labels are no class numbers 0..K−1"),
    ((X, LABELS - 1), VALIDATION, "rows: labels are no class numbers 0..K−1"),
    ((X, np.array(["a"] * 60)), VALIDATION, "rows: labels are no class numbers"),
    ((X[:0], LABELS[:0]), VALIDATION, "rows: labels are no class numbers"),
    (ROWS, X, "validation is ndarray, expected x"),
    (ROWS, (X[:, :3], LABELS), r"validation: x has shape \(60, 3\) .* expected \(N, 4\)"),
    (ROWS, (X, LABELS + 1), "validation: labels are no class numbers 0..2"),
])
def test_rows_that_do_not_fit_are_refused_by_name(rows, validation, message):
    with pytest.raises(ValueError, match=message):
        teach(rows, validation, **USUAL)


def test_a_label_beyond_the_classes_that_were_asked_for_is_refused():
    with pytest.raises(ValueError, match="rows: labels are no class numbers 0..1: encode them"):
        teach(ROWS, VALIDATION, classes=2, **USUAL)
