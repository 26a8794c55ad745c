"""What is drawn at random, the seeds, Adam's steps, and how an answer is counted."""

import numpy as np
import pytest
from checks import close

from kegnet_np import metrics, sampling
from kegnet_np.optim import Adam


def test_labels_codes_and_noise_have_the_distributions_of_the_paper(rng):
    n = 20_000
    y = sampling.draw_y(rng, n, 4)
    assert y.shape == (n, 4) and (y.sum(1) == 1).all() and abs(y.mean(0) - 0.25).max() < 0.02
    z = sampling.draw_z(rng, n, 3)
    assert abs(z.mean(0)).max() < 0.03 and abs(z.std(0) - 1).max() < 0.03
    x = sampling.uniform(3)(rng, n)
    assert x.dtype == np.float32 and -1 <= x.min() < -0.99 and 0.99 < x.max() <= 1
    assert abs(x.std(0) - 3**-0.5).max() < 0.01
    assert abs(sampling.normal(3)(rng, n).std(0) - 1).max() < 0.03


def test_rows_of_a_table_as_a_sampler_are_its_rows(rng):
    x = rng.standard_normal((5, 3))
    drawn = sampling.rows_of(x)(rng, 100)
    assert drawn.shape == (100, 3) and {tuple(r) for r in drawn} == {tuple(r) for r in x}


def test_streams_of_different_purposes_and_members_differ_and_repeat():
    draws = [r.random() for p in ("a", "b") for r in sampling.seeded(7, p, 2)]
    assert len(set(draws)) == 4
    assert draws == [r.random() for p in ("a", "b") for r in sampling.seeded(7, p, 2)]


def test_adam_follows_its_equations(rng):
    theta, m, v = rng.standard_normal(6), np.zeros(6), np.zeros(6)
    expected, adam = theta.copy(), Adam(theta, 0.01)
    for t in range(1, 6):
        g = rng.standard_normal(6)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        expected -= 0.01 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        adam.step(theta, g)
        close(theta, expected, 1e-12)


def test_accuracy_and_balanced_accuracy_count_right_answers():
    logits = np.eye(3)[[0, 0, 0, 1, 2]]
    labels = np.array([0, 0, 0, 0, 2])
    assert metrics.accuracy(logits, labels) == 0.8
    assert metrics.balanced_accuracy(logits, labels) == pytest.approx((0.75 + 1.0) / 2)


def test_agreement_counts_equal_answers_for_each_member_of_a_stack():
    others = np.eye(3)[[0, 0, 1, 2]]
    stack = np.stack([others, np.eye(3)[[0, 1, 1, 0]]])
    assert metrics.agreement(stack, others).tolist() == [1.0, 0.5]
    assert metrics.accuracy(stack, np.array([0, 0, 1, 1])).tolist() == [0.75, 0.5]


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: Adam(np.ones(3), -1e-3), "lr is -0.001, expected a positive learning rate"),
        (lambda: sampling.seeded(-1, "x"), "seed is -1, expected an integer of at least 0"),
    ],
)
def test_wrong_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
