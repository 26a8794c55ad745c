"""Layers fitted to activations."""

from dataclasses import replace

import numpy as np
import pytest

from kegnet_np import losses, tucker
from kegnet_np.activations import ACTIVATIONS
from kegnet_np.beyond import start
from kegnet_np.models import MLP
from kegnet_np.network import Network


@pytest.fixture(scope="module", params=["elu", "tanh"])
def teacher(request):
    """A random teacher whose logits vary by more than those of a fresh one."""
    model = MLP(6, 4, (20,) * 3, request.param, dropout=0.1)
    return Network(model, 3 * model.init(np.random.default_rng(1))[0])


def normal(n, D=6, seed=3):
    return np.random.default_rng(seed).standard_normal((n, D)).astype(np.float32)


def test_fitted_layers_of_full_rank_are_the_teacher(teacher, monkeypatch):
    monkeypatch.setattr(start, "RIDGE", 1e-9)
    student = start.fit_layers(teacher, 20, normal(3000))
    x = normal(200, seed=4)
    assert np.abs(student.predict(x) - teacher.predict(x)).max() < 1e-3
    assert student.size == replace(teacher.model, ranks=(20,)).layout.size


def test_a_fitted_first_layer_is_the_best_map_of_its_rank(teacher):
    x, p = normal(4000), teacher.p
    Y = x.astype(np.float64) @ p["W0"] + p["b0"]

    def error(student):
        q = {k: v.astype(np.float64) for k, v in student.p.items()}
        fitted = x @ q["U_in0"] @ q["core0"] @ q["U_out0"] + q["b0"]
        return ((fitted - Y) ** 2).sum()

    student = start.fit_layers(teacher, 3, x)
    Yc, Xc = Y - Y.mean(0), x - x.mean(0, dtype=np.float64)
    # Eckart and Young in the metric of the samples: what rank 3 of the fitted values leaves out
    values = np.linalg.svd(Xc @ np.linalg.lstsq(Xc, Yc, rcond=None)[0], compute_uv=False)
    assert error(student) == pytest.approx((values[3:] ** 2).sum(), rel=1e-3)
    assert error(tucker.compress(teacher, 3)) > 1.001 * error(student)


def test_fitting_each_layer_to_what_the_student_sees_beats_the_weights_alone(teacher):
    x, rows = normal(3000), normal(1000, seed=5)
    truth = losses.softmax(teacher.predict(rows))
    kl = [
        float(losses.kl(made.predict(rows), truth))
        for made in (start.fit_layers(teacher, 4, x), tucker.compress(teacher, 4))
    ]
    assert kl[0] < 0.7 * kl[1]


def test_a_layer_is_fitted_to_what_the_student_sees_and_not_the_teacher(teacher, monkeypatch):
    monkeypatch.setattr(start, "RIDGE", 1e-9)
    f, x = ACTIVATIONS[teacher.model.activation].value, normal(3000).astype(np.float64)
    student = start.fit_layers(teacher, (2, 20), x)
    p, q = ({k: v.astype(np.float64) for k, v in n.p.items()} for n in (teacher, student))
    seen = f(x @ q["U_in0"] @ q["core0"] @ q["U_out0"] + q["b0"])
    wanted = f(x @ p["W0"] + p["b0"]) @ p["W1"] + p["b1"]
    left = wanted - (seen @ q["U_in1"] @ q["core1"] @ q["U_out1"] + q["b1"])
    # Least squares: what is left has no correlation with what the layer sees, though much is left.
    correlation = np.corrcoef(seen, left, rowvar=False)[:20, 20:]
    assert np.abs(correlation).max() < 0.01 and left.std() > 0.1 * wanted.std()


def test_uneven_layers_are_fitted_up_to_their_own_sizes(monkeypatch):
    monkeypatch.setattr(start, "RIDGE", 1e-9)
    teacher = Network.random(MLP(6, 4, (9, 3, 7), "logistic"), np.random.default_rng(1))
    student, x = start.fit_layers(teacher, 9, normal(3000)), normal(200, seed=4)
    assert student.model == tucker.compress(teacher, 9).model
    assert np.abs(student.predict(x) - teacher.predict(x)).max() < 1e-3


def test_samples_of_another_width_are_refused(teacher):
    with pytest.raises(ValueError, match=r"x has shape \(10, 5\), expected finite rows \(N, 6\)"):
        start.fit_layers(teacher, 3, normal(10, D=5))
