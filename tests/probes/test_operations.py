"""Hint and CRD at values known by hand; the gradients are in test_ops.py."""

import numpy as np
import pytest
from autograd import grad
from checks import close

from kegnet_np.probes.operations import crd, hint


def test_hint_is_half_the_squared_distance_and_zero_at_the_teacher(rng):
    f = rng.standard_normal((5, 4))
    assert hint(f, f) == 0 and np.abs(grad(hint)(f, f)).max() == 0
    assert hint(np.array([[1.0, 2.0], [0.0, 0.0]]), np.array([[4.0, 6.0], [0.0, 1.0]])) == 6.5


def test_crd_of_parallel_and_opposite_projections_is_known():
    """Cosines of 1 and −1, so h = e^{±1/τ} / (e^{±1/τ} + N/M)."""
    s, t = np.array([[2.0, 0.0]]), np.array([[5.0, 0.0], [-0.1, 0.0]])
    h = [np.exp(v / 0.5) / (np.exp(v / 0.5) + 0.2) for v in (1, -1)]
    found = crd(s, t, np.array([[1.0, 0.0]]), np.array([[0.0, 3.0]]), 0.5, 0.2)
    assert found == pytest.approx(-np.log(h[0]) - 3 * np.log(1 - h[1]), rel=1e-12)


def test_crd_sees_no_lengths_and_moves_no_length(rng):
    s, t = rng.standard_normal((4, 3)), rng.standard_normal((5, 3))
    weights = rng.random((2, 4, 5))
    lengths = rng.random((4, 1)) + 0.5
    assert crd(lengths * s, 7 * t, *weights, 0.3, 0.2) == pytest.approx(
        crd(s, t, *weights, 0.3, 0.2), rel=1e-12)
    for i, v in enumerate((s, t)):
        gradient = grad(lambda *a: crd(*a, *weights, 0.3, 0.2), i)(s, t)
        assert np.abs((gradient * v).sum(-1)).max() < 1e-12 < 1e-3 < np.abs(gradient).max()


def test_crd_draws_a_positive_near_and_pushes_a_negative_away(rng):
    s, t = rng.standard_normal((1, 6)), rng.standard_normal((2, 6))
    one = np.array([[1.0, 0.0]])

    def cosines(s):
        return (s @ t.T / np.linalg.norm(s) / np.linalg.norm(t, axis=1))[0]

    moved = s - 0.01 * grad(crd)(s, t, one, one[:, ::-1], 1.0, 1.0)
    change = cosines(moved) - cosines(s)
    assert change[0] > 0.001 and change[1] < -0.001


def test_crd_of_a_teacher_that_a_stack_shares_sums_its_gradient(rng):
    s, t = rng.standard_normal((3, 4, 2)), rng.standard_normal((5, 2))
    weights = rng.random((2, 4, 5))
    together = grad(lambda t: crd(s, t, *weights, 0.3, 0.2).sum())(t)
    close(together, sum(grad(crd, 1)(one, t, *weights, 0.3, 0.2) for one in s), 1e-12)


def test_crd_is_finite_for_rows_of_zeros_and_of_thousands():
    s, t = np.array([[0.0, 0.0], [1e3, -1e3]], np.float32), np.ones((2, 2), np.float32)
    eye = np.eye(2, dtype=np.float32)
    for tau in (1.0, 1e-3):
        assert np.isfinite(crd(s, t, eye, 1 - eye, tau, 1e-4))
        assert np.isfinite(grad(crd)(s, t, eye, 1 - eye, tau, 1e-4)).all()


def test_arguments_of_another_shape_are_refused():
    a = np.ones((4, 3))
    for wrong, words in (
        (lambda: hint(a, a[:1]), r"f_t has \(1, 3\) as its last two axes, expected \(4, 3\)"),
        (lambda: crd(a, a[:, :1], a, a, 1.0, 1.0), r"t has \(4, 1\) .*expected \(4, 3\)"),
        (lambda: crd(a, a, a, np.eye(4), 1.0, 1.0), r"positive has \(4, 3\) .*expected \(4, 4\)"),
        (lambda: crd(a, a, np.eye(4), a, 1.0, 1.0), r"negative has \(4, 3\) .*expected \(4, 4\)"),
    ):
        with pytest.raises(ValueError, match=words):
            wrong()
