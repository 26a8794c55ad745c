"""Ranks chosen without data."""

from dataclasses import replace

import numpy as np
import pytest

from kegnet_np import losses, sampling, train
from kegnet_np.beyond import ranks
from kegnet_np.beyond.lean import fold
from kegnet_np.beyond.start import fit_layers
from kegnet_np.experiments import plots
from kegnet_np.models import MLP
from kegnet_np.network import Network


@pytest.fixture(scope="module")
def teacher():
    """A random teacher whose logits vary by more than those of a fresh one."""
    model = MLP(6, 4, (20,) * 3, dropout=0.1)
    return Network(model, 3 * model.init(np.random.default_rng(1))[0])


@pytest.mark.parametrize("D, K, budget", [(16, 10, 12_846), (16, 26, 25_478), (9, 7, 6_000),
                                          (64, 10, 13_000), (2, 2, 4_000)])
def test_tapers_fall_and_keep_within_the_budget(D, K, budget):
    M = MLP(D, K)
    made = ranks.tapers(M, budget)
    assert len(set(made)) == len(made) >= 2
    for candidate in made:
        assert len(candidate) == 12 and candidate[0] <= D and candidate[-1] <= K
        assert all(a >= b >= 1 for a, b in zip(candidate[1:], candidate[2:], strict=False))
        assert 0.85 * budget < ranks.n_params(M, candidate) <= budget
    uniform = ranks.largest_rank(M, budget)
    assert any(min(c) >= min(uniform, K, D) for c in made)  # the paper's choice is among them


def test_too_small_a_budget_is_refused_with_the_least_that_is_possible():
    least = ranks.n_params(MLP(16, 10), (1,))
    with pytest.raises(ValueError, match=f"expected at least {least:,}: rank 1 in every layer"):
        ranks.tapers(MLP(16, 10), least - 1)


def test_the_plain_rival_is_the_widest_mlp_within_the_budget():
    M = MLP(16, 10, (30,) * 4, "tanh", 0.2, ranks=(3,))
    rival = ranks.smaller_mlp(M, 1000)
    assert rival == MLP(16, 10, (rival.widths[0],) * 3, "tanh", 0.2)
    wider = MLP(16, 10, (rival.widths[0] + 1,) * 3)
    assert rival.layout.size <= 1000 < wider.layout.size


def test_the_candidate_nearest_to_the_teacher_wins_the_last_round(teacher, monkeypatch):
    monkeypatch.setattr(ranks, "ROUNDS", ((1.0, 16), (0.4, 32)))
    budget = ranks.n_params(teacher.model, (5,))
    found = ranks.allocate(teacher, budget, sampling.normal(6), seed=1)
    last = [t for t in found.trials if t.steps == 32]
    assert found.ranks == min(last, key=lambda t: t.kl).ranks and found.n_params <= budget
    first = sorted((t for t in found.trials if t.steps == 16), key=lambda t: t.kl)
    assert {t.ranks for t in last} == {t.ranks for t in first[: len(last)]}
    assert found == ranks.allocate(teacher, budget, sampling.normal(6), seed=1)
    assert 0 < found.agreement <= 1
    figure = plots.ranks(found.ranks, [vars(t) for t in found.trials])
    assert figure.axes[0].get_xlabel() == "dense layer, first to last"


def test_a_trial_is_a_short_training_by_fit_without_dropout(teacher, monkeypatch):
    """What lockstep trials give is what `train.fit` gives for each candidate by itself."""
    monkeypatch.setattr(ranks, "ROUNDS", ((1.0, 16),))
    found = ranks.allocate(teacher, ranks.n_params(teacher.model, (5,)), sampling.normal(6), seed=3)
    (rng,) = sampling.seeded(3, "ranks")
    x = sampling.normal(6)(rng, ranks.HELD_OUT + 16 * 64)
    p = losses.softmax(teacher.predict(x))
    for trial in found.trials[::3]:
        start = fold(fit_layers(teacher, trial.ranks, x[-ranks.FITTED :]))
        student = replace(start.model, dropout=0.0)
        seen = [a[ranks.HELD_OUT :].reshape(8, 2, 1, 64, -1) for a in (x, p)]
        run_epoch = train.classifier_epoch(
            student, losses.kl, lambda t, seen=seen: zip(*(a[t.epoch] for a in seen), strict=True))
        schedule = train.Schedule(1e-3, 64, 8, cosine=True)
        done = train.fit(train.Training(start.theta[None], start.state[None], [rng], schedule),
                         run_epoch)
        logits = Network(student, done.kept_theta[0]).predict(x[: ranks.HELD_OUT])
        assert trial.kl == pytest.approx(float(losses.kl(logits, p[: ranks.HELD_OUT])), rel=1e-6)
        assert (trial.lr, trial.batch, trial.steps) == (1e-3, 64, 16)


def test_the_smallest_student_that_agrees_is_found_by_bisection(teacher, monkeypatch):
    monkeypatch.setattr(ranks, "COMPRESSIONS", (3, 2.5, 2, 1.5, 1.2))
    asked = []

    def allocate(teacher, budget, sampler, seed, lean):
        asked.append(budget)
        trial = ranks.Trial((20,), (1,), 1e-3, 64, 1, 0.0, budget / teacher.size)
        return ranks.Allocation((1,), budget, (trial,))

    monkeypatch.setattr(ranks, "allocate", allocate)
    found = ranks.smallest(teacher, 0.45, sampling.normal(6))
    assert found.n_params == int(teacher.size / 2) and len(asked) <= 3
    with pytest.raises(ValueError, match="agreement is 0.9, but no student"):
        ranks.smallest(teacher, 0.9, sampling.normal(6))


def test_a_trial_learns_from_every_row_of_its_batches(monkeypatch):
    seen, epoch_of = [], train.classifier_epoch

    def spied(model, loss, batches):
        def counted(logits, target):
            seen.append(target.shape)
            return loss(logits, target)

        return epoch_of(model, counted, batches)

    monkeypatch.setattr(train, "classifier_epoch", spied)
    teacher = Network.random(MLP(4, 3, (8, 8)), np.random.default_rng(0))
    trials = ranks.allocate(teacher, 120, sampling.normal(4)).trials
    assert set(seen) == {(1, ranks.BATCH, 3)} and len(seen) == sum(t.steps for t in trials)
