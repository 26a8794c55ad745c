"""DataFreeDistiller: scikit-learn's own checks, and what it says and does beside them."""

import subprocess
import sys
from functools import partial
from unittest import SkipTest

import numpy as np
import pytest
from shell import ENVIRONMENT

sklearn = pytest.importorskip("sklearn")
from sklearn.base import clone  # noqa: E402
from sklearn.compose import ColumnTransformer  # noqa: E402
from sklearn.datasets import load_wine  # noqa: E402
from sklearn.ensemble import RandomForestClassifier  # noqa: E402
from sklearn.exceptions import NotFittedError  # noqa: E402
from sklearn.frozen import FrozenEstimator  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.model_selection import cross_val_score  # noqa: E402
from sklearn.neural_network import MLPClassifier  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import MinMaxScaler, StandardScaler  # noqa: E402
from sklearn.utils.estimator_checks import (  # noqa: E402
    estimator_checks_generator,
    parametrize_with_checks,
)

from kegnet_np import DataFreeDistiller  # noqa: E402
from kegnet_np.interface.teachers import known  # noqa: E402
from kegnet_np.io import convert  # noqa: E402
from kegnet_np.io.classifier import Classifier  # noqa: E402
from kegnet_np.io.formats import scikit  # noqa: E402

CHECKS = 54  # of scikit-learn 1.9 that apply
SKIPPED = {"check_array_api_input"}  # needs a package and an environment variable
TEACHER = LogisticRegression()


@parametrize_with_checks([DataFreeDistiller(TEACHER, 4, n_samples=30_000)])
def test_scikit_learns_own_checks_pass(estimator, check):
    try:
        check(estimator)
    except SkipTest:
        assert name_of(check) in SKIPPED
        raise


def test_as_many_checks_are_run_as_there_were():
    names = [name_of(check) for _, check in estimator_checks_generator(DataFreeDistiller(TEACHER))]
    count = len(names) - len(SKIPPED & set(names))
    if sklearn.__version__.startswith("1.9."):
        assert count == CHECKS
    else:  # its list is another in every release
        assert count > 40


def name_of(check) -> str:
    while isinstance(check, partial):
        check = check.func
    return check.__name__


@pytest.fixture(scope="module")
def wine():
    x, names = load_wine(return_X_y=True)
    y = np.array(["red", "rosé", "white"])[names]
    mlp = MLPClassifier((30,), max_iter=400, random_state=0)
    return x, y, make_pipeline(StandardScaler(), mlp).fit(x, y)


def distiller(teacher, **given):
    return DataFreeDistiller(teacher, **{"compression": 3, "n_samples": 100_000,
                                         "random_state": 0} | given)


@pytest.fixture(scope="module")
def fitted(wine):
    return distiller(wine[2], n_students=2).fit()


def test_a_student_is_learnt_from_a_fitted_teacher_and_nothing_else(wine, fitted):
    x, y, teacher = wine
    assert fitted.fit() is fitted and fitted.teacher_ is teacher
    assert fitted.classes_.tolist() == ["red", "rosé", "white"] and fitted.n_features_in_ == 13
    assert (fitted.predict(x) == teacher.predict(x)).mean() > 0.93
    assert fitted.score(x, y) > 0.93
    p = fitted.predict_proba(x)
    np.testing.assert_array_equal(p, fitted.student_.predict_proba(x))
    np.testing.assert_allclose(p.sum(1), 1, rtol=1e-12)
    size = teacher[-1].coefs_[0].size + 30 + 3 * 30 + 3
    assert fitted.n_params_ == fitted.student_.network.size <= size / 3
    assert fitted.compression_ == pytest.approx(size / fitted.n_params_)
    assert fitted.agreements_.shape == (2,) and fitted.agreement_ == fitted.agreements_.max() > 0.9
    assert fitted.loss_curve_[-1] < 0.2 * fitted.loss_curve_[0] and len(fitted.loss_curve_) == 48


def test_the_same_seed_gives_the_same_student(wine, fitted):
    again, other = (distiller(wine[2], n_students=2, random_state=r).fit() for r in (0, 1))
    assert (again.student_.network.theta == fitted.student_.network.theta).all()
    assert again.student_.network.theta.tobytes() != other.student_.network.theta.tobytes()


def test_an_unfitted_teacher_is_fitted_first_in_the_units_of_its_rows(wine):
    x, y, _ = wine
    bare = LogisticRegression(max_iter=3000)  # of features as large as 1,680, without a scaler
    made = distiller(bare, compression=100).fit(x, y)
    assert not hasattr(bare, "coef_") and made.teacher_.score(x, y) > 0.95
    assert (made.predict(x) == made.teacher_.predict(x)).mean() > 0.9
    np.testing.assert_allclose(made.student_.mean, x.mean(0))
    known = distiller(bare.fit(x, y), compression=100, mean=x.mean(0), scale=x.std(0)).fit()
    np.testing.assert_allclose(known.predict_proba(x), made.predict_proba(x), atol=1e-6)
    with pytest.warns(UserWarning, match="the teacher has no scaler, and no mean and scale are"):
        blind = distiller(bare, compression=100).fit()
    assert (blind.predict(x) == bare.predict(x)).mean() < 0.9  # noise met none of those rows


def test_a_networks_units_may_be_given_as_a_forests_may(wine):
    x, y, _ = wine
    z = (x - x.mean(0)) / x.std(0)
    mlp = MLPClassifier((20,), max_iter=400, random_state=0).fit(z / 2 + 3, y)
    found = known(mlp, mean=np.full(13, 3.0), scale=np.full(13, 0.5))
    assert found.scaled and (found.schema.mean == 3).all()
    np.testing.assert_allclose(found.says.predict_proba(z / 2 + 3), mlp.predict_proba(z / 2 + 3),
                               atol=1e-5)
    logits = found.M.predict(z.astype("f4"))
    assert (np.array(mlp.classes_)[logits.argmax(1)] == mlp.predict(z / 2 + 3)).all()


def test_a_forest_is_only_asked_and_counts_as_the_papers_teacher(wine):
    x, y, _ = wine
    forest = make_pipeline(MinMaxScaler(), RandomForestClassifier(20, random_state=0)).fit(x, y)
    made = distiller(forest, compression=40, n_samples=30_000).fit()
    assert made.n_params_ <= 102_803 / 40 and (made.predict(x) == y).mean() > 0.9
    low, high = x.min(0), x.max(0)  # noise lies in the ranges that are known
    np.testing.assert_allclose(made.student_.mean, (low + high) / 2)
    np.testing.assert_allclose(made.student_.scale, (high - low) / 12**0.5)
    for options, words in [({"ranks": 3}, "which has no p: nothing can be learnt by its gradient"),
                           ({"sampler": "kegnet"}, "the teacher is a function, which has no"),
                           ({"sampler": "energy"}, "the teacher is a function, which has no p")]:
        with pytest.raises(ValueError, match=words):
            distiller(forest, **options).fit()


def test_a_model_that_finds_its_columns_by_name_is_asked_by_name(recwarn):
    frame = load_wine(as_frame=True).frame
    x, y = frame.drop(columns="target"), frame["target"]
    chosen = ColumnTransformer([("some", StandardScaler(), ["alcohol", "flavanoids", "hue"])])
    model = make_pipeline(chosen, LogisticRegression()).fit(x, y)
    made = distiller(model, compression=100, mean=x.mean(), scale=x.std()).fit()
    assert (made.predict(x) == model.predict(x)).mean() > 0.9 and not recwarn.list
    assert made.feature_names_in_.tolist() == list(made.student_.feature_names) == list(x)
    shuffled = x[x.columns[::-1]]
    assert (made.student_.predict(shuffled) == made.predict(x).astype(str)).all()
    with pytest.raises(ValueError, match="feature names should match"):
        made.predict(shuffled)


def test_size_and_form_are_as_they_are_asked(wine):
    made = distiller(wine[2], hidden_layer_sizes=(7, 5), activation="tanh", n_samples=20_000).fit()
    assert made.student_.network.model.widths == (7, 5)
    mlp = made.to_sklearn()
    np.testing.assert_allclose(mlp.predict_proba(wine[0]), made.predict_proba(wine[0]), atol=1e-9)
    tucker = distiller(wine[2], ranks=4, n_samples=20_000).fit()
    assert tucker.student_.network.model.ranks == (4,)
    assert tucker.student_.network.model.activation == "relu"


def test_cross_validation_fits_the_teacher_unless_it_is_frozen(wine):
    x, y, teacher = wine
    short = distiller(FrozenEstimator(teacher), n_samples=20_000)
    assert clone(short).fit().teacher_.score(x, y) == teacher.score(x, y)
    scores = cross_val_score(distiller(clone(teacher), n_samples=20_000), x, y, cv=2)
    assert (scores > 0.85).all()


@pytest.mark.parametrize("ending", ["onnx", "h", "py", "safetensors"])
def test_the_student_is_written_in_every_format(fitted, tmp_path, ending):
    if ending == "onnx":
        pytest.importorskip("onnx")
    method = {"h": "to_c", "py": "to_python"}.get(ending, f"to_{ending}")
    getattr(fitted, method)(tmp_path / f"student.{ending}")
    (tmp_path / "again").mkdir()
    convert.write(tmp_path / f"again/student.{ending}", fitted.student_)
    one, two = (path.read_bytes() for path in sorted(tmp_path.rglob(f"*.{ending}")))
    assert one == two and len(one) > 1000
    with pytest.raises(ValueError, match="expected one that ends in "):
        getattr(fitted, method)(tmp_path / "student.npz")


def test_a_file_and_a_classifier_are_teachers_too(wine, tmp_path):
    found = scikit.from_sklearn(wine[2])
    convert.write(tmp_path / "teacher.safetensors", found)
    made = [distiller(teacher, n_samples=20_000).fit()
            for teacher in (found, tmp_path / "teacher.safetensors")]
    assert isinstance(made[0].student_, Classifier)
    np.testing.assert_array_equal(*(d.predict_proba(wine[0]) for d in made))


@pytest.mark.parametrize("given, words", [
    ({"teacher": None}, "teacher is None, expected a classifier of scikit-learn"),
    ({"teacher": StandardScaler()}, "not fitted"),
    ({"compression": 1}, "compression is 1, expected a number above 1"),
    ({"compression": 500}, r"budget is 1 parameters, expected at least \d+: width 1 in"),
    ({"sampler": "nice"}, "sampler is 'nice', expected NAME"),
    ({"activation": "gelu"}, "activation is 'gelu'"),
    ({"n_students": 0}, "n_students is 0, expected an integer of at least 1"),
    ({"n_samples": 1e6}, "n_samples is 1000000.0, expected an integer"),
    ({"hidden_layer_sizes": (3, 0)}, "hidden_layer_sizes is .3, 0., expected positive integers"),
    ({"hidden_layer_sizes": 4, "ranks": 2}, "ranks is 2 and hidden_layer_sizes 4, expected one"),
    ({"ranks": "best"}, "ranks is 'best', expected integers or 'auto'"),
    ({"ranks": 99}, "ranks"),
    ({"mean": np.ones(3)}, None),
])
def test_what_does_not_fit_is_refused_by_name(wine, given, words):
    if words is None:  # a scaler of its own comes first
        assert (distiller(wine[2], n_samples=4000, **given).fit().student_.mean != 1).all()
        return
    with pytest.raises(ValueError, match=words):
        distiller(**{"teacher": wine[2]} | given).fit()


def test_nothing_is_answered_before_fit(wine):
    for call in (lambda d: d.predict(wine[0]), lambda d: d.to_c("a.h"), lambda d: d.to_sklearn()):
        with pytest.raises(NotFittedError):
            call(distiller(wine[2]))
    with pytest.raises(NotFittedError, match="teacher is not fitted: fit it first, or give X and"):
        distiller(MLPClassifier()).fit()


def test_scikit_learn_is_imported_when_the_estimator_is_asked_for():
    code = ("import sys, kegnet_np; assert 'sklearn' not in sys.modules; "
            "from kegnet_np import DataFreeDistiller; assert 'sklearn' in sys.modules; "
            "print(DataFreeDistiller.__module__)")
    done = subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True,
                          text=True, check=True)
    assert done.stdout == "kegnet_np.interface.estimator\n"
    import kegnet_np

    with pytest.raises(AttributeError, match="has no attribute 'Distiller'"):
        _ = kegnet_np.Distiller
