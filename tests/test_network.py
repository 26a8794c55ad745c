"""A network and its parameters: predictions, members, stacks."""

import numpy as np
import pytest
from checks import close

from kegnet_np.generator import decoder
from kegnet_np.models import MLP
from kegnet_np.network import Network

seen: list[tuple[int, ...]] = []


class Watched(MLP):
    """An MLP that notes how many rows each call gets."""

    def apply(self, p, state, x, **options):
        seen.append(x.shape)
        return super().apply(p, state, x, **options)


@pytest.mark.parametrize("lead", [(), (2,)], ids=["rows of all", "rows of each member"])
def test_predictions_come_in_pieces_and_are_those_of_one_call(lead, rng):
    model = Watched(3, 2, (5,))
    net = Network.random(model, [rng, rng], np.float64)
    x = rng.standard_normal((*lead, 10_000, 3))
    seen.clear()
    logits = net.predict(x)
    assert seen == [(*lead, n, 3) for n in (4096, 4096, 1808)]
    assert logits.shape == (2, 10_000, 2)
    close(logits, model.apply(net.p, None, x)[0], 1e-14)
    assert net.predict(x[..., :0, :]).shape == (2, 0, 2)


def test_predictions_use_the_running_statistics_and_leave_them_alone(rng):
    net = Network.random(decoder(4, 3, hidden=5), rng, np.float64)
    net.state[...] = rng.uniform(0.5, 2, net.state.shape)
    kept, x = net.state.copy(), rng.standard_normal((7, 4))
    close(net.predict(x), net.model.apply(net.p, kept, x)[0], 1e-14)
    assert np.array_equal(net.state, kept)
    close(net.predict(x[:1]), net.predict(x)[:1], 1e-12)  # a row's answer is its own


def test_a_member_of_a_stack_answers_as_it_does_in_the_stack(rng):
    net = Network.random(decoder(4, 3, hidden=5), [rng] * 3, np.float64)
    x = rng.standard_normal((6, 4))
    for s in range(3):
        member = net.member(s)
        assert member.theta.shape == (net.size,) and member.state.ndim == 1
        close(member.predict(x), net.predict(x)[s], 1e-14)


def test_a_stack_holds_copies(rng):
    net = Network.random(decoder(4, 3, hidden=5), rng)
    many, one = net.stack(3), net.stack()
    assert many.theta.shape == (3, net.size) and many.state.shape == (3, net.state.size)
    assert (many.theta == net.theta).all() and (many.state == net.state).all()
    assert one.theta.shape == (1, net.size) and many.stack() is many
    many.theta[0] += 1
    assert not np.array_equal(many.theta[0], net.theta)
    assert np.array_equal(many.theta[1], net.theta)


def test_random_networks_are_those_of_their_models_start():
    model = decoder(4, 3, hidden=5)
    single = Network.random(model, np.random.default_rng(1))
    several = Network.random(model, [np.random.default_rng(s) for s in (1, 2)])
    for s in (1, 2):
        theta, state = model.init(np.random.default_rng(s))
        assert np.array_equal(several.theta[s - 1], theta) and theta.dtype == np.float32
        assert np.array_equal(several.state[s - 1], state)
    assert np.array_equal(single.theta, several.theta[0])


def test_the_named_views_are_the_parameters_themselves():
    net = Network.random(MLP(3, 2, (4,)), [np.random.default_rng(1)])
    assert net.size == 4 * 4 + 5 * 2 == net.theta.shape[-1] and net.state.shape == (1, 0)
    net.p["b1"][0, 0, 1] = 7
    assert net.theta[0, -1] == 7


@pytest.mark.parametrize("model, theta, state, message", [
    (MLP(3, 2, ()), (9,), None, r"theta has shape \(9,\) and state \(0,\), expected \(\.\.\., 8\)"),
    (MLP(3, 2, ()), (8,), (2,), r"state \(2,\), expected \(\.\.\., 8\) and \(\.\.\., 0\) of MLP"),
    (MLP(3, 2, ()), (2, 8), (3, 0), r"theta has shape \(2, 8\) and state \(3, 0\), expected"),
    (decoder(1, 1, 1), (14,), None, r"state \(0,\), .* and \(\.\.\., 6\) of NormalisedMLP"),
])
def test_shapes_that_do_not_fit_are_refused_with_their_names(model, theta, state, message):
    with pytest.raises(ValueError, match=message):
        Network(model, np.zeros(theta), None if state is None else np.zeros(state))
