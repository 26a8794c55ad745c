"""Training: batches, schedules, quirks."""

from dataclasses import replace

import numpy as np
import pytest

import data_loaders
from kegnet_np import models, protocols, sampling, stages, train, tucker
from kegnet_np.fit import Schedule, Training, fit
from kegnet_np.optim import Adam
from kegnet_np.params import value_and_grad

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


SMALL = {
    "dataset": "x.csv", "hidden": 6, "depth": 2, "ranks": (3,), "students": 2, "generators": 2,
    "latent": 3, "generator_epochs": 1, "generator_steps": 6, "generator_batch": 16,
    "noise_epochs": 2, "noise_pool": 64, "held_out": 10, "selection": "last",
}  # fmt: skip


def distilled(theta, **settings):
    c = protocols.make_config(SMALL | settings)
    student, theta_0 = tucker.compress(M, theta, c.ranks)
    return stages.distill(c, "normal", M, theta, student, theta_0, sampling.normal(4))


def test_the_students_settings_reach_the_students(rng):
    theta, _ = M.init(rng)
    usual = distilled(theta)
    for change in ({"student_dropout": False}, {"shuffle": False}, {"cosine": True}, {"seed": 1}):
        assert not np.array_equal(distilled(theta, **change).kept_theta, usual.kept_theta), change
    # The logged loss is the KL, which is 0 for the teacher itself, and not the cross-entropy.
    own = distilled(theta, ranks=(6,), student_dropout=False, student_lr=1e-12)
    assert abs(own.history[-1]["loss"]) < 1e-5


def test_the_extraction_settings_reach_the_generators(rng):
    theta, _ = M.init(rng)

    def extracted(**settings):
        return stages.extract(protocols.make_config(SMALL | settings), M, theta)[2].kept_theta

    usual = extracted()
    for change in ({"alpha": 2.0}, {"beta": 1.0}, {"teacher_dropout": True}):
        assert not np.array_equal(extracted(**change), usual), change


def test_generators_keep_running_statistics_of_every_step(rng):
    """Six steps of `extract` against the same six by hand."""
    theta_M, _ = M.init(rng)
    c = protocols.make_config({**SMALL, "generators": 1})
    G, D, done = stages.extract(c, M, theta_M)
    (own,) = sampling.seeded(c.seed, "generators", 1)
    (g, state_G), (d, state_D) = G.init(own), D.init(own)
    theta, adam = np.concatenate([g, d]), Adam(np.concatenate([g, d]), c.generator_lr)
    p_M = M.layout.views(theta_M)
    step = value_and_grad(train.extraction_loss(G, D, M, p_M), G.layout, D.layout)
    for _ in range(6):
        y, z = sampling.draw_y(own, 16, 3), sampling.draw_z(own, 16, 3)
        _, gradient, (state_G, state_D, _) = step(theta, state_G, state_D, y, z)
        adam.step(theta, gradient)
    assert done.kept_theta[0] == pytest.approx(theta, abs=1e-6)
    assert done.kept_state[0] == pytest.approx(np.concatenate([state_G, state_D]), abs=1e-6)


def test_a_teacher_is_selected_on_validation_rows_and_never_sees_the_test_rows(rng):
    data = data_loaders.load("digits")
    poisoned = replace(data, x_test=np.full_like(data.x_test, np.nan))
    c = protocols.make_config({**SMALL, "dataset": "digits", "teacher_epochs": 3})
    model, done = stages.teach(c, poisoned)
    logits = train.predict(model, done.kept_theta, None, data.x_val)
    assert done.kept_score[0] == train.accuracy(logits, data.y_val)[0] > 0.1


def test_no_member_stops_before_the_least_number_of_epochs():
    training = stack(1)
    schedule = Schedule(1e-3, 8, 50, patience=2, min_epochs=6)
    falling = iter(range(100, 0, -1))
    fit(
        training, lambda t: {"loss": np.zeros(1)}, schedule, name="test",
        score=lambda t: np.array([next(falling)]),
    )  # fmt: skip
    assert training.epoch == 6 and training.kept_epoch.tolist() == [1]


def test_the_papers_schedule_is_the_papers():
    c = protocols.make_config({"dataset": "pendigits"})
    assert (c.teacher_lr, c.teacher_batch, c.teacher_epochs) == (1e-3, 64, 1000)
    assert (c.teacher_patience, c.teacher_min_epochs) == (20, 100)
    assert (c.generator_lr, c.generator_epochs, c.generator_steps) == (1e-4, 200, 100)
    assert (c.generator_batch, c.generators, c.latent) == (256, 5, 10)
    assert (c.alpha, c.beta, c.teacher_dropout) == (1, 0, False)
    assert (c.pool_per_generator, c.noise_pool) == (6400, 6400)
    assert (c.student_lr, c.student_batch, c.students) == (1e-4, 64, 5)
    assert (c.student_epochs, c.noise_epochs) == (400, 1000)
    assert (c.student_patience, c.student_min_epochs) == (50, 100)
    assert (c.hidden, c.depth, c.dropout, c.ranks) == (100, 11, 0.15, (5,))
    assert c.selection == "synthetic" and c.sampling == "pool" and c.protocol == "paper"
    assert protocols.make_config({"dataset": "letter"}).ranks == (10,)
    assert protocols.make_config({}).protocol == "demo" and protocols.changes(c) == {}
    assert models.Classifier(2, 2).dropout == 0.15
    changed = protocols.make_config({"dataset": "shuttle", "beta": 0.5, "seed": 3})
    assert protocols.changes(changed) == {"beta": 0.5}


def test_in_the_fair_protocol_every_approach_has_as_many_updates():
    c = protocols.make_config({"dataset": "letter", "protocol": "fair"})
    assert c.pool_per_generator * c.generators == c.noise_pool
    assert c.student_epochs == c.noise_epochs and c.sampling == "fresh" and c.selection == "last"
    assert c.cosine and not c.student_dropout


def test_a_checksum_changes_with_any_label_and_any_row():
    data = data_loaders.load("digits")
    labels = data.y_test.copy()
    labels[0] = (labels[0] + 1) % 10
    rows = data.x_val.copy()
    rows[3, 20] += 1e-3
    tables = (data, replace(data, y_test=labels), replace(data, x_val=rows))
    assert len({data_loaders.checksum(table) for table in tables}) == 3


def test_a_table_standardised_like_another_has_its_units():
    data = data_loaders.load("digits")
    same = data_loaders.standardise_like(data, data.mean.tolist(), data.scale.tolist())
    assert same is data
    other = data_loaders.standardise_like(data, data.mean + 1, data.scale * 2)
    expected = (data.x_test * data.scale - 1) / (data.scale * 2)
    assert other.x_test == pytest.approx(expected, abs=1e-4)
