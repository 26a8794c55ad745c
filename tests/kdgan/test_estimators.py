"""Sampling a label, and what a gradient through it is worth: against the exact one."""

import numpy as np
import pytest
from autograd import grad
from checks import close
from scipy.stats import chi2, chisquare

from kegnet_np.experiments.variance import spread
from kegnet_np.kdgan import estimators
from kegnet_np.kdgan.estimators import (
    ESTIMATORS,
    cumulative,
    exact,
    gumbel,
    label_shares,
    temperature,
)
from kegnet_np.kdgan.operations import concrete, log_l2, log_sigmoid, log_sigmoid_loss
from kegnet_np.losses import log_softmax, softmax
from kegnet_np.models import MLP
from kegnet_np.network import Network

B, K, N = 3, 4, 10_000


@pytest.fixture
def players(rng):
    """Logits of a player and of a discriminator, (B, K) each."""
    return rng.standard_normal((B, K)), rng.standard_normal((B, K))


def replicates(estimator, a, d, tau, draws, rng, times=N):
    """The gradients (times, B, K) of an estimator, each from draws of its own."""
    rows, same = (np.tile(each, (times, 1))[None] for each in (a, d))  # (1, times B, K)
    g = grad(lambda a: estimator(a, same, [rng], draws, tau).sum())(rows)
    return times * g.reshape(times, B, K)  # the loss is a mean over all rows


def bias(gradients, expected):
    """Bias over its standard error, entry by entry, and over the size of what is expected."""
    mean, error = gradients.mean(0), gradients.std(0) / np.sqrt(len(gradients))
    return (mean - expected) / error, np.linalg.norm(mean - expected) / np.linalg.norm(expected)


def test_the_exact_gradient_is_that_of_the_sum_over_labels(players):
    a, d = players
    p, r = softmax(a), log_sigmoid(-d)
    by_hand = p * (r - (p * r).sum(1, keepdims=True)) / B  # ∂/∂a Σ_y softmax(a)_y r_y
    close(grad(lambda a: exact(a, d))(a), by_hand, 1e-12)


@pytest.mark.parametrize("name", ["exact", "score", "straight_through"])
@pytest.mark.parametrize("draws", [2, 20])
@pytest.mark.parametrize("tau", [1.0, 0.1])
def test_the_value_of_an_estimator_is_the_mean_reward(players, rng, name, draws, tau):
    a, d = (np.tile(each, (5000, 1))[None] for each in players)
    value = ESTIMATORS[name](a, d, [rng], draws, tau)
    assert value == pytest.approx([exact(*players)], abs=0.02)


def within_chance(z):
    """Whether z-values are those of no bias: K − 1 free entries a row, at one in ten thousand."""
    return (z**2).sum() * (K - 1) / K < chi2.ppf(1 - 1e-4, B * (K - 1))


@pytest.mark.parametrize("draws", [2, 5, 20])
def test_the_score_estimator_is_unbiased_within_its_standard_error(players, rng, draws):
    a, d = players
    expected = grad(lambda a: exact(a, d))(a)
    found = replicates(estimators.score, a, d, 1.0, draws, rng)
    z, relative = bias(found, expected)
    assert within_chance(z) and relative < 0.05, (z, relative)
    z, _ = bias(found * (draws - 1) / draws, expected)  # the mean of all draws for a baseline
    assert draws > 5 or not within_chance(z), "such a bias would not have been seen"


@pytest.mark.parametrize("name, stated, cosine", [  # at τ = 1; means over 40 problems like these
    ("straight_through", 0.31, 0.99),  # 0.19 to 0.42: a smoother problem's gradient
    ("program", 1.27, 0.43),  # 0.5 to 3.6: another problem's
])
def test_the_others_have_the_bias_that_is_stated(name, stated, cosine):
    found, least_z, along = [], [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        a, d = rng.standard_normal((2, B, K))
        expected = grad(lambda a, d=d: exact(a, d))(a)
        gradients = replicates(ESTIMATORS[name], a, d, 1.0, 20, rng, 500)
        mean = gradients.mean(0)
        z, relative = bias(gradients, expected)
        found.append(relative)
        least_z.append(np.abs(z).max())
        along.append((mean * expected).sum() / np.linalg.norm(mean) / np.linalg.norm(expected))
    assert np.mean(found) == pytest.approx(stated, rel=0.15)
    assert np.mean(along) == pytest.approx(cosine, rel=0.05)
    assert min(least_z) > 10  # far beyond chance


def test_straight_through_loses_bias_and_gains_variance_as_tau_falls(players, rng):
    a, d = players
    expected = grad(lambda a: exact(a, d))(a)
    found = [replicates(estimators.straight_through, a, d, tau, 2, rng) for tau in (1.0, 0.3, 0.1)]
    biases = [bias(g, expected)[1] for g in found]
    variances = [g.var(0).sum() for g in found]
    assert biases[0] > 2 * biases[1] and variances[0] < variances[1] < variances[2]


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_probabilities_of_zero_and_one_have_finite_gradients(name, dtype, rng):
    far = dtype(1e4)
    a = np.array([[far, -far], [-far, far], [0, far], [0, 0]], dtype)
    d = np.array([[far, -far], [far, -far], [-far, far], [far, far]], dtype)
    a, d = a[None], d[None]
    for tau in (1.0, 0.1):
        value = ESTIMATORS[name](a, d, [rng], 5, tau)
        found = grad(lambda a, tau=tau: ESTIMATORS[name](a, d, [rng], 5, tau).sum())(a)
        assert np.isfinite(value) and np.isfinite(found).all() and found.dtype == dtype


def test_the_losses_at_probabilities_of_zero_and_one_are_exact():
    a = np.array([[1e4, -1e4]])
    y, none = np.array([[1.0, 0.0]]), np.zeros((1, 2))
    assert log_sigmoid_loss(a, y, none) == 0 and log_sigmoid_loss(a, none, y) == 1e4
    assert log_sigmoid(np.array([-1e4, 0, 1e4])).tolist() == [-1e4, -np.log(2), 0]
    assert log_l2(a, log_softmax(a)) == 0
    close(grad(log_sigmoid_loss)(a, none, y), np.array([[1.0, 0.0]]), 1e-12)


def test_l2_of_log_probabilities_does_not_see_a_shift(players):
    a, other = players
    assert log_l2(a + 5, log_softmax(other)) == pytest.approx(log_l2(a, log_softmax(other)), 1e-12)


def softmaxs(counts, a):
    """Whether counts (K,) of labels are those of softmax(a), and would show a tenth more of a."""
    right, wrong = (chisquare(counts, counts.sum() * softmax(c * a)[0]).pvalue for c in (1, 1.1))
    return right > 1e-3 > wrong


def test_the_largest_of_a_concrete_sample_is_the_softmaxs_label_whatever_tau_is(rng):
    a = np.array([[1.0, 0.0, -1.0, 2.0]])
    noise = gumbel([rng], (20_000, 1, K), np.float64)[:, 0]
    labels = (a + noise).argmax(-1)
    assert softmaxs(np.bincount(labels.ravel(), minlength=K), a)
    for tau in (1.0, 0.1):
        q = concrete(a, noise, tau)
        assert np.array_equal(q.argmax(-1), labels)
        assert np.abs(q.sum(-1) - 1).max() < 1e-12
    assert concrete(a, noise, 0.1).max(-1).mean() > concrete(a, noise, 1.0).max(-1).mean() + 0.2


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_shares_of_labels_are_those_of_draws_from_the_softmax(rng, dtype):
    a, n = np.array([[1.0, 0.0, -1.0, 2.0]], dtype), 20
    share = label_shares(np.tile(cumulative(a), (2, 1000, 1)), [rng, np.random.default_rng(1)], n)
    counts = (share * n).round()
    assert share.shape == (2, 1000, K) and share.dtype == dtype
    assert np.allclose(counts, share * n, atol=1e-5) and (counts.sum(-1) == n).all()
    assert not np.array_equal(counts[0], counts[1])  # a member's own generator
    assert softmaxs(counts.sum((0, 1)), a)
    p = softmax(a)[0].astype(float)
    covariance = np.cov(counts.reshape(-1, K).T) / n  # of independent draws: diag(p) − p pᵀ
    assert np.abs(covariance - (np.diag(p) - np.outer(p, p))).max() < 0.03


@pytest.mark.parametrize("draw", [
    lambda rngs: gumbel(rngs, (7, 5, K)).swapaxes(0, 1),
    lambda rngs: label_shares(np.linspace(0.1, 1, K) * np.ones((len(rngs), 5, 1)), rngs, 50),
], ids=["gumbel", "label_shares"])
def test_what_a_member_draws_is_its_own(draw):
    def rngs(*seeds):
        return [np.random.default_rng(seed) for seed in seeds]

    together, alone = draw(rngs(1, 2)), [draw(rngs(seed))[0] for seed in (1, 2)]
    assert np.array_equal(together, alone) and not np.array_equal(*alone)


def test_a_label_without_probability_is_not_drawn_but_for_rounding_and_a_sure_one_always(rng):
    a = np.array([[1e4, -1e4, 0.0], [-1e4, -1e4, 1e4]], np.float32)
    share = label_shares(cumulative(a)[None], [rng], 1000)
    assert np.array_equal(share[0], [[1, 0, 0], [0, 0, 1]])
    a = rng.standard_normal((1000, 26), np.float32)
    a[:, -1] = -1e4
    F = cumulative(a)
    assert (F[:, -1] == 1).all() and np.abs(F[:, -2] - 1).max() < 1e-6


def test_concrete_without_noise_at_one_is_the_softmax(players):
    a, _ = players
    close(concrete(a, np.zeros((1, B, K)), 1)[0], softmax(a), 1e-15)


def test_the_temperature_falls_exponentially_from_one_to_a_tenth():
    E = 11
    assert [temperature(e, E) for e in range(E)] == pytest.approx(
        [0.1 ** (e / (E - 1)) for e in range(E)], rel=1e-12)
    assert temperature(0, 1) == 1.0 and temperature(5, 11, (1.0, 1.0)) == 1.0


def test_spread_finds_no_variance_in_exact_and_no_bias_in_score(rng):
    C = Network.random(MLP(5, K, (6,), dropout=0.0), [rng, np.random.default_rng(1)])
    x, d = rng.standard_normal((2, 8, 5), np.float32), rng.standard_normal((2, 8, K), np.float32)
    rngs = [np.random.default_rng(i) for i in range(2)]
    found = {name: spread(C, x, d, f, 10, 1.0, rngs) for name, f in ESTIMATORS.items()}
    assert max(found["exact"]["variance"] + found["exact"]["bias"]) < 1e-9
    score, program = found["score"], found["program"]
    for s in range(2):
        assert score["variance"][s] > 1e-3 and score["bias"][s] < 2 * score["chance"][s]
        assert program["bias"][s] > 5 * program["chance"][s]
