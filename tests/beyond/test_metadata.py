"""A little metadata: samplers that know of the data what the file says, in the teacher's units."""

import json

import numpy as np
import pytest

import data_loaders
from kegnet_np.beyond import metadata, samplers
from kegnet_np.models import MLP
from kegnet_np.network import Network

MEAN, SCALE = np.array([10.0, -2.0, 0.5]), np.array([2.0, 0.5, 4.0])


def write(path, **entries):
    path.write_text(json.dumps(entries), encoding="utf-8")
    return path


def draw(path, name, rng, n=40_000):
    teacher = Network.random(MLP(3, 2, (4,)), rng)
    described = metadata.load(path, MEAN, SCALE)
    return samplers.make(name, teacher, None, described)(rng, n)


def test_ranges_cut_the_normal_distribution_off(tmp_path, rng):
    path = write(tmp_path / "m.json", ranges=[[10, 12], [-2.5, -1.5], [-1e6, 1e6]])
    x = draw(path, "ranges", rng)
    assert x.dtype == np.float32 and x[:, 0].min() >= 0 and x[:, 0].max() <= 1
    assert np.abs(x[:, 1]).max() <= 1 and x[:, 2].std() == pytest.approx(1, abs=0.02)
    # E x of a normal variable between 0 and 1: (φ(0) − φ(1)) / (Φ(1) − Φ(0))
    assert x[:, 0].mean() == pytest.approx(0.4598622, abs=0.005)


def test_a_covariance_gives_a_gaussian_in_the_teachers_units(tmp_path, rng):
    A = rng.standard_normal((3, 3))
    sigma = A @ A.T
    path = write(tmp_path / "m.json", mean=[12, -2, 0.5], covariance=sigma.tolist())
    x = draw(path, "covariance", rng)
    assert np.cov(x.T) == pytest.approx(sigma / np.outer(SCALE, SCALE), abs=0.05)
    assert x.mean(0) == pytest.approx([1, 0, 0], abs=0.05)


def test_classes_are_drawn_equally_often_each_around_its_mean(tmp_path, rng):
    classes = {
        "a": {"mean": [10, -2, 0.5], "variance": [0, 0, 0]},
        "b": {"mean": [30, -2, 0.5], "variance": [4, 0, 16]},
    }
    x = draw(write(tmp_path / "m.json", classes=classes), "classes", rng)
    first = (x == 0).all(1)
    assert first.mean() == pytest.approx(0.5, abs=0.01)
    assert x[~first].mean(0) == pytest.approx([10, 0, 0], abs=0.05)
    assert x[~first].std(0) == pytest.approx([1, 0, 1], abs=0.03)


def test_a_description_is_of_the_training_rows_in_the_datas_own_units(tmp_path, rng):
    data = data_loaders.load("digits")
    x = data.x_train.astype(np.float64) * data.scale + data.mean
    given = metadata.describe(data)
    assert np.array(given["ranges"])[:, 0] == pytest.approx(x.min(0), abs=1e-5)
    assert np.array(given["ranges"])[:, 1] == pytest.approx(x.max(0), rel=1e-5)
    assert set(given["classes"]) == set(map(str, data.class_names))
    for k, name in enumerate(map(str, data.class_names)):
        rows = x[data.y_train == k]
        assert given["classes"][name]["mean"] == pytest.approx(rows.mean(0))
        assert given["classes"][name]["variance"] == pytest.approx(rows.var(0))
    described = metadata.load(write(tmp_path / "m.json", **given), data.mean, data.scale)
    assert set(described) == set(metadata.REVEALS)
    standardised = described["covariance"](rng, 40_000)
    assert np.cov(standardised.T) == pytest.approx(np.cov(data.x_train.T), abs=0.05)


@pytest.mark.parametrize("text, words", [
    ("{", "is not JSON"),
    ("[1]", "expected an object with some of ranges, mean, covariance, classes"),
    ('{"range": []}', "expected an object with some of"),
    ('{"ranges": [[0, 1]]}', "ranges is not 3 x 2 finite numbers"),
    ('{"ranges": [[0, 1], [2, 1], [0, 1]]}', "ranges has a low above its high"),
    ('{"covariance": [[1, 0, 0], [0, 1, 0], [0, 0, -1]]}', "covariance is not symmetric with"),
    ('{"covariance": [[1, 2, 0], [0, 1, 0], [0, 0, 1]]}', "covariance is not symmetric with"),
    ('{"mean": ["a", 0, 0], "covariance": [[1, 0, 0], [0, 1, 0], [0, 0, 1]]}', "mean is not 3"),
    ('{"classes": {}}', "classes is not an object by class name"),
    ('{"classes": {"a": {"mean": [0, 0, 0]}}}', "class 'a' needs mean and variance"),
    ('{"classes": {"a": {"mean": [0, 0, 0], "variance": [0, -1, 0]}}}', "variance of 'a' is below"),
    ('{"ranges": [[0, Infinity], [0, 1], [0, 1]]}', "ranges is not 3 x 2 finite numbers"),
])
def test_a_bad_file_is_refused_with_the_entry_that_is_bad(tmp_path, text, words):
    (tmp_path / "m.json").write_text(text)
    with pytest.raises(ValueError, match="--metadata .*m.json") as error:
        metadata.load(tmp_path / "m.json", MEAN, SCALE)
    assert words in str(error.value)
