"""The Tucker form of a matrix, and of a teacher."""

import numpy as np
import pytest
from checks import close

from kegnet_np import tucker
from kegnet_np.activations import ACTIVATIONS
from kegnet_np.models import MLP
from kegnet_np.network import Network


@pytest.mark.parametrize("ranks", [(3, 3), (8, 3), (3, 6), (1, 1), (8, 6)])
def test_tucker_of_a_matrix_is_the_truncated_svd(ranks, rng):
    W = rng.standard_normal((8, 6))
    U_in, core, U_out = tucker.decompose(W, *ranks)
    assert U_in.shape == (8, ranks[0]) and core.shape == ranks and U_out.shape == (ranks[1], 6)
    u, s, v = np.linalg.svd(W, full_matrices=False)
    r = min(ranks)
    close(U_in @ core @ U_out, (u[:, :r] * s[:r]) @ v[:r], 1e-9)
    close(U_in.T @ U_in, np.eye(ranks[0]), 1e-9)


def test_compression_is_the_same_every_time_even_where_a_factor_is_rank_deficient(rng):
    teacher = Network.random(MLP(7, 6, (8, 8)), rng)
    first, second = (tucker.compress(teacher, 2).theta for _ in range(2))
    assert np.array_equal(first, second) and first.dtype == np.float32


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("widths", [(6, 6), (6, 2, 5), ()], ids=str)
def test_at_full_rank_the_tucker_student_is_the_teacher(widths, activation, rng):
    teacher = Network.random(MLP(4, 3, widths, activation), rng, np.float64)
    student = tucker.compress(teacher, max(widths, default=1))
    x = rng.standard_normal((5, 4))
    close(student.predict(x), teacher.predict(x), 1e-9)
    with pytest.raises(ValueError, match="in Tucker form already"):
        tucker.compress(student, 1)


def test_a_student_keeps_the_biases_and_all_else_of_its_teachers_model(rng):
    teacher = Network.random(MLP(4, 3, (6, 2, 5), "tanh", 0.3), rng)
    student = tucker.compress(teacher, (4, 3))
    assert student.model == MLP(4, 3, (6, 2, 5), "tanh", 0.3, ranks=(4, 3))
    for i in range(4):
        assert np.array_equal(student.p[f"b{i}"], teacher.p[f"b{i}"])
        factors = [student.p[f"{name}{i}"] for name in ("U_in", "core", "U_out")]
        r_in, r_out = student.model.rank_pairs((4, 3))[i]
        for found, expected in zip(
            factors, tucker.decompose(teacher.p[f"W{i}"], r_in, r_out), strict=True
        ):
            assert np.array_equal(found, expected)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: tucker.decompose(np.ones((3, 4)), 4, 1), "rank_in is 4, expected 1 to 3"),
        (lambda: tucker.decompose(np.ones((3, 4)), 1, 0), "rank_out is 0, expected 1 to 4"),
        (lambda: tucker.decompose(np.full((3, 4), np.nan), 1, 1), "expected a finite matrix"),
    ],
)
def test_wrong_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
