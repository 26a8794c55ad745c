"""Gradients in one flat vector, and those of whole networks in every parameter."""

import numpy as np
import pytest
from autograd import grad
from autograd import numpy as anp
from checks import central_differences, close

from kegnet_np import losses, tucker
from kegnet_np.activations import ACTIVATIONS, elu
from kegnet_np.autodiff import value_and_grad
from kegnet_np.generator import decoder, extraction_loss, generator
from kegnet_np.models import MLP
from kegnet_np.network import Network
from kegnet_np.params import Layout, split


def test_an_array_that_is_used_twice_gets_the_sum_and_an_unused_one_zero():
    layout = Layout({"a": (1, 2), "b": (1, 2)})
    f = value_and_grad(lambda p: ((p["a"] * p["a"]).sum() + p["a"].sum(), None), layout)
    value, gradient, _ = f(np.array([1.0, 2.0, 3.0, 4.0]))
    assert value == 8.0 and gradient.tolist() == [3.0, 5.0, 0.0, 0.0]
    value, gradient, _ = value_and_grad(lambda p: (1.0, None), layout)(np.ones(4))
    assert value == 1.0 and gradient.tolist() == [0.0] * 4


def test_two_vectors_that_meet_in_a_sum_keep_their_gradients_apart(rng):
    layout = Layout({"a": (1, 2), "b": (1, 1)})

    def loss(p, q):
        both = p.theta + q.theta
        return anp.sum(both * both) + anp.sum(p["b"] ** 3), None

    theta = rng.standard_normal(6)
    gradient = value_and_grad(loss, layout, layout)(theta)[1]
    both = 2 * (theta[:3] + theta[3:])
    close(gradient, np.r_[both[:2], both[2] + 3 * theta[2] ** 2, both], 1e-12)


def test_a_gradient_is_of_the_type_of_its_vector(rng):
    model = MLP(3, 2, (4,), dropout=0.0)
    theta = model.init(rng)[0]
    x, weights = rng.standard_normal((5, 3), np.float32), rng.standard_normal((5, 2))  # float64
    step = value_and_grad(lambda p: (anp.sum(model.apply(p, None, x)[0] * weights), None),
                          model.layout)
    assert theta.dtype == step(theta)[1].dtype == np.float32


def test_a_traced_value_in_aux_is_refused():
    layout = Layout({"a": (1, 2)})
    for wrap in (lambda v: v, lambda v: {"kept": [v]}):
        with pytest.raises(TypeError, match="aux holds a traced value"):
            value_and_grad(lambda p, wrap=wrap: (p["a"].sum(), wrap(p["a"])), layout)(np.ones(2))


def test_the_flat_gradient_is_autograds_own(rng):
    model = MLP(3, 2, widths=(4, 4), dropout=0.0)
    theta, state = model.init(rng, np.float64)
    x, y = rng.standard_normal((5, 3)), np.eye(2)[[0, 1, 1, 0, 1]]

    def loss(p):
        return losses.cross_entropy(model.apply(p, state, x)[0], y)

    _, gradient, _ = value_and_grad(lambda p: (loss(p), None), model.layout)(theta)
    expected = grad(loss)(dict(model.layout.views(theta)))  # operation by operation
    for name, array in model.layout.views(gradient).items():
        assert np.array_equal(array, expected[name])


def check_every_parameter(loss, theta, layouts, args):
    value, gradient, _ = value_and_grad(loss, *layouts)(theta, *args)

    def total():
        parts = zip(layouts, split(theta, layouts), strict=True)
        return np.sum(loss(*(layout.views(part) for layout, part in parts), *args)[0])

    close(gradient, central_differences(total, theta), 1e-6)
    return gradient


def assert_all_move(layout, gradient):
    """No array of any member is without effect on the loss."""
    for name, array in layout.views(gradient).items():
        assert (np.abs(array).max((-2, -1)) > 1e-9).all(), name


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("S", [None, 2])
@pytest.mark.parametrize("widths, ranks", [((6, 6, 6), (3, 2, 4, 1)), ((7, 3, 5), (2, 6, 3))])
def test_classifier_and_tucker_student_have_the_gradient_of_differences(
    widths, ranks, S, activation, rng
):
    teacher = MLP(3, 4, widths, activation, dropout=0.3)
    student = tucker.compress(Network.random(teacher, rng, np.float64), ranks).model
    lead = () if S is None else (S,)
    x, y = rng.standard_normal((*lead, 5, 3)), losses.softmax(rng.standard_normal((*lead, 5, 4)))
    for model, criterion in ((teacher, losses.cross_entropy), (student, losses.kl)):
        theta = rng.standard_normal((*lead, model.layout.size)) * 0.7
        masks = [(rng.random((*lead, 5, H)) > 0.3) / 0.7 for H in widths]

        def loss(p, masks, model=model, criterion=criterion):
            return criterion(model.apply(p, None, x, train=True, masks=masks)[0], y), None

        gradient = check_every_parameter(loss, theta, [model.layout], (masks,))
        assert_all_move(model.layout, gradient)


@pytest.mark.parametrize("teacher_dropout", [False, True])
@pytest.mark.parametrize("S", [None, 2])
def test_generator_and_decoder_have_the_gradient_of_differences(S, teacher_dropout, rng):
    M = MLP(3, 2, widths=(4, 4))
    G, D = generator(2, 2, 3, hidden=4), decoder(3, 2, hidden=4)
    p_M = M.layout.views(M.init(rng, np.float64)[0] * 2)
    lead = () if S is None else (S,)
    size = G.layout.size + D.layout.size
    theta = rng.standard_normal((*lead, size))
    state_G = np.ones((*lead, G.state_layout.size))
    state_D = np.ones((*lead, D.state_layout.size))
    y = np.broadcast_to(np.eye(2)[[0, 1, 1, 0, 1, 0]], (*lead, 6, 2))
    z = rng.standard_normal((*lead, 6, 2))
    masks = M.draw_masks(rng, 6, np.float64) if teacher_dropout else None
    loss = extraction_loss(G, D, M, p_M, alpha=0.7, beta=1.5)
    gradient = check_every_parameter(
        loss, theta, [G.layout, D.layout], (state_G, state_D, y, z, masks)
    )
    # Shifts of the output, which the last batch-norm takes away, are the only ones without effect.
    for name, array in G.layout.views(gradient[..., : G.layout.size]).items():
        assert (np.abs(array).max() < 1e-12) == (name in ("beta1", "b2")), name
    assert_all_move(D.layout, gradient[..., G.layout.size :])


def test_a_stack_gives_every_member_its_own_gradient(rng):
    model = MLP(3, 2, widths=(4, 4), dropout=0.0)
    theta = np.stack([model.init(rng, np.float64)[0] for _ in range(3)])
    x, y = rng.standard_normal((3, 5, 3)), np.eye(2)[rng.integers(2, size=(3, 5))]

    def loss(p, x, y):
        return losses.cross_entropy(model.apply(p, None, x)[0], y), None

    f = value_and_grad(loss, model.layout)
    values, gradients, _ = f(theta, x, y)
    for s in range(3):
        value, gradient, _ = f(theta[s], x[s], y[s])
        close(values[s], value, 1e-14)
        close(gradients[s], gradient, 1e-12)


def test_a_loss_may_compare_traced_values_as_autograd_allows():
    layout = Layout({"a": (1, 5)})
    theta = np.array([-2.0, -0.5, 0.5, 1.0, 3.0])

    def loss(p):  # the reference of ELU asks where a > 0
        return anp.sum(anp.where(p["a"] > 0, p["a"] ** 2, 0) + elu.reference(p["a"])), None

    _, gradient, _ = value_and_grad(loss, layout)(theta)
    close(gradient, 2 * np.maximum(theta, 0) + np.where(theta > 0, 1, np.exp(theta)), 1e-12)


@pytest.mark.parametrize("lead", [(), (2,)])
def test_a_network_used_twice_and_by_name_and_one_not_at_all_get_their_gradients(lead, rng):
    model, unused = MLP(3, 2, (4, 4), dropout=0.0), Layout({"a": (1, 3)})
    x, x_S = rng.standard_normal((5, 3)), rng.standard_normal((*lead, 5, 3))
    y = np.broadcast_to(np.eye(2)[[0, 1, 1, 0, 1]], (*lead, 5, 2))

    def loss(p, q):
        first, second = (model.apply(p, None, rows)[0] for rows in (x, x_S))
        square = anp.sum(anp.sum(p["W0"] ** 2, axis=-1), axis=-1)
        return losses.cross_entropy(first, y) + 2 * losses.kl(second, y) + 0.1 * square, None

    layouts = [model.layout, unused]
    theta = rng.standard_normal((*lead, model.layout.size + 3))
    gradient = check_every_parameter(loss, theta, layouts, ())
    assert not gradient[..., -3:].any() and gradient[..., :-3].any()


def test_a_vector_that_changed_in_place_has_the_gradient_of_what_it_is_now(rng):
    model, x, y = MLP(3, 2, (4,), dropout=0.0), rng.standard_normal((5, 3)), np.eye(2)[[0, 1] * 2]
    f = value_and_grad(
        lambda p: (losses.cross_entropy(model.apply(p, None, x[:4])[0], y), None), model.layout
    )
    theta = rng.standard_normal(model.layout.size)
    f(theta)
    theta *= 3
    assert np.array_equal(f(theta)[1], f(theta.copy())[1])


def test_stacked_masks_on_shared_rows_and_weights_pull_on_what_is_shared(rng):
    model = MLP(3, 2, (4, 4), dropout=0.5)
    x, y = rng.standard_normal((5, 3)), np.broadcast_to(np.eye(2)[[0, 1, 1, 0, 1]], (2, 5, 2))
    masks = [(rng.random((2, 5, 4)) > 0.3) / 0.7 for _ in range(2)]

    def loss(p):
        logits = model.apply(p, None, x, train=True, masks=masks)[0]
        return anp.sum(losses.cross_entropy(logits, y)), None

    theta = rng.standard_normal(model.layout.size)
    check_every_parameter(loss, theta, [model.layout], ())
