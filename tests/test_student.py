"""distill: what reaches the students, which epoch is kept, what is refused."""

import inspect

import numpy as np
import pytest

from kegnet_np import losses, metrics, sampling, train, tucker
from kegnet_np.models import MLP
from kegnet_np.network import Network
from kegnet_np.student import distill
from kegnet_np.train import Schedule

USUAL = {
    "students": 2, "pool": 64, "held_out": 10, "schedule": Schedule(1e-4, 64, 2), "seed": 2019,
    "purpose": "normal",
}
NORMAL = sampling.normal(4)


@pytest.fixture
def teacher(rng):
    return Network.random(MLP(4, 3, (6, 6)), rng)


def distilled(teacher, start=None, samples=NORMAL, **arguments):
    start = start or tucker.compress(teacher, 3)
    return distill(teacher, start, samples, **{**USUAL, **arguments})


def test_the_defaults_are_the_papers():
    usual = {name: p.default for name, p in inspect.signature(distill).parameters.items()}
    assert (usual["students"], usual["pool"], usual["held_out"]) == (5, 6400, 2000)
    assert (usual["fresh"], usual["shuffle"], usual["dropout"]) == (False, True, True)
    assert usual["schedule"] == Schedule(1e-4, 64, 1000, patience=50, min_epochs=100)
    assert usual["validation"] is None and usual["seed"] == 2019


def test_the_students_settings_reach_the_students(teacher):
    usual = distilled(teacher)[1]
    for change in (
        {"dropout": False}, {"shuffle": False}, {"fresh": True}, {"pool": 65}, {"seed": 1},
        {"schedule": Schedule(1e-4, 64, 2, cosine=True)}, {"schedule": Schedule(1e-3, 64, 2)},
        {"schedule": Schedule(1e-4, 32, 2)}, {"schedule": Schedule(1e-4, 64, 3)},
        {"samples": sampling.uniform(4)}, {"start": tucker.compress(teacher, 2)},
    ):
        assert not np.array_equal(distilled(teacher, **change)[1].kept_theta, usual.kept_theta), (
            change
        )
    # The logged loss is the KL, which is 0 for the teacher itself, and not the cross-entropy.
    own = distilled(teacher, tucker.compress(teacher, 6), dropout=False,
                    schedule=Schedule(1e-12, 64, 2))[1]
    assert abs(own.history[-1]["loss"]) < 1e-5


def test_the_same_purpose_and_seed_give_the_same_bits_and_another_purpose_others(teacher):
    usual = distilled(teacher)[0].theta
    assert np.array_equal(distilled(teacher)[0].theta, usual)
    assert not np.array_equal(distilled(teacher, purpose="uniform")[0].theta, usual)
    assert not np.array_equal(usual[0], usual[1])


def test_the_random_numbers_are_those_of_the_purpose(teacher):
    """Pools, orders and held-out samples, by hand: old seeds keep their numbers."""
    drawn = []

    def samples(rng, n):
        drawn.append(NORMAL(rng, n))
        return drawn[-1]

    start = tucker.compress(teacher, 3)
    students, done = distilled(teacher, samples=samples, dropout=False)
    rngs = sampling.seeded(2019, "normal", 2)
    for s in range(2):
        assert np.array_equal(drawn[s], NORMAL(rngs[s], 64))
    assert np.array_equal(drawn[2], NORMAL(sampling.seeded(2019, "normal held out")[0], 10))
    for s, rng in enumerate(rngs):  # the first epoch is one step on the whole pool
        order = rng.permutation(64)
        target = losses.softmax(teacher.predict(drawn[s][order]))
        expected = losses.kl(start.predict(drawn[s][order]), target)
        assert done.history[s]["loss"] == pytest.approx(expected, rel=1e-4)
    agreement = metrics.agreement(students.predict(drawn[2]), teacher.predict(drawn[2]))
    assert done.kept_score == pytest.approx(agreement)
    assert students.model == start.model  # with its dropout, though it learnt without


def test_students_start_where_they_are_told_and_leave_that_alone(teacher):
    still = {"schedule": Schedule(1e-12, 64, 1)}
    start = tucker.compress(teacher, 3)
    kept = start.theta.copy()
    students, _ = distilled(teacher, start, students=4, **still)
    assert students.model == start.model and students.theta.shape == (4, start.size)
    assert students.theta == pytest.approx(np.stack([kept] * 4), abs=1e-9)
    own = Network.random(MLP(4, 3, (5,)), sampling.seeded(1, "own", 3))
    students, _ = distilled(teacher, own, **still)  # a stack says how many itself
    assert students.theta == pytest.approx(own.theta, abs=1e-9)
    distilled(teacher, start, schedule=Schedule(1e-2, 64, 1))
    assert np.array_equal(start.theta, kept)


@pytest.mark.parametrize("fresh", [False, True])
def test_an_epoch_has_as_many_steps_on_fresh_samples_as_on_a_pool(teacher, fresh):
    _, done = distilled(teacher, fresh=fresh, pool=70, schedule=Schedule(1e-4, 20, 8))
    assert (done.epoch, done.adam.t) == (8, 8 * 4)  # of 20, 20, 20 and 10 or 20 samples


# --- which epoch is kept --------------------------------------------------------------------------


def test_an_unwatched_student_is_the_same_and_has_no_scores(teacher):
    watched, alone = (distilled(teacher, held_out=held_out)[1] for held_out in (10, None))
    assert (watched.kept_theta == alone.kept_theta).all()
    assert all("score" in row for row in watched.history)
    assert not any("score" in row for row in alone.history)


def test_with_patience_the_best_epoch_on_held_out_samples_is_kept(teacher, rng):
    held_out = rng.standard_normal((300, 4)).astype(np.float32)
    students, done = distilled(
        teacher, held_out=held_out, schedule=Schedule(0.03, 16, 12, patience=3)
    )
    agreement = metrics.agreement(students.predict(held_out), teacher.predict(held_out))
    for s in range(2):
        rows = [row for row in done.history if row["member"] == s]
        best = max(row["score"] for row in rows)
        assert rows[done.kept_epoch[s] - 1]["score"] == best == agreement[s]


def test_validation_rows_select_by_accuracy_instead(teacher, rng):
    x, labels = rng.standard_normal((300, 4)).astype(np.float32), rng.integers(3, size=300)
    students, done = distilled(
        teacher, validation=(x, labels), held_out=None,
        schedule=Schedule(0.03, 16, 12, patience=3),
    )
    assert done.kept_score == pytest.approx(metrics.accuracy(students.predict(x), labels))


@pytest.mark.parametrize("fresh", [False, True])
def test_rows_are_the_pool_of_all_students(teacher, rng, fresh):
    x = rng.standard_normal((50, 4)).astype(np.float32)
    others = rng.standard_normal((20, 4)).astype(np.float32)
    schedule = Schedule(1e-2, 16, 2, patience=5)
    students, done = distilled(teacher, samples=x, held_out=others, fresh=fresh, schedule=schedule)
    assert done.adam.t == 2 * 4  # 50 rows, or 64 fresh draws of them, in 16s
    again, _ = distilled(teacher, samples=x, held_out=others, fresh=fresh, schedule=schedule)
    assert np.array_equal(students.theta, again.theta)
    assert not np.array_equal(students.theta[0], students.theta[1])  # each in its own order


def test_the_hook_sees_every_epoch(teacher):
    seen = []
    distilled(teacher, hook=lambda t: seen.append(t.epoch))
    assert seen == [0, 1, 2]


# --- arguments ------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [MLP(5, 3, (6,)), MLP(4, 2, (6,))])
def test_a_start_for_another_job_is_refused(teacher, rng, model):
    words = (f"start has {model.features} features and {model.classes} classes, the teacher 4 "
             "and 3: make it from this teacher")
    with pytest.raises(ValueError, match=words):
        distilled(teacher, Network.random(model, rng))


def test_patience_without_anything_to_score_by_is_refused(teacher):
    with pytest.raises(ValueError, match="held_out is None, but schedule.patience selects an ep"):
        distilled(teacher, held_out=None, schedule=Schedule(1e-4, 64, 2, patience=1))


def test_held_out_samples_cannot_be_drawn_from_rows(teacher):
    with pytest.raises(ValueError, match="held_out is 10, but samples are rows: give other rows"):
        distilled(teacher, samples=np.zeros((8, 4), np.float32))


@pytest.mark.parametrize("validation, message", [
    (np.zeros((8, 4)), "validation is ndarray, expected x"),
    ((np.zeros((8, 3)), np.zeros(8, int)), r"validation: x has shape \(8, 3\) .* \(N, 4\)"),
    ((np.zeros((8, 4)), np.zeros(8)), "validation: labels are no class numbers"),
    ((np.zeros((8, 4)), np.zeros(9, int)), r"labels \(9,\), expected \(N, 4\) and \(N,\)"),
])
def test_validation_rows_that_do_not_fit_are_refused_by_name(teacher, validation, message):
    with pytest.raises(ValueError, match=message):
        distilled(teacher, validation=validation)


@pytest.mark.parametrize("fresh", [True, False])
def test_students_that_share_samples_see_the_same_and_the_teacher_answers_once(fresh, monkeypatch):
    M = Network.random(MLP(4, 3, (6,)), np.random.default_rng(0))
    start = Network.random(MLP(4, 3, (5,)), sampling.seeded(0, "starts", 3))
    asked, seen, predict = [], [], Network.predict

    def counted(self, x):
        if self is M:
            asked.append(x.shape)
        return predict(self, x)

    epoch_of = train.classifier_epoch

    def spied(model, loss, batches):
        def of(training):
            for x, target in batches(training):
                seen.append((x.copy(), target.copy()))
                yield x, target

        return epoch_of(model, loss, of)

    monkeypatch.setattr(Network, "predict", counted)
    monkeypatch.setattr(train, "classifier_epoch", spied)
    distill(M, start, sampling.normal(4), pool=16, fresh=fresh, shared=True, shuffle=False,
            dropout=False, held_out=None, schedule=Schedule(1e-3, 8, 2))
    assert sum(int(np.prod(shape[:-1])) for shape in asked) == (32 if fresh else 16)
    for arrays in seen:
        for a in arrays:
            assert len(a) == 3 and all(np.array_equal(a[0], own) for own in a)
