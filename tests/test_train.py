"""The loop of every training: schedules, early stopping, hooks; and a classifier's batches."""

import copy

import numpy as np
import pytest

from kegnet_np import losses, sampling, train
from kegnet_np.models import MLP
from kegnet_np.network import Network
from kegnet_np.train import Schedule, Training, fit

M = MLP(4, 3, (6, 6))
SHORT = Schedule(1e-3, 8, 3)


def stack(n, schedule=SHORT):
    rngs = sampling.seeded(1, "train", n)
    theta = np.stack([M.init(rng)[0] for rng in rngs])
    return Training(theta, theta[:, :0], rngs, schedule)


# --- batches --------------------------------------------------------------------------------------


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


def test_the_logged_loss_is_the_mean_over_the_steps_of_an_epoch():
    rng, model = np.random.default_rng(5), MLP(4, 3, (6,), dropout=0.0)
    x, target = rng.standard_normal((12, 4), np.float32), np.eye(3)[rng.integers(3, size=12)]
    start = Network.random(model, [rng])
    training = Training(start.theta, start.state, [rng], Schedule(1e-12, 4, 1))  # stands still
    fit(training, train.classifier_epoch(
        model, losses.cross_entropy, train.pool_batches(x, target, 4)
    ))
    expected = losses.cross_entropy(start.predict(x)[0], target)
    assert training.history[0]["loss"] == pytest.approx(expected, rel=1e-5)


# --- schedules ------------------------------------------------------------------------------------


def test_the_cosine_falls_from_lr_to_almost_zero_and_adam_gets_it():
    schedule = Schedule(0.1, 8, 10, cosine=True)
    rates = [schedule.rate(e) for e in range(10)]
    assert rates[0] == 0.1 and rates[5] == pytest.approx(0.05) and rates == sorted(rates)[::-1]
    assert 0 < rates[9] < 0.003 and Schedule(0.1, 8, 10).rate(9) == 0.1
    seen = []

    def run_epoch(training):
        seen.append(training.adam.lr)
        return {"loss": np.zeros(1)}

    fit(stack(1, schedule), run_epoch)
    assert seen == rates


def test_a_loss_that_is_not_finite_stops_with_the_epoch_and_the_remedy():
    with pytest.raises(FloatingPointError, match="loss is .*nan.* in epoch 1: lower the learning"):
        fit(stack(1), lambda t: {"loss": np.array([np.nan])})


@pytest.mark.parametrize("settings", [(0.0, 8, 3), (1e-3, 0, 3), (1e-3, 8, 0)])
def test_a_schedule_that_cannot_run_is_refused(settings):
    with pytest.raises(ValueError, match="expected lr > 0 and at least 1 row per batch"):
        Schedule(*settings)


# --- which epoch is kept --------------------------------------------------------------------------


def test_early_stopping_keeps_the_best_epoch_the_later_of_equals_per_member():
    scores = iter([[1, 5], [3, 4], [3, 3], [2, 2], [1, 1], [0, 0]])
    training = stack(2, Schedule(1e-3, 8, 9, patience=2, min_epochs=2))

    def run_epoch(t):
        t.theta += 1  # so that what was kept tells its epoch
        return {"loss": np.zeros(len(t.members))}

    start = training.theta[:, 0].copy()
    fit(training, run_epoch, score=lambda t: np.array(next(scores), float)[t.members])
    assert training.kept_epoch.tolist() == [3, 1] and training.kept_score.tolist() == [3, 5]
    assert training.kept_theta[:, 0] - start == pytest.approx([3, 1], abs=1e-5)
    assert training.epoch == 5  # member 1 stopped after 3 epochs, member 0 after 5
    assert [row["epoch"] for row in training.history if row["member"] == 1] == [1, 2, 3]


def test_no_member_stops_before_the_least_number_of_epochs():
    training = stack(1, Schedule(1e-3, 8, 50, patience=2, min_epochs=6))
    falling = iter(range(100, 0, -1))
    fit(training, lambda t: {"loss": np.zeros(1)}, score=lambda t: np.array([next(falling)]))
    assert training.epoch == 6 and training.kept_epoch.tolist() == [1]


@pytest.mark.parametrize("schedule, score", [
    (Schedule(1e-3, 8, 4), lambda t: np.array([-t.epoch])),  # without patience
    (Schedule(1e-3, 8, 4, patience=1), None),  # without a score
])
def test_without_patience_or_a_score_the_last_epoch_is_kept(schedule, score):
    training = stack(1, schedule)

    def run_epoch(t):
        t.theta += 1
        return {"loss": np.zeros(1)}

    fit(training, run_epoch, score)
    assert training.epoch == 4 and training.kept_epoch.tolist() == [4]
    assert np.array_equal(training.kept_theta, training.theta)
    assert ["score" in row for row in training.history] == [score is not None] * 4


# --- the hook -------------------------------------------------------------------------------------


def classifier_training(members=(0, 1), **schedule):
    """A training of random answers to random rows, its run_epoch and its score."""
    rng = np.random.default_rng(5)
    x, labels = rng.standard_normal((80, 4), np.float32), rng.integers(3, size=80)
    every = sampling.seeded(1, "train", 2)
    rngs = [every[s] for s in members]
    start = Network.random(M, rngs)
    training = Training(start.theta, start.state, rngs, Schedule(0.02, 16, 9, **schedule))
    batches = train.pool_batches(x[:40], sampling.one_hot(labels[:40], 3), 16)
    run_epoch = train.classifier_epoch(M, losses.cross_entropy, batches)
    return training, run_epoch, train.share_right(M, x[40:], labels[40:])


def test_the_hook_sees_the_start_and_every_epoch():
    training, run_epoch, score = classifier_training()
    seen = []
    fit(training, run_epoch, score, hook=lambda t: seen.append((t.epoch, len(t.history))))
    assert seen == [(e, 2 * e) for e in range(10)]
    assert training.adam.t == 9 * 3 and training.seconds > 0


def test_a_training_that_a_hook_puts_in_place_ends_with_the_same_bits():
    settings = {"patience": 2, "min_epochs": 4}
    whole, run_epoch, score = classifier_training(**settings)
    kept = {}

    def keep(t):
        kept[t.epoch] = copy.deepcopy(vars(t))

    fit(whole, run_epoch, score, keep)
    for epoch in (0, 3, 6, whole.epoch):  # a member retires in epoch 4
        again, run_epoch, score = classifier_training(**settings)
        earlier = copy.deepcopy(kept[epoch])

        def put_back(t, earlier=earlier):
            if t.epoch == 0:
                vars(t).update(earlier)

        fit(again, run_epoch, score, put_back)
        assert np.array_equal(again.kept_theta, whole.kept_theta)
        assert again.history == whole.history and again.epoch == whole.epoch


def test_a_member_ends_as_if_it_had_trained_alone():
    settings = {"patience": 3, "min_epochs": 2}
    together, run_epoch, score = classifier_training(**settings)
    fit(together, run_epoch, score)
    assert len(set(together.kept_epoch)) == 2  # they stop at different epochs
    for s in (0, 1):
        alone, run_epoch, score = classifier_training([s], **settings)
        fit(alone, run_epoch, score)
        assert alone.kept_epoch[0] == together.kept_epoch[s]
        assert alone.kept_theta[0] == pytest.approx(together.kept_theta[s], abs=1e-5)


@pytest.mark.parametrize("piece", [1, 2, 16])
def test_members_stepped_in_pieces_are_those_of_the_whole_stack(piece, monkeypatch, rng):
    model, rngs = MLP(4, 3, (6,), dropout=0.3), sampling.seeded(0, "pieces", 5)
    start = Network.random(model, rngs)
    x, y = rng.standard_normal((5, 32, 4)).astype(np.float32), np.eye(3, dtype=np.float32)
    target, made = y[rng.integers(3, size=(5, 32))], []
    for size in (5, piece):
        monkeypatch.setattr(train, "PIECE", size)
        own = sampling.seeded(1, "pieces", 5)
        training = train.Training(start.theta, start.state, own, Schedule(1e-2, 8, 2))
        epoch = train.classifier_epoch(
            model, losses.cross_entropy, train.pool_batches(x, target, 8))
        made.append((train.fit(training, epoch).kept_theta, training.history))
    assert np.array_equal(made[0][0], made[1][0]) and made[0][1] == made[1][1]


def test_batches_without_an_axis_of_members_are_refused():
    model = MLP(2, 2, (3,), dropout=0.0)
    start = Network.random(model, sampling.seeded(0, ""))
    rows = np.zeros((8, 2), np.float32)
    epoch = train.classifier_epoch(model, losses.kl, lambda t: iter([(rows, rows)]))
    training = train.Training(start.theta, start.state, sampling.seeded(0, ""), Schedule(1, 8, 1))
    with pytest.raises(ValueError, match=r"batches gave x \(8, 2\), expected \(1, B, D\)"):
        train.fit(training, epoch)
