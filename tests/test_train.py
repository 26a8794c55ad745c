"""Training: batches, schedules, quirks."""

import numpy as np
import pytest

import data_loaders
from kegnet_np import config, models, sampling, stages, train, tucker
from kegnet_np.fit import Schedule, Training, fit

M = models.Classifier(4, 3, hidden=6, depth=2)


def stack(n, lr=1e-3):
    rngs = sampling.seeded(1, "train", n)
    theta = np.stack([M.init(rng)[0] for rng in rngs])
    return Training(theta, theta[:, :0], rngs, lr)


def test_a_pool_is_gone_through_once_an_epoch_in_every_members_own_order():
    x = np.arange(10.0)[:, None]
    training = stack(2)
    seen = np.concatenate([b[..., 0] for b, _ in train.pool_batches(x, x, 4)(training)], axis=1)
    assert [sorted(row) for row in seen.tolist()] == [list(range(10))] * 2
    assert not np.array_equal(seen[0], seen[1])
    plain = [b[..., 0] for b, _ in train.pool_batches(x, x, 4, shuffle=False)(training)]
    assert [p.shape for p in plain] == [(2, 4), (2, 4), (2, 2)]
    assert np.concatenate(plain, axis=1).tolist() == [list(range(10))] * 2


def test_each_member_has_its_own_pool_if_the_pool_is_a_stack():
    x = np.stack([np.zeros((6, 1)), np.ones((6, 1))])
    training = stack(2)
    for batch, _ in train.pool_batches(x, x, 4)(training):
        assert (batch[0] == 0).all() and (batch[1] == 1).all()
    training.retire(np.array([True, False]))
    for batch, _ in train.pool_batches(x, x, 4)(training):
        assert batch.shape[0] == 1 and (batch == 1).all()


def test_fresh_samples_never_repeat_and_carry_the_teachers_answers():
    training = stack(2)
    batches = train.fresh_batches(sampling.normal(4), lambda x: 2 * x, 8, 5)
    drawn = list(batches(training))
    assert len(drawn) == 5 and all(np.array_equal(t, 2 * x) for x, t in drawn)
    assert len(np.unique(np.concatenate([x.ravel() for x, _ in drawn]))) == 5 * 2 * 8 * 4


def test_the_cosine_falls_from_lr_to_almost_zero_and_adam_gets_it():
    schedule = Schedule(0.1, 8, 10, cosine=True)
    rates = [schedule.rate(e) for e in range(10)]
    assert rates[0] == 0.1 and rates[5] == pytest.approx(0.05) and rates == sorted(rates)[::-1]
    assert 0 < rates[9] < 0.003 and Schedule(0.1, 8, 10).rate(9) == 0.1
    seen = []

    def run_epoch(training):
        seen.append(training.adam.lr)
        return {"loss": np.zeros(1)}

    fit(stack(1), run_epoch, schedule, name="test")
    assert seen == rates


def test_a_loss_that_is_not_finite_stops_with_the_stage_and_the_remedy():
    with pytest.raises(FloatingPointError, match="test: loss is .*nan.* in epoch 1: lower the lea"):
        fit(stack(1), lambda t: {"loss": np.array([np.nan])}, Schedule(1e-3, 8, 3), name="test")


@pytest.mark.parametrize("settings", [(0.0, 8, 3), (1e-3, 0, 3), (1e-3, 8, 0)])
def test_a_schedule_that_cannot_run_is_refused(settings):
    with pytest.raises(ValueError, match="expected lr > 0 and at least 1 row per batch"):
        Schedule(*settings)


def test_early_stopping_keeps_the_best_epoch_the_later_of_equals_per_member():
    scores = iter([[1, 5], [3, 4], [3, 3], [2, 2], [1, 1], [0, 0]])
    training = stack(2)

    def run_epoch(t):
        t.theta += 1  # so that what was kept tells its epoch
        return {"loss": np.zeros(len(t.members))}

    start = training.theta[:, 0].copy()
    fit(
        training, run_epoch, Schedule(1e-3, 8, 9, patience=2, min_epochs=2), name="test",
        score=lambda t: np.array(next(scores), float)[t.members],
    )  # fmt: skip
    assert training.kept_epoch.tolist() == [3, 1] and training.kept_score.tolist() == [3, 5]
    assert training.kept_theta[:, 0] - start == pytest.approx([3, 1], abs=1e-5)
    assert training.epoch == 5  # member 1 stopped after 3 epochs, member 0 after 5
    assert [row["epoch"] for row in training.history if row["member"] == 1] == [1, 2, 3]


def test_accuracy_and_balanced_accuracy_count_right_answers():
    logits = np.eye(3)[[0, 0, 0, 1, 2]]
    labels = np.array([0, 0, 0, 0, 2])
    assert train.accuracy(logits, labels) == 0.8
    assert train.balanced_accuracy(logits, labels) == pytest.approx((0.75 + 1.0) / 2)


def test_rows_of_a_table_as_a_sampler_are_its_rows(rng):
    x = rng.standard_normal((5, 3))
    drawn = sampling.rows_of(x)(rng, 100)
    assert drawn.shape == (100, 3) and {tuple(r) for r in drawn} == {tuple(r) for r in x}


def test_splits_by_their_own_statistics_have_mean_zero_and_deviation_one():
    data = data_loaders.load("digits")
    own = data_loaders.standardise_each_split(data)
    varies = np.ptp(data.x_test, axis=0) > 0
    assert abs(data.x_test.mean(0)).max() > 0.05 and abs(own.x_test.mean(0)).max() < 1e-5
    assert own.x_test.std(0)[varies] == pytest.approx(1, abs=1e-3)
    assert np.array_equal(own.x_train, data.x_train)


def test_students_without_dropout_learn_from_the_plain_network(rng):
    """student_dropout off: one step equals a plain Adam step on the KL, masks all one."""
    theta, _ = M.init(rng)
    settings = {"dataset": "x.csv", "hidden": 6, "depth": 2, "ranks": (3,), "students": 2}
    settings |= {"sampling": "fresh", "noise_epochs": 2, "noise_pool": 64, "held_out": 10}
    kept = {}
    for dropout in (True, False):
        c = config.make_config({**settings, "student_dropout": dropout, "selection": "last"})
        student, theta_0 = tucker.compress(M, theta, c.ranks)
        done = stages.distill(c, "normal", M, theta, student, theta_0, sampling.normal(4))
        kept[dropout] = done.history[-1]["loss"]
    assert kept[False] < kept[True]
