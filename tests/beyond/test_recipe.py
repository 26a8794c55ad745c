"""Depth, learning rate and batch chosen without data."""

from dataclasses import replace
from math import inf

import numpy as np
import pytest

from kegnet_np import losses, sampling
from kegnet_np.beyond import ranks, recipe, trials
from kegnet_np.experiments import plots
from kegnet_np.models import MLP
from kegnet_np.network import Network


@pytest.fixture(scope="module")
def teacher():
    model = MLP(6, 4, (20,) * 3, dropout=0.1)
    return Network(model, 3 * model.init(np.random.default_rng(1))[0])


@pytest.fixture(scope="module")
def starts(teacher):
    models = [ranks.smaller_mlp(teacher.model, 400, depth) for depth in (1, 2)]
    return [Network.random(model, np.random.default_rng(2)) for model in models]


@pytest.fixture(scope="module")
def found(teacher, starts):
    return recipe.choose(teacher, starts, sampling.normal(6), 100_000, seed=3)


def test_the_candidate_nearest_to_the_teacher_in_the_longer_trials_wins(starts, found):
    first, last = found.trials[:10], found.trials[10:]
    assert {(len(t.widths), t.lr, t.batch) for t in first} == {
        (depth, lr, 512) for depth in (1, 2) for lr in recipe.LRS}
    assert len(last) == 4 and min(t.steps for t in last) > max(t.steps for t in first)
    best = min(last, key=lambda t: t.kl)
    assert (found.best.lr, found.best.batch) == (best.lr, best.batch)
    assert found.best.start.model.widths == best.widths
    better = sorted(first, key=lambda t: t.kl)[:2]
    assert {(t.widths, t.lr) for t in better} == {(t.widths, t.lr * 512 / t.batch) for t in last}


def test_the_trials_see_a_fixed_share_of_the_rows_of_the_training(teacher, starts):
    for rows, students in ((100_000, 5), (400_000, 2)):
        seen = []

        def counted(rng, n, seen=seen):
            seen.append(n)
            return rng.standard_normal((n, 6), np.float32)

        tried = recipe.choose(teacher, starts, counted, rows, students=students).trials
        drawn = sum(seen) - recipe.HELD_OUT  # each is seen by all candidates of its round
        shares = [cost * students * rows / n for cost, n in zip(recipe.COSTS, (10, 4), strict=True)]
        assert drawn == pytest.approx(sum(shares), rel=0.01)
        assert 10 * shares[0] + 4 * shares[1] < 0.15 * students * rows
        for t, share in zip(tried, [shares[0]] * 10 + [shares[1]] * 4, strict=True):
            batch = (share / rows) ** 0.5 * t.batch  # a training in small
            assert t.steps == pytest.approx(share / batch, rel=0.25)


def test_the_choice_is_the_same_with_the_same_seed_and_looks_at_no_data(teacher, starts, found):
    assert found == recipe.choose(teacher, starts, sampling.normal(6), 100_000, seed=3)
    other = recipe.choose(teacher, starts, sampling.normal(6), 100_000, seed=4)
    assert found.trials[0].kl != other.trials[0].kl
    rows = sampling.normal(6)(np.random.default_rng(0), 500)
    of_rows = recipe.choose(teacher, starts, rows, 20_000, held_out=rows[:50])
    assert all(round(t.agreement * 50) == pytest.approx(t.agreement * 50) for t in of_rows.trials)


def test_a_candidate_that_diverges_loses_and_is_no_error(teacher, starts, recwarn):
    x = sampling.normal(6)(np.random.default_rng(0), 64)
    p = losses.softmax(teacher.predict(x))
    made = [trials.Candidate(starts[0], lr, 8) for lr in (1e18, 1e-3)]
    ordered, tried = trials.halving(
        teacher, made, [trials.Round(1.0, 64)], lambda rows: [(x, p)] * trials.EPOCHS, (x, p))
    assert ordered[0].lr == 1e-3 and tried[0].kl in (inf, max(t.kl for t in tried))
    assert not recwarn.list


def test_a_stack_of_rates_learns_as_each_rate_by_itself(teacher, starts):
    x = sampling.normal(6)(np.random.default_rng(0), 64)
    p = losses.softmax(teacher.predict(x))

    def kls(*lrs):
        made = [trials.Candidate(starts[1], lr, 16) for lr in lrs]
        _, tried = trials.halving(
            teacher, made, [trials.Round(1.0, 64)], lambda rows: [(x, p)] * trials.EPOCHS, (x, p))
        return [t.kl for t in tried]

    assert kls(1e-3, 1e-2) == pytest.approx([*kls(1e-3), *kls(1e-2)], rel=1e-5)
    assert kls(1e-3)[0] != kls(1e-2)[0]


def test_the_figure_shows_the_trials_and_the_choice(found):
    told = {"recipe_kl": found.kl, "trials": [vars(t) for t in found.trials]}
    figure = plots.recipes({"normal": told, "kegnet": told})
    (star,) = (line for line in figure.axes[0].lines if line.get_label() == "chosen")
    best = min(found.trials[10:], key=lambda t: t.kl)
    assert (star.get_xdata()[0], star.get_ydata()[0]) == (best.lr, best.kl)


def test_a_budget_that_no_width_fits_is_refused_with_the_least(teacher):
    least = replace(teacher.model, widths=(1,) * 7).layout.size
    with pytest.raises(ValueError, match=f"budget is 5 parameters, expected at least {least}"):
        ranks.smaller_mlp(teacher.model, 5, 7)
