"""Where networks look and what fools them, where both are known."""

import numpy as np
import pytest
from checks import central_differences, close

from kegnet_np import losses
from kegnet_np.models import MLP
from kegnet_np.network import Network
from kegnet_np.probes import gradients
from kegnet_np.probes.distil import WAYS, distil
from kegnet_np.probes.knowledge import estimate
from kegnet_np.train import Schedule

LINEAR = MLP(6, 2, (), dropout=0.0)


def networks(model, n, seed=0, dtype=np.float32):
    """A stack of random ones, whose logits are not small."""
    start = Network.random(model, [np.random.default_rng((seed, i)) for i in range(n)], dtype)
    return Network(model, 2 * start.theta)


def of_logit(w):
    """A linear network whose logit of class 1 less that of class 0 is x·w."""
    arrays = {"W0": np.stack([0 * w, w], axis=1), "b0": np.zeros((1, 2))}
    return Network(LINEAR, LINEAR.layout.pack(arrays, np.float32))


@pytest.fixture
def x(rng):
    return rng.standard_normal((1500, 6)).astype(np.float32)


@pytest.mark.parametrize("ranks", [None, (3,)], ids=["plain", "Tucker"])
def test_saliency_is_the_gradient_of_a_logit_above_the_mean(ranks, rng):
    stack = networks(MLP(6, 4, (8, 8), dropout=0.1, ranks=ranks), 3, dtype=np.float64)
    x, y = rng.standard_normal((5, 6)), np.array([0, 1, 2, 3, 1])
    found = gradients.saliency(stack, x, y)

    def above(s):
        z = stack.member(s).predict(x)
        return (z[np.arange(5), y] - z.mean(1)).sum()

    for s in range(3):
        close(found[s], central_differences(lambda s=s: above(s), x), 1e-6)
    close(gradients.saliency(stack.member(1), x, y), found[1], 1e-12)


def test_saliency_of_a_linear_network_is_its_weights_however_many_rows_there_are(x, rng):
    stack, y = networks(MLP(6, 3, (), dropout=0.0), 2), rng.integers(3, size=len(x))
    assert len(x) > gradients.ROWS
    W = stack.p["W0"] - stack.p["W0"].mean(-1, keepdims=True)
    close(gradients.saliency(stack, x, y), W[..., y].mT, 1e-6)


def test_who_looks_where_the_teacher_looks_always_wins_and_equals_tie(x):
    teacher, *others = (networks(MLP(6, 4, (8,), dropout=0.0), 3, seed) for seed in range(3))
    y = np.zeros(len(x), int)
    for times_input in (False, True):
        def W(a, b, times_input=times_input):
            return gradients.looks_alike(teacher.member(0), a, b, x, y, times_input).mean

        copies = teacher.member(0).stack(3)
        assert W(copies, others[0]).tolist() == [1, 1, 1]
        assert W(others[0], others[0]).tolist() == [0.5] * 3
        close(W(*others) + W(*others[::-1]), np.ones(3), 1e-12)
        assert np.ptp(W(*others)) > 0.05
        s_t, s_a, s_b = (gradients.saliency(net, x, y) * (x if times_input else 1)
                         for net in (teacher.member(0), *others))
        cosines = [np.einsum("nd,snd->sn", s_t / np.linalg.norm(s_t, axis=1)[:, None], s)
                   / np.linalg.norm(s, axis=2) for s in (s_a, s_b)]
        close(W(*others), (cosines[0] > cosines[1]).mean(1), 1e-3)


def test_a_network_that_looks_nowhere_is_neither_like_nor_unlike(x):
    w, y = np.arange(1.0, 7), np.zeros(len(x), int)
    teacher, blind, opposite = of_logit(w), of_logit(0 * w), of_logit(-w)
    for student, independent, W in ((blind, blind, 0.5), (blind, opposite, 1), (blind, teacher, 0)):
        assert gradients.looks_alike(teacher, student, independent, x, y).mean == W


def test_two_independent_students_calibrate_W_to_a_half(rng):
    x = rng.standard_normal((200, 6)).astype(np.float32)
    y = np.abs(x[:, :3]).argmax(-1)
    model, schedule = MLP(6, 3, (12,), dropout=0.0), Schedule(1e-2, 50, 30)
    trained = [distil(networks(model, 1).member(0), networks(model, 100, seed), x, y,
                      WAYS["independent"], schedule=schedule, purpose=f"ind {seed}")[0]
               for seed in range(3)]
    assert all((n.predict(x).argmax(-1) == y).mean() > 0.7 for n in trained)  # chance is 1/3
    pairs = estimate(np.array([  # the unit is a pair: of one, W may be anything
        gradients.looks_alike(trained[0].member(s), *(n.member(s) for n in trained[1:]), x, y).mean
        for s in range(100)]))
    assert abs(pairs.mean - 0.5) < pairs.half < 0.05


def test_a_row_is_fooled_where_epsilon_is_more_than_its_margin(x, rng):
    w = rng.standard_normal(6)
    teacher = of_logit(w)
    margins = np.abs(x @ w) / np.abs(w).sum()  # in the largest of the features' changes
    y = teacher.predict(x).argmax(-1)
    for eps in (0.1, 0.4, 1.0):
        moved = gradients.adversarial(teacher, x, y, eps)
        clear = np.abs(margins - eps) > 1e-5
        assert np.array_equal(gradients.is_fooled(teacher, x, moved)[clear], (margins < eps)[clear])
        assert np.abs(moved - x).max() <= eps * (1 + 1e-5)
    for share in (0.5, 0.85):
        eps = gradients.size_that_fools(teacher, x, y, share)
        exact = np.sort(margins)[int(np.ceil(share * len(x))) - 1]
        assert exact - 1e-5 <= eps <= exact + 1 / 4096 + 1e-5
    wide = of_logit(w)
    big = 300 * x
    eps = gradients.size_that_fools(wide, big, y, 0.85)  # above 1, where the search begins
    assert eps == pytest.approx(np.quantile(300 * margins, 0.85), rel=2e-3) and eps > 4


def test_labels_that_the_teacher_misses_are_pushed_further_away(x, rng):
    teacher = of_logit(rng.standard_normal(6))
    wrong = 1 - teacher.predict(x).argmax(-1)
    moved = gradients.adversarial(teacher, x, wrong, 1.0)
    assert not gradients.is_fooled(teacher, x, moved).any()


def test_five_steps_raise_the_loss_and_stay_near_and_within_the_span(x, rng):
    stack = networks(MLP(6, 4, (16, 16), dropout=0.1), 3)
    y, span = rng.integers(4, size=len(x)), (x.min(0), x.max(0))
    moved = gradients.adversarial(stack, x, y, 0.3, span=span)
    assert moved.shape == (3, *x.shape) and moved.dtype == np.float32
    assert np.abs(moved - x).max() <= 0.3 + 1e-6
    assert (moved >= span[0]).all() and (moved <= span[1]).all()
    assert (np.abs(gradients.adversarial(stack, x, y, 0.3) - x).max((1, 2)) > 0.299).all()
    J = [losses.cross_entropy(stack.predict(v), np.eye(4)[y]) for v in (x, moved)]
    assert (J[1] > 1.1 * J[0]).all()
    close(gradients.adversarial(stack.member(2), x, y, 0.3, span=span), moved[2], 1e-6)
    assert np.array_equal(gradients.adversarial(stack.member(0), x, y, 0.0), x)
    for steps in (1, 2):
        one = gradients.adversarial(stack.member(0), x, y, 0.3, step=0.01, steps=steps)
        assert np.abs(one - x).max() == pytest.approx(0.01 * steps, rel=1e-3)
    for steps, step in ((5, 0.15), (10, 0.075)):
        usual = gradients.adversarial(stack, x, y, 0.3, steps=steps)
        same = gradients.adversarial(stack, x, y, 0.3, step=step, steps=steps)
        assert np.array_equal(same, usual)
        other = gradients.adversarial(stack, x, y, 0.3, step=0.8 * step, steps=steps)
        assert not np.array_equal(other, usual)
    own = gradients.is_fooled(stack, x, moved)  # each by its own
    for s in range(3):
        assert np.array_equal(gradients.is_fooled(stack.member(s), x, moved[s]), own[s])
    assert 0.05 < own.mean() < 0.95


def test_a_teacher_too_sure_for_float32_is_fooled_all_the_same(x, rng):
    w = rng.standard_normal(6)
    y = (x @ w > 0).astype(int)
    mild, sure = of_logit(w), of_logit(1000 * w)
    assert (losses.softmax(sure.predict(x)).max(-1) == 1).mean() > 0.9
    found = [gradients.adversarial(network, x, y, 0.4) for network in (mild, sure)]
    assert np.array_equal(*found) and np.abs(found[0] - x).max() > 0.39


def test_noise_changes_every_feature_by_epsilon_either_way(x, rng):
    change = gradients.noise(x, 0.25, rng) - x
    assert np.abs(np.abs(change) - 0.25).max() < 1e-6
    assert (change > 0).mean() == pytest.approx(0.5, abs=0.02)
    span = x.min(0), x.max(0)
    within = gradients.noise(x, 0.25, rng, span=span)
    assert (within >= span[0]).all() and (within <= span[1]).all() and within.dtype == np.float32
    assert np.abs(within - x).max() == pytest.approx(0.25)


def test_the_teacher_itself_is_fooled_wherever_it_is_fooled_and_nobody_by_nothing(x):
    teacher = networks(MLP(6, 4, (16,), dropout=0.0), 1).member(0)
    y = teacher.predict(x).argmax(-1)
    moved = gradients.adversarial(teacher, x, y, gradients.size_that_fools(teacher, x, y))
    A = gradients.is_fooled(teacher, x, moved)
    assert 0.85 <= A.mean() < 0.87
    found = gradients.fooling_rate(teacher.stack(2), x, moved, A)
    assert found.mean.tolist() == [1, 1] and found.n.tolist() == 2 * [A.sum()]
    assert gradients.fooling_rate(teacher, x, x, A).mean == 0


@pytest.mark.parametrize("seen, other", [
    ([1, -1, 1, 0, 0, 0], [0, 0, 0, 1, 1, -1]),  # other features
    ([2, 2, -1, 1, 3, 3], [1, -3, 2, 2, 1, -1]),  # the same, but their changes cancel out
])
def test_a_foreign_teacher_fools_no_more_than_random_noise_but_the_own_one_does(
        seen, other, x, rng):
    own, foreign = of_logit(np.array(seen)), of_logit(np.array(other))
    student = of_logit(np.array(seen) * (1 + 0.1 * rng.random(6)))
    rates = []
    for teacher in (own, foreign):
        y = teacher.predict(x).argmax(-1)
        moved = gradients.adversarial(teacher, x, y, 0.4)
        A = gradients.is_fooled(teacher, x, moved)
        rates.append([gradients.fooling_rate(student, x, changed, A)
                      for changed in (moved, gradients.noise(x, 0.4, rng))])
    (by_own, noise), (by_foreign, its_noise) = rates
    assert by_own.mean > 0.9 and (by_own - noise).mean > 10 * (by_own - noise).half > 0
    assert (its_noise - by_foreign).mean > 2 * (its_noise - by_foreign).half > 0
    assert by_foreign.mean < 0.05


@pytest.mark.parametrize("probe, words", [
    (lambda n, x: gradients.saliency(n, x, np.zeros(3, int)), r"labels has shape \(3,\), expected"),
    (lambda n, x: gradients.adversarial(n, x, np.zeros(3, int), 1.0), r"labels has shape \(3,\)"),
    (lambda n, x: gradients.adversarial(n, x, np.zeros(len(x), int), -1.0), "eps is -1.0"),
    (lambda n, x: gradients.adversarial(n, x, np.zeros(len(x), int), 1.0, steps=0), "steps 0"),
    (lambda n, x: gradients.adversarial(n, x, np.zeros(len(x), int), 1.0, step=0), "step 0"),
    (lambda n, x: gradients.is_fooled(n, x, x[:1]), r"changed has shape \(1, 6\), expected \(1500"),
    (lambda n, x: gradients.fooling_rate(n, x, x, np.ones(3, bool)), r"on has shape \(3,\)"),
    (lambda n, x: gradients.fooling_rate(n, x, x, np.zeros(len(x), bool)), "on holds no row"),
    (lambda n, x: gradients.size_that_fools(n, x, np.zeros(len(x), int), 1.0),
     "share is 1.0, expected a number between"),
    (lambda n, x: gradients.size_that_fools(n, x, np.zeros(len(x), int), 0.0),
     "share is 0.0, expected a number between"),
    (lambda n, x: gradients.size_that_fools(n, x, np.zeros(len(x), int), span=(x, x)),
     "share is 0.85, but no eps up to 1024"),
])
def test_arguments_that_do_not_fit_are_named(probe, words, x):
    with pytest.raises(ValueError, match=words):
        probe(of_logit(np.ones(6)), x)
