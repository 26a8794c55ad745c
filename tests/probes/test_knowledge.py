"""Probes of answers, on networks whose answers are written into their inputs."""

import numpy as np
import pytest
from scipy.stats import t as student_t

from kegnet_np.models import MLP
from kegnet_np.network import Network
from kegnet_np.probes import knowledge
from kegnet_np.probes.knowledge import Estimate, estimate

K = 3


def reader(*columns):
    """A stack of networks: member s answers the number that stands one-hot in its columns of x."""
    model = MLP(3 * K, K, (), dropout=0.0)
    theta = np.zeros((len(columns), model.layout.size))
    for row, place in zip(theta, columns, strict=True):
        model.layout.views(row)["W0"][place * K : (place + 1) * K] = np.eye(K)
    return Network(model, theta)


T, S, BOTH = reader(0).member(0), reader(1), reader(1, 2)


def rows(*answers):
    """x from which the three readers read their answers, (N,) each."""
    answers = [*answers, *(3 - len(answers)) * [np.zeros(len(answers[0]), int)]]
    return np.concatenate([np.eye(K)[np.asarray(a)] for a in answers], axis=1)


def jackknife(statistic, N):
    """The standard error of statistic(kept rows), leaving out one at a time."""
    found = np.array([statistic(np.delete(np.arange(N), i)) for i in range(N)])
    return np.sqrt((N - 1) / N * ((found - found.mean(0)) ** 2).sum(0))


def error_of(found, N):
    """The standard error behind an interval."""
    return found.half / student_t.ppf(0.975, N - 1)


def test_an_estimate_is_mean_and_t_interval_of_the_examples_that_count():
    values = np.array([[1.0, 2.0, 6.0, 9.0], [0.0, 0.0, 0.0, 5.0], [1.0, 2.0, 3.0, 4.0]])
    on = np.array([[1, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]], bool)
    found = estimate(values, on)
    assert found.n.tolist() == [3, 1, 0]
    assert found.mean[:2].tolist() == [3.0, 5.0] and np.isnan(found.mean[2])
    assert found.half[0] == pytest.approx(4.302653 * np.sqrt(7 / 3), rel=1e-6)  # t at 2 degrees
    assert np.isnan(found.half[1:]).all()
    assert estimate(np.array([1.0, 3.0])).half == pytest.approx(12.706205, rel=1e-6)
    one = estimate(values[0])
    assert one.mean == 4.5 and one.n == 4 and one.half.shape == ()


def test_an_interval_holds_the_mean_nineteen_times_in_twenty(rng):
    found = estimate(rng.random((4000, 30)) < 0.3)
    held = np.abs(found.mean - 0.3) <= found.half
    assert held.mean() == pytest.approx(0.95, abs=0.02)


def test_differences_and_quotients_are_those_of_means_with_the_intervals_of_paired_examples(rng):
    N = 300
    a, b = rng.random((2, N)) + 3 * rng.random(N)
    assert (Estimate(a) - Estimate(b)).half < 0.6 * Estimate(a).half  # what they share is gone
    found = Estimate(a) / Estimate(b)
    assert found.mean == pytest.approx(a.mean() / b.mean(), rel=1e-12)
    error = jackknife(lambda i: a[i].mean() / b[i].mean(), N)
    assert error_of(found, N) == pytest.approx(error, rel=0.02)
    assert np.isnan((Estimate(a) / Estimate(0 * b)).mean)
    assert np.abs((Estimate(a) / Estimate(np.full(N, 4.0))).values - a / 4).max() < 1e-12


def test_a_student_equal_to_its_teacher_scores_one(rng):
    y, t, ind = rng.integers(K, size=(3, 200))
    x = rows(t, t, ind)
    assert knowledge.consensus(T, S, x).mean == 1 == knowledge.kappa(T, S, x).mean
    found = knowledge.errors(T, S, x, y)
    assert found["agreement"].mean == found["ceiling"].mean == 1 > found["control"].mean[0]
    a_t, a_s, a_ind = (knowledge.right(net, x, y) for net in (T, S, reader(2)))
    assert knowledge.transfer(a_t, a_s, a_ind).mean == pytest.approx(1)
    assert knowledge.transfer(a_t, a_ind, a_ind).mean == 0


def test_invariance_is_the_share_of_answers_that_stay():
    x, changed = rows([0, 1, 2, 0], [0, 1, 2, 0]), rows([0, 1, 2, 0], [0, 1, 1, 1])
    assert knowledge.invariance(T, x, changed).mean == 1
    assert knowledge.invariance(S, x, changed).mean.tolist() == [0.5]


def test_what_passed_is_a_share_of_what_the_teacher_has(rng):
    N = 400
    t, ind = rng.random(N) < 0.9, rng.random(N) < 0.3
    s = np.where(rng.random(N) < 0.5, t, ind)
    found = knowledge.transfer(*map(estimate, (t, s, ind)))
    expected = (s.mean() - ind.mean()) / (t.mean() - ind.mean())
    assert found.mean == pytest.approx(expected, rel=1e-12) and 0.3 < expected < 0.7
    error = jackknife(
        lambda i: (s[i].mean() - ind[i].mean()) / (t[i].mean() - ind[i].mean()), N)
    assert error_of(found, N) == pytest.approx(error, rel=0.02)


def test_kappa_is_cohens_and_its_interval_the_jackknifes(rng):
    N = 300
    t = rng.choice(K, N, p=[0.6, 0.3, 0.1])
    s = np.stack([np.where(rng.random(N) < 0.5, t, rng.integers(K, size=N)),
                  rng.permutation(t)])
    x = rows(t, *s)

    def by_hand(i):
        agree = (s[:, i] == t[i]).mean(1)
        chance = sum((s[:, i] == k).mean(1) * (t[i] == k).mean() for k in range(K))
        return (agree - chance) / (1 - chance)

    found = knowledge.kappa(T, BOTH, x)
    assert found.mean == pytest.approx(by_hand(np.arange(N)), rel=1e-12)
    assert error_of(found, N) == pytest.approx(jackknife(by_hand, N), rel=0.02)
    assert knowledge.kappa(T, S.member(0), x).mean == pytest.approx(found.mean[0], rel=1e-12)
    assert found.mean[0] > 0.35 and abs(found.mean[1]) < found.half[1]  # chance gives nothing
    assert knowledge.consensus(T, BOTH, x).mean[1] > 0.35  # where consensus gives something
    same = rows(np.zeros(5, int), np.zeros(5, int))
    assert np.isnan(knowledge.kappa(T, S, same).mean).all()


def test_agreement_on_the_teachers_errors_beside_its_ceiling_and_control():
    y = [0, 0, 0, 0, 0, 1, 1, 2]
    t = [1, 1, 1, 2, 0, 1, 2, 2]  # five wrong
    s = [1, 2, 0, 2, 2, 1, 2, 0]  # wrong on four of those; of class 0: 1 once and 2 three times
    found = knowledge.errors(T, S, rows(t, s), np.array(y))
    assert {key: (part.mean[0], part.n[0]) for key, part in found.items()} == {
        "agreement": (pytest.approx(3 / 5), 5), "ceiling": (pytest.approx(4 / 5), 5),
        "control": (pytest.approx((1 / 4 + 1 / 4 + 3 / 4 + 1) / 5), 5)}


def test_errors_dealt_out_at_random_agree_as_often_as_their_control_says(rng):
    y, t = rng.integers(K, size=(2, 3000))
    s = np.where(rng.random(3000) < 0.4, y, (y + 1 + (rng.random(3000) < 0.2)) % K)
    found = knowledge.errors(T, S, rows(t, s), y)
    apart = found["agreement"] - found["control"]
    assert abs(apart.mean[0]) < apart.half[0] < 0.05 < found["control"].mean[0]


def test_a_cue_is_the_label_as_often_as_it_should_be(rng):
    labels = rng.integers(4, size=20000)
    x = rng.standard_normal((20000, 2)).astype(np.float32)
    for rho in (0.0, 0.25, 0.95, 1.0):
        wider, cues = knowledge.with_cue(x, labels, 4, rho, rng)
        assert (cues == labels).mean() == pytest.approx(rho, abs=0.01)
        assert np.array_equal(wider[:, :2], x) and wider.dtype == np.float32
        column = wider[:, 2]
        assert abs(column.mean()) < 0.05 and column.std() == pytest.approx(1, abs=0.02)
        assert np.abs(np.corrcoef(column, cues)[0, 1]) == pytest.approx(1, abs=1e-6)
        if rho == 0.25:  # chance: it says nothing of the label
            shares = np.histogram2d(labels, cues, bins=4)[0] / 20000
            assert np.abs(shares - 1 / 16).max() < 0.01


def test_who_keeps_to_the_label_is_counted_where_label_and_cue_are_in_conflict():
    y, cue = np.array([0, 0, 0, 0, 1, 2, 1]), np.array([1, 1, 2, 1, 2, 0, 1])  # the last: none
    s = [0, 1, 2, 2, 1, 2, 1]  # the fourth answers neither
    found = knowledge.keeps_to_the_label(S, rows(s, s), y, cue)
    assert found.n.tolist() == [5] and found.mean[0] == pytest.approx(3 / 5)


def test_the_gap_is_what_a_group_lacks(rng):
    N = 300
    groups, y = rng.integers(4, size=N), np.zeros(N, int)
    hit = rng.random((2, N)) < np.where(groups == 2, 0.4, 0.9)
    found = knowledge.gap(BOTH, rows(y, *np.where(hit, 0, 1)), y, groups, 2)

    def by_hand(i):
        of = [hit[:, i][:, groups[i] == g].mean(1) for g in range(4)]
        return (of[0] + of[1] + of[3]) / 3 - of[2]

    assert found.mean == pytest.approx(by_hand(np.arange(N)), rel=1e-12)
    assert (found.mean > 0.3).all()
    halves = [knowledge.gap(S, rows(y, 1 - hit[0]), y, groups > 1, g).mean[0] for g in (0, 1)]
    assert halves[1] == -halves[0] == pytest.approx(  # two groups: accuracy of one less the other's
        hit[0][groups < 2].mean() - hit[0][groups > 1].mean(), rel=1e-12)
    assert error_of(found, N) == pytest.approx(jackknife(by_hand, N), rel=0.02)


X, Y = rows([0, 1, 2, 0], [0, 1, 2, 1]), np.array([0, 1, 2, 0])


@pytest.mark.parametrize("probe, words", [
    (lambda: knowledge.right(S, X, Y[:1]), r"labels has shape \(1,\), expected \(4,\)"),
    (lambda: knowledge.invariance(S, X, X[:1]), r"changed has shape \(1, 9\), expected \(4, 9\)"),
    (lambda: knowledge.errors(T, S, X, Y[:, None]), r"labels has shape \(4, 1\), expected \(4,\)"),
    (lambda: knowledge.with_cue(X, Y[:2], K, 0.5, None), r"labels has shape \(2,\)"),
    (lambda: knowledge.with_cue(X, Y, K, 1.5, None), "rho is 1.5, expected a probability"),
    (lambda: knowledge.keeps_to_the_label(S, X, Y, Y[:1]), r"cues has shape \(1,\)"),
    (lambda: knowledge.keeps_to_the_label(S, X, Y[:1], Y), r"labels has shape \(1,\)"),
    (lambda: knowledge.gap(S, X, Y, Y[:1], 0), r"groups has shape \(1,\), expected \(4,\)"),
    (lambda: knowledge.gap(S, X, Y, Y, 7), r"group is 7, expected one of groups, which has \[0 1"),
    (lambda: knowledge.gap(S, X, Y, 0 * Y, 0), r"group is 0, expected .* \[0\], and others"),
    (lambda: knowledge.consensus(T, S, X[:, :5]), r"x has shape \(4, 5\), expected"),
])
def test_arguments_that_do_not_fit_are_named(probe, words):
    with pytest.raises(ValueError, match=words):
        probe()
