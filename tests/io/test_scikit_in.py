"""scikit-learn's models come in alive or from .skops files; everything else it has is refused."""

import json
import subprocess
import sys
import warnings
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import SETTINGS, classifiers, rows
from shell import ENVIRONMENT
from teacher_files import refusal, same

from kegnet_np.io import convert
from kegnet_np.io.classifier import largest_difference
from kegnet_np.io.files import FormatError
from kegnet_np.io.formats import scikit

pytest.importorskip("sklearn")
import sklearn.neural_network as neural
import sklearn.preprocessing as pre
from sklearn.pipeline import make_pipeline

X = np.random.default_rng(0).lognormal(1, 1, (60, 4))
Y = {
    "text": np.array(["ant", "bee", "λ"])[np.arange(60) % 3],
    "numbers": np.arange(60) % 3 * 7,
    "binary": np.array(["no", "yes"])[np.arange(60) % 2],
    "objects": np.array(["no", "yes"], object)[np.arange(60) % 2],
    "flags": np.arange(60) % 2 > 0,
}
SCALERS = {
    "none": [],
    "standard": [pre.StandardScaler()],
    "all": [pre.StandardScaler(), pre.MinMaxScaler((-1, 3)), pre.RobustScaler(),
            pre.MaxAbsScaler()],
    "centred": [pre.StandardScaler(with_std=False), "passthrough"],
    "scaled": [pre.StandardScaler(with_mean=False), pre.RobustScaler(with_centering=False)],
    "neither": [pre.RobustScaler(with_scaling=False), None],
}


def fitted(*scalers, y="text", **options):
    """A pipeline, or without scalers an MLPClassifier alone, after two epochs."""
    mlp = neural.MLPClassifier((5, 3), max_iter=2, random_state=0, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # not converged
        return (make_pipeline(*scalers, mlp) if scalers else mlp).fit(X, Y[y])


def dumped(path, model):
    io = pytest.importorskip("skops.io")
    io.dump(model, path)
    return path


@pytest.mark.parametrize("y", Y)
@pytest.mark.parametrize("scalers", SCALERS)
def test_a_pipeline_alive_or_in_a_file_is_its_probabilities(tmp_path, scalers, y):
    model = fitted(*SCALERS[scalers], y=y)
    found = scikit.from_sklearn(model)
    assert np.abs(found.predict_proba(X) - model.predict_proba(X)).max() < 1e-12
    assert found.class_names == tuple(map(str, np.unique(Y[y])))
    assert largest_difference(found, model.predict_proba) < 1e-12
    same(convert.read(dumped(tmp_path / "a.skops", model)), found)


@pytest.mark.parametrize("scaler, exact", [
    (pre.StandardScaler(), 1e-9), (pre.RobustScaler(), 0.15), (pre.MinMaxScaler(), 0.05),
    (pre.MinMaxScaler((-1, 3)), 0.05), (pre.MaxAbsScaler(), 0.05)])
def test_rows_are_standardised_for_the_network_whatever_the_scaler(scaler, exact):
    rng = np.random.default_rng(0)
    draw = rng.standard_normal if isinstance(scaler, pre.RobustScaler) else rng.random
    x = (draw((20_000, 4)) - 0.5 * isinstance(scaler, pre.MaxAbsScaler)) * [1, 5, 2, 0.1]
    model = make_pipeline(scaler, neural.MLPClassifier((3,), max_iter=1, random_state=0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # not converged
        model.fit(x, (x.sum(1) > 0).astype(int) + (x[:, 0] > 0.2))
    found = scikit.from_sklearn(model)
    z = (x - found.mean) / found.scale
    np.testing.assert_allclose(z.mean(0), 0, atol=exact)
    np.testing.assert_allclose(z.std(0), 1, atol=exact)
    assert np.abs(found.predict_proba(x) - model.predict_proba(x)).max() < 1e-12


@pytest.mark.parametrize("activation", scikit.ACTIVATIONS)
@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_every_activation_and_solver_comes_in(tmp_path, activation, solver):
    model = fitted(activation=activation, solver=solver)
    found = scikit.from_sklearn(model)
    assert found.network.model.activation == activation and found.network.model.widths == (5, 3)
    assert np.abs(found.predict_proba(X) - model.predict_proba(X)).max() < 1e-12
    same(convert.read(dumped(tmp_path / "a.skops", model)), found)


@SETTINGS
@given(c=classifiers(scikit.ACTIVATIONS), alive=st.booleans())
def test_what_went_out_to_scikit_learn_comes_back(tmp_path_factory, c, alive):
    model = scikit.to_sklearn(c)
    path = tmp_path_factory.mktemp("skops") / "a.skops"
    back = scikit.from_sklearn(model) if alive else convert.read(dumped(path, model))
    x = rows(c, 50)
    assert np.abs(back.predict_proba(x) - c.predict_proba(x)).max() < 1e-12
    assert back.class_names == c.class_names and np.allclose(back.mean, c.mean, rtol=1e-15)


def test_names_of_features_are_no_matter():
    model = fitted(pre.StandardScaler())
    model[0].feature_names_in_ = np.array(list("abcd"), object)  # as a DataFrame leaves them
    with pytest.warns(UserWarning, match="feature names"):
        expected = model.predict_proba(X)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = scikit.from_sklearn(model)
    assert np.abs(found.predict_proba(X) - expected).max() < 1e-12


def test_a_file_is_read_without_scikit_learn_and_skops(tmp_path):
    path = dumped(tmp_path / "a.skops", fitted(*SCALERS["all"]))
    program = ("import sys; from kegnet_np.io import convert; convert.read(sys.argv[1]); "
               "print(*sorted({name.partition('.')[0] for name in sys.modules}))")
    done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True,
                          env=ENVIRONMENT, check=True)
    assert "kegnet_np" in done.stdout.split()
    assert not {"sklearn", "skops"} & set(done.stdout.split())


class Odd(neural.MLPClassifier):
    def predict_proba(self, X):
        return super().predict_proba(X)[:, ::-1]


def odd():
    return Odd((3,), max_iter=1).fit(X, Y["text"])


def multilabel():
    return neural.MLPClassifier((3,), max_iter=1).fit(X, np.eye(3)[np.arange(60) % 3].astype(int))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("model, words", [
    (lambda: neural.MLPClassifier(), "MLPClassifier has no coefs_: it is not fitted; fit it first"),
    (lambda: make_pipeline(pre.StandardScaler(), fitted()), "StandardScaler has no mean_: it is"),
    (multilabel, "several labels at once (multilabel), expected one class for each row; train one"),
    (lambda: fitted(pre.MinMaxScaler(clip=True)), "MinMaxScaler has clip=True, which mean and"),
    (lambda: fitted(pre.PowerTransformer()), "step 1 of 2 is 'PowerTransformer', expected an"),
    (lambda: make_pipeline(fitted(), pre.StandardScaler()), "step 1 of 2 is 'MLPClassifier', exp"),
    (lambda: make_pipeline(pre.StandardScaler().fit(X)), "step 1 of 1 is 'StandardScaler'"),
    (lambda: neural.MLPRegressor(max_iter=1).fit(X, X[:, 0]), "1 of 1 is 'MLPRegressor', "),
    (lambda: make_pipeline("passthrough"), "the pipeline has no steps"),
    (odd, "the model's probabilities differ by "),
])
def test_what_is_no_affine_scaler_and_mlp_is_refused(model, words):
    with pytest.raises(FormatError) as caught:
        scikit.from_sklearn(model())
    assert words in str(caught.value)


def changed(tmp_path, change, *scalers):
    """A .skops file with its schema changed."""
    source = dumped(tmp_path / "sound.skops", fitted(*scalers))
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(tmp_path / "a.skops", "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "schema.json":
                schema = json.loads(content)
                content = json.dumps(change(schema) or schema)
            new.writestr(name, content)
    return tmp_path / "a.skops"


def attributes(schema):
    return schema["content"]["content"]


@pytest.mark.parametrize("change, words", [
    (lambda s: s.update(protocol=3), "its protocol is 3, this program reads up to 2; pass the"),
    (lambda s: s.update(protocol="2"), "damaged, or no .skops file of a classifier (TypeError"),
    (lambda s: s.update(__module__="os"), "step 1 of 1 is 'os.MLPClassifier', expected an MLPClas"),
    (lambda s: s.update(__class__="system"), "'sklearn.neural_network._multilayer_perceptron.syst"),
    (lambda s: s.update(__loader__="MethodNode"), "its schema has a 'MethodNode', expected an obj"),
    (lambda s: attributes(s).__delitem__("coefs_"), "MLPClassifier has no coefs_: it is not"),
    (lambda s: attributes(s)["classes_"].update(type="json"), "(KeyError: 'content')"),
    (lambda s: attributes(s)["classes_"].update(file="../a"), "(KeyError: \"There is no item nam"),
    (lambda s: attributes(s)["classes_"].update(file="schema.json"), "magic string is not correct"),
    (lambda s: attributes(s)["classes_"].update(attributes(s)["coefs_"]["content"][0]),
     "class_names has 4 names, expected 3"),
    (lambda s: attributes(s)["activation"].update(content='"gelu"'), "activation is 'gelu', expec"),
    (lambda s: attributes(s)["activation"].update(content="[1]"), "JSON of more than a number or"),
    (lambda s: attributes(s)["activation"].update(__loader__="FunctionNode"), "a 'FunctionNode' o"),
    (lambda s: attributes(s)["coefs_"].update(content=[{**attributes(s)["coefs_"]}]), "a 'Lis"),
    (lambda s: ["no", "dict"], "damaged, or no .skops file"),
    (lambda s: {"protocol": 2, "x": "y" * 2**22}, "expected 2,097,152 at the most"),
])
def test_a_schema_of_anything_else_is_refused(tmp_path, change, words):
    assert words in refusal(changed(tmp_path, change))


def test_scalers_that_do_not_fit_are_refused(tmp_path):
    def wider(schema):
        steps = attributes(schema)["steps"]["content"]
        scaler, mlp = (attributes(pair["content"][1]) for pair in steps)
        scaler["scale_"] = mlp["coefs_"]["content"][0]

    words = refusal(changed(tmp_path, wider, pre.StandardScaler()))
    assert "StandardScaler has numbers of shape (4, 5), expected (4,), one for each" in words
    with zipfile.ZipFile(tmp_path / "b.skops", "w") as archive:
        archive.writestr("other.json", "{}")
    assert "it holds no schema.json; write it with skops.io.dump" in refusal(tmp_path / "b.skops")
