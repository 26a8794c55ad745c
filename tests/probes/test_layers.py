"""Hidden layers, their likeness, and boundaries on planes."""

import numpy as np
import pytest
from checks import close
from scipy.stats import ortho_group
from scipy.stats import t as student_t

from kegnet_np.activations import ACTIVATIONS
from kegnet_np.autodiff import value_and_grad
from kegnet_np.losses import cross_entropy
from kegnet_np.models import MLP
from kegnet_np.network import Network
from kegnet_np.probes import layers

MODELS = {"plain": MLP(3, 4, (7, 6, 5), "tanh", 0.2),
          "Tucker": MLP(3, 4, (7, 6, 5), dropout=0.2, ranks=(3, 2)),
          "lean": MLP(3, 4, (7, 6, 5), dropout=0.2, ranks=(3, 2), lean=True),
          "linear": MLP(3, 4, ())}


def stack_of(model, S=2, dtype=np.float64):
    rngs = [np.random.default_rng(i) for i in range(S)]
    return Network(model, 2 * Network.random(model, rngs, dtype).theta)


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_the_last_output_is_the_networks_with_its_gradient_and_dropout(model, rng):
    network, x, y = stack_of(model), rng.standard_normal((9, 3)), np.eye(4)[rng.integers(4, size=9)]
    close(layers.outputs(model, network.p, x)[-1], network.predict(x), 1e-12)
    masks = model.draw_masks([rng, rng], 9, np.float64)

    def whole(p):
        return cross_entropy(model.apply(p, None, x, train=True, masks=masks)[0], y), None

    def by_layer(p):
        return cross_entropy(layers.outputs(model, p, x, masks)[-1], y), None

    for found, expected in zip(*(value_and_grad(loss, model.layout)(network.theta)[:2]
                                 for loss in (by_layer, whole)), strict=True):
        close(found, expected, 1e-12)


@pytest.mark.parametrize("name", ["plain", "Tucker"])
def test_a_hidden_layer_is_the_activation_of_the_weights_times_the_one_before(name, rng):
    model, x = MODELS[name], rng.standard_normal((9, 3))
    one = stack_of(model).member(1)
    before = x
    for i, h in enumerate(layers.activations(one, x)):
        W = one.p[f"W{i}"] if name == "plain" else np.linalg.multi_dot(
            [one.p[f"{kind}{i}"] for kind in ("U_in", "core", "U_out")])
        before = ACTIVATIONS[model.activation].value(before @ W + one.p[f"b{i}"])
        close(h, before, 1e-12)
    assert i == 2
    for h, shared in zip(layers.activations(one, x), layers.activations(stack_of(model), x),
                         strict=True):
        close(shared[1], h, 1e-12)


def test_cka_is_one_of_equals_and_sees_no_rotation_scale_or_shift(rng):
    a, turn = rng.standard_normal((50, 5)), ortho_group.rvs(5, random_state=1)
    b = rng.standard_normal((50, 5)) @ rng.standard_normal((5, 5)) + a
    assert layers.cka(a, a).mean == pytest.approx(1, rel=1e-12)
    assert layers.cka(a, 3 * a @ turn + 1).mean == pytest.approx(1, rel=1e-12)
    assert layers.cka(a, 3 * a @ turn + 1).half < 1e-12
    plain = layers.cka(a, b).mean
    assert 0.1 < plain < 0.9
    assert layers.cka(-7 * a @ turn, b + 2).mean == pytest.approx(plain, rel=1e-12)
    assert layers.cka(a * np.arange(1, 6), b).mean != pytest.approx(plain, rel=0.01)
    assert layers.cka(1e-4 * a, 1e-4 * b).mean == pytest.approx(plain, rel=1e-10)
    assert layers.cka(a.astype(np.float32), b).mean == pytest.approx(plain, rel=1e-5)


def test_cka_of_what_never_moves_together_is_zero_and_of_constants_undefined():
    a, b = np.array([[1.0], [1], [-1], [-1]]), np.array([[1.0], [-1], [1], [-1]])
    assert layers.cka(a, b).mean == 0
    assert np.isnan(layers.cka(a, 0 * b + 3).mean)
    with pytest.raises(ValueError, match="b has 3 rows, expected 4"):
        layers.cka(a, b[:3])


def test_cka_is_its_formula_of_gram_matrices_and_its_interval_the_jackknifes(rng):
    N = 200
    a = rng.standard_normal((N, 4))
    b = np.stack([a @ rng.standard_normal((4, 3)) + rng.standard_normal((N, 3)) for _ in range(2)])

    def by_grams(i, s):
        centre = np.eye(len(i)) - 1 / len(i)
        K, L = (centre @ v[i] @ v[i].T @ centre for v in (a, b[s]))
        return (K * L).sum() / np.sqrt((K * K).sum() * (L * L).sum())

    found = layers.cka(a, b)
    assert found.mean == pytest.approx([by_grams(np.arange(N), s) for s in range(2)], rel=1e-10)
    for s in range(2):
        out = np.array([by_grams(np.delete(np.arange(N), i), s) for i in range(N)])
        jackknife = np.sqrt((N - 1) / N * ((out - out.mean()) ** 2).sum())
        assert found.half[s] / student_t.ppf(0.975, N - 1) == pytest.approx(jackknife, rel=0.05)


def test_a_plane_holds_its_three_rows_and_has_two_dimensions(rng):
    x = rng.standard_normal((20, 6)).astype(np.float32)
    found = layers.planes(x, rng, triplets=4, grid=13)  # steps of a tenth from −0.1 to 1.1
    assert found.shape == (4, 169, 6) and found.dtype == np.float32
    for plane in found:
        held = np.abs(plane[:, None] - x).max(-1).min(0) < 1e-6
        assert held.sum() == 3
        assert np.linalg.matrix_rank(plane - plane.mean(0), tol=1e-4) == 2
    corner = found[0].reshape(13, 13, 6)
    close(corner[1, 1] + corner[11, 11], corner[1, 11] + corner[11, 1], 1e-5)
    assert layers.planes(x, rng).shape == (50, 2500, 6)
    assert layers.planes(x[:3], rng, 1, 2).shape == (1, 4, 6)  # the least that there is
    for wrong in ({"triplets": 0}, {"grid": 1}):
        with pytest.raises(ValueError, match="expected at least 3 rows, 1 triplet, a grid of 2"):
            layers.planes(x, rng, **wrong)
    with pytest.raises(ValueError, match="x has 2 rows"):
        layers.planes(x[:2], rng)


def test_boundaries_at_known_places_agree_on_known_shares_of_the_plane():
    """Three classes in strips: from 0 to 1 the teacher changes at 0.25 and 0.75, another at 0.5."""
    model = MLP(2, 3, (), dropout=0.0)

    def strips(first, second):
        b = [[0.0, -first, -first - second]]
        return Network(model, model.layout.pack({"W0": np.array([[0.0, 1, 2], [0, 0, 0]]),
                                                 "b0": np.array(b)}))

    teacher, other = strips(0.25, 0.75), strips(0.5, 9.0)
    students = Network(model, np.stack([teacher.theta, other.theta]))
    side = (np.arange(40) + 0.5) / 40
    square = np.stack(np.meshgrid(side, side), -1).reshape(1, -1, 2)
    left = square / [[[5, 1]]]  # here the teacher has one class and the other too
    found = layers.boundary(teacher, students, np.concatenate([square, left]))
    close(found["agreement"].values, np.array([[1, 1], [0.5, 1]]), 1e-6)
    # of classes 0, 1, 2 the teacher has 1/4, 1/2, 1/4, the other 1/2, 1/2, 0, both 1/4, 1/4, 0
    close(found["iou"].values, np.array([[1, 1], [(1 / 2 + 1 / 3 + 0) / 3, 1]]), 1e-6)
    assert found["iou"].n.tolist() == [2, 2]
    three = np.array([[[0.1, 0], [0.4, 0], [0.9, 0]]])  # classes 0, 1, 2, and 0, 0, 1
    assert layers.boundary(teacher, teacher, three)["iou"].mean == 1
    of_one = layers.boundary(teacher, other, three)
    assert of_one["agreement"].mean == pytest.approx(1 / 3)
    assert of_one["iou"].mean == pytest.approx((1 / 2 + 0 + 0) / 3)
