"""The lean Tucker form: the same functions as the paper's, in fewer parameters."""

import numpy as np
import pytest
from checks import close

from kegnet_np import losses, tucker
from kegnet_np.activations import ACTIVATIONS
from kegnet_np.autodiff import value_and_grad
from kegnet_np.beyond.lean import fold
from kegnet_np.models import MLP
from kegnet_np.network import Network


def student_of(rng, widths, activation="elu", ranks=2):
    teacher = Network.random(MLP(5, 3, widths, activation, dropout=0.3), rng, np.float64)
    return tucker.compress(teacher, min(ranks, max(widths, default=1)))


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("widths", [(6, 7, 6), (8,), (2, 1), ()], ids=str)
def test_a_folded_student_is_the_same_function_of_fewer_parameters(widths, activation, rng):
    student = student_of(rng, widths, activation)
    student = Network(student.model, 0.5 * rng.standard_normal((2, student.size)))  # a stack
    lean = fold(student)
    x = rng.standard_normal((9, 5))
    close(lean.predict(x), student.predict(x), 1e-12)
    assert student.size - lean.size == 5 * 5 + 3 * 3 and fold(lean) is lean
    assert lean.member(1).size == lean.theta.shape[1]


@pytest.mark.parametrize("D, K, r, count", [(16, 10, 5, 12_490), (64, 10, 5, 12_730)])
def test_the_lean_counts_are_the_papers_less_both_squares(D, K, r, count):
    paper, lean = (MLP(D, K, ranks=(r,), lean=lean).layout.size for lean in (False, True))
    assert lean == count == paper - D * D - K * K


@pytest.mark.parametrize("widths", [(4, 3), (4,), ()], ids=str)
@pytest.mark.parametrize("lead", [(), (2,)], ids=["one", "stack"])
def test_the_gradient_of_a_lean_network_is_that_of_central_differences(widths, lead, rng):
    lean = fold(student_of(rng, widths)).model
    theta, x = rng.standard_normal((*lead, lean.layout.size)), rng.standard_normal((6, 5))
    target = losses.softmax(rng.standard_normal((6, 3)))
    masks = lean.draw_masks([rng, rng] if lead else rng, 6, np.float64)
    lean_x = np.broadcast_to(x, (*lead, 6, 5))

    def loss(p, *_):
        logits, _ = lean.apply(p, None, lean_x, train=True, masks=masks)
        return losses.kl(logits, np.broadcast_to(target, (*lead, 6, 3))), None

    _, gradient, _ = value_and_grad(loss, lean.layout)(theta)
    h, numeric = 1e-6, np.empty_like(theta)
    for j in range(lean.layout.size):
        step = h * (np.arange(lean.layout.size) == j)
        ends = (loss(lean.layout.views(theta + s))[0] for s in (step, -step))
        numeric[..., j] = np.subtract(*ends) / (2 * h)
    close(gradient, numeric, 1e-7)


def test_a_network_without_ranks_is_not_folded(rng):
    with pytest.raises(ValueError, match="student has no ranks: fold a network in Tucker form"):
        fold(Network.random(MLP(5, 3, (4,)), rng))
