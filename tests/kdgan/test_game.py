"""The value of the game, its equilibrium on a discrete problem, and the turns of Algorithm 1."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from autograd import grad
from checks import close

from kegnet_np.kdgan import estimators, game
from kegnet_np.kdgan.estimators import label_shares
from kegnet_np.kdgan.game import C_, D_, T_, Turns, discriminator_loss, play, pretrain
from kegnet_np.kdgan.operations import log_sigmoid, log_sigmoid_loss
from kegnet_np.kdgan.rules import Rules
from kegnet_np.losses import kl, softmax
from kegnet_np.metrics import accuracy
from kegnet_np.models import MLP
from kegnet_np.network import Network
from kegnet_np.optim import Adam
from kegnet_np.params import split
from kegnet_np.train import Schedule

# Three points, four labels, each point as often as the others.
P_U = np.array([[0.5, 0.3, 0.1, 0.1], [0.1, 0.2, 0.3, 0.4], [0.4, 0.1, 0.4, 0.1]])


def value_for(p_mix):
    """The value's adversarial part at the best D: found with the package's own loss."""
    best = np.log(P_U / p_mix)  # the logit of p_u / (p_u + p_mix)
    gradient = grad(log_sigmoid_loss)(best, P_U, p_mix)
    return -log_sigmoid_loss(best, P_U, p_mix), gradient, best


def test_the_best_discriminator_is_that_of_corollary_4_1(rng):
    p_c, p_t = softmax(rng.standard_normal((2, 3, 4)))
    alpha = 0.3
    p_mix = alpha * p_c + (1 - alpha) * p_t
    value, gradient, best = value_for(p_mix)
    assert np.abs(gradient).max() < 1e-15
    close(np.exp(log_sigmoid(best)), P_U / (P_U + p_mix), 1e-12)
    for _ in range(20):  # any other D has a smaller value
        other = best + 0.1 * rng.standard_normal(best.shape)
        assert -log_sigmoid_loss(other, P_U, p_mix) < value
    m = (P_U + p_mix) / 2
    js = ((P_U * np.log(P_U / m) + p_mix * np.log(p_mix / m)) / 2).sum(1).mean()
    assert value == pytest.approx(2 * js - np.log(4), rel=1e-12)  # 2·JS, where the draft has JS


def test_at_equilibrium_the_value_is_minus_log_4_and_no_player_moves():
    value, gradient, best = value_for(P_U)
    assert value == pytest.approx(-np.log(4), rel=1e-12) and np.abs(gradient).max() < 1e-15
    a = np.log(P_U)
    for alone in (lambda a: estimators.exact(a, best), lambda a: kl(a, P_U)):
        assert np.abs(grad(alone)(a)).max() < 1e-15


def test_without_beta_and_gamma_the_equilibrium_is_not_unique():
    away = 0.02 * np.array([1.0, -1.0, 1.0, -1.0])
    p_c, p_t = P_U + away / 0.3, P_U - away / 0.7  # α = 0.3: their mixture is p_u
    assert p_c.min() > 0 and p_t.min() > 0
    value, gradient, best = value_for(0.3 * p_c + 0.7 * p_t)
    assert value == pytest.approx(-np.log(4), rel=1e-12) and np.abs(gradient).max() < 1e-12
    for p in (p_c, p_t):  # neither learns from D, though neither is p_u
        pull = grad(lambda a: estimators.exact(a, best))(np.log(p))
        assert np.abs(pull).max() < 1e-12
        assert np.abs(p - P_U).max() > 0.02
    assert np.abs(grad(kl)(np.log(p_c), p_t)).max() > 0.01  # β and γ see it


MODEL = MLP(3, 4, (16,), dropout=0.0)
SHORT = Schedule(3e-3, 60, 4)


@pytest.fixture
def problem(rng):
    """Rows whose labels have the frequencies p_u at three points; unlike players; validation."""
    counts = (60 * P_U).round().astype(int)
    assert (counts.sum(1) == 60).all()
    labels = np.concatenate([np.repeat(np.arange(4), row) for row in counts])
    x = np.eye(3, dtype=np.float32)[np.repeat(np.arange(3), 60)]
    C, T, D = (Network.random(MODEL, [np.random.default_rng(seed)]) for seed in (1, 2, 3))
    return SimpleNamespace(rows=(x, labels), players=(C, T, D), validation=(x, labels))


def played(problem, rules, schedule=SHORT, **options):
    """C and T after the last epoch, and the training."""
    _, _, done = play(problem.rows, *problem.players, rules, schedule=schedule,
                      validation=problem.validation, **options)
    models = [player.model for player in problem.players]
    thetas = split(done.theta, [model.layout for model in models])
    return [Network(model, theta) for model, theta in zip(models, thetas, strict=True)], done


def enlarged(problem, player, size):
    """The problem with one player's parameters times a size."""
    players = [replace(p, theta=size * p.theta) if i == player else p
               for i, p in enumerate(problem.players)]
    return SimpleNamespace(**vars(problem) | {"players": players})


def distances(p):
    """Total variation between p (3, K) and p_u at each point."""
    return np.abs(p - P_U).sum(1) / 2


@pytest.mark.parametrize("rules", [
    Rules(alpha=0.5, beta=0.1, gamma=0.1, estimator="exact", draws=200),
    Rules(alpha=0.5, beta=0.1, gamma=0.1, draws=200),
], ids=["exact", "score"])
def test_a_game_comes_to_the_true_distribution_and_goes_round_it(problem, rules):
    points, layouts = np.eye(3, dtype=np.float32), [MODEL.layout] * 3
    answers = []  # of all players, at the start and after every epoch

    def note(training):
        a_c, a_t, d = (Network(MODEL, theta).predict(points)[0]
                       for theta in split(training.theta, layouts))
        answers.append((softmax(a_c), softmax(a_t), np.exp(log_sigmoid(d))))

    _, done = played(problem, rules, Schedule(3e-3, 180, 60), decay=0.0, hook=note)
    p_c, p_t, p_d = np.mean(answers[-40:], axis=0)  # of the last 40 epochs, of 60
    assert min(distances(p).max() for p in answers[0][:2]) > 0.3
    assert max(distances(p_c).max(), distances(p_t).max()) < 0.01
    assert np.abs(p_d - 0.5).max() < 0.01
    assert np.mean([row["d_loss"] for row in done.history[-40:]]) == pytest.approx(
        np.log(4), abs=0.001)


def test_with_alpha_1_no_label_is_the_teachers(problem):
    rules = Rules(alpha=1.0, beta=0.0, gamma=0.0)
    one, other = (played(enlarged(problem, T_, size), rules)[0] for size in (1, 3))
    for player in (C_, T_, D_):
        assert np.array_equal(one[player].theta, other[player].theta) == (player != T_)


def test_with_alpha_1_the_teacher_learns_from_the_classifier_alone(problem):
    rules, once = Rules(alpha=1.0, beta=0.0, gamma=0.1), Schedule(3e-3, 60, 1)
    one, other = (played(enlarged(problem, D_, size), rules, once)[0] for size in (1, 3))
    assert np.array_equal(one[T_].theta, other[T_].theta)
    assert not np.array_equal(one[C_].theta, other[C_].theta)


def test_the_labels_of_both_players_are_drawn_apart(problem, monkeypatch):
    C, _, D = problem.players
    problem.players, drawn = (C, C, D), []  # T answers as C does

    def noted(F, rngs, n):
        drawn.append((F, share := label_shares(F, rngs, n)))
        return share

    monkeypatch.setattr(estimators, "label_shares", noted)
    played(problem, Rules(estimator="exact", passes=(1, 1, 1)), Schedule(3e-3, 60, 1))
    assert len(drawn) == 2 * 3
    for (F_c, y_c), (F_t, y_t) in zip(drawn[::2], drawn[1::2], strict=True):
        assert np.array_equal(F_c, F_t) and not np.array_equal(y_c, y_t)


@pytest.mark.parametrize("rules, moved", [
    (Rules(), {C_, T_, D_}),
    (Rules(alpha=1.0, beta=0.0, gamma=0.0), {C_, D_}),  # NaGAN: no T
    (Rules(adversary=False, gamma=0.0), {C_}),  # distillation
    (Rules(adversary=False, gamma=1.0, labels=1.0), {C_, T_}),  # co-distillation
])
def test_who_is_not_in_the_game_stays_as_he_was(problem, rules, moved):
    players, _ = played(problem, rules, decay=0.0)
    for i, (after, before) in enumerate(zip(players, problem.players, strict=True)):
        assert np.array_equal(after.theta, before.theta) == (i not in moved)


def test_alone_is_what_pretraining_would_be(problem):
    """C alone in a game: cross-entropy on the rows, by Adam."""
    rules = Rules(adversary=False, beta=0.0, gamma=0.0, labels=1.0, passes=(1, 1, 1))
    (C, *_), done = played(problem, rules, Schedule(3e-3, 180, 1), decay=0.0)
    theta = problem.players[0].theta.copy()
    x, labels = problem.rows

    def loss(theta):
        a, _ = MODEL.apply(MODEL.layout.views(theta), None, x)
        return -(np.log(softmax(a)) * np.eye(4)[labels]).sum(-1).mean()

    assert done.history[0]["loss"] == pytest.approx(loss(theta[0]), rel=1e-5)
    assert np.abs(C.theta - theta).max() == pytest.approx(3e-3, rel=1e-3)  # Adam's first step
    assert loss(C.theta[0]) < loss(theta[0])


def test_a_game_in_a_stack_is_the_game_alone(problem):
    x, labels = problem.rows
    both = [np.concatenate([p.theta, p.theta]) for p in problem.players]
    stacked = SimpleNamespace(
        rows=(np.stack([x, x]), np.stack([labels, labels])), validation=problem.validation,
        players=[Network(MODEL, theta) for theta in both])
    weights = {name: np.array(pair, np.float32) for name, pair in
               {"alpha": (0.3, 0.7), "beta": (2.0, 0.5), "gamma": (1e-2, 1e-3)}.items()}
    together, _ = played(stacked, Rules(**weights))
    alone, _ = played(problem, Rules(alpha=0.3, beta=2.0, gamma=1e-2))
    for network, other in zip(together, alone, strict=True):
        close(network.theta[:1], other.theta, 1e-4)
    assert np.abs(together[0].theta[0] - together[0].theta[1]).max() > 1e-3


def test_the_epoch_kept_is_the_best_by_validation(problem):
    C, T, done = play(problem.rows, *problem.players, Rules(), schedule=Schedule(0.03, 60, 8, 8),
                      validation=problem.validation)
    scores = [row["score"] for row in done.history]
    best = max(scores)
    assert scores[-1] < best - 0.01  # the last epoch is not the best here
    assert accuracy(C.predict(problem.rows[0]), problem.rows[1])[0] == pytest.approx(best, abs=1e-6)
    assert C.theta.shape == T.theta.shape == (1, MODEL.layout.size)


def test_an_epoch_goes_over_at_most_so_many_rows(problem):
    rules = Rules(adversary=False, beta=0.0, gamma=0.0, labels=1.0)
    for most, steps in ((60, 1), (180, 3), (1000, 3)):
        _, done = played(problem, rules, most=most)
        assert done.adam.t == SHORT.epochs * rules.passes[C_] * steps


def test_pretraining_gives_each_member_rows_of_its_own(rng):
    x = rng.standard_normal((2, 30, 3)).astype(np.float32)
    labels = (x[..., 0] > 0).astype(int)
    labels[1] = 1 - labels[1]  # the second game's labels are the other way round
    model = MLP(3, 2, (8,), dropout=0.0)
    network, _ = pretrain(model, (x, labels), game.losses.cross_entropy, Schedule(0.03, 10, 30),
                          seed=1, purpose="test")
    right = [accuracy(network.predict(x[s]), labels[s])[s] for s in range(2)]
    assert min(right) > 0.9
    y = np.eye(2)[labels[0]]
    a = rng.standard_normal(y.shape)
    by_hand = -(y * log_sigmoid(a) + 0.5 * log_sigmoid(-a)).sum(1).mean()
    assert discriminator_loss(a, y) == pytest.approx(by_hand, rel=1e-12)


def test_turns_are_adams_of_their_own_and_a_checkpoint_keeps_them(rng):
    thetas = [rng.standard_normal((1, n)) for n in (3, 5)]
    grads = [[rng.standard_normal(theta.shape) for theta in thetas] for _ in range(4)]
    own, turns = [theta.copy() for theta in thetas], Turns(thetas, 0.1)
    adams = [Adam(theta, 0.1) for theta in own]
    for step, both in enumerate(grads):
        for i in range(2):
            if i == 0 or step % 2:  # the second player has fewer turns
                turns.step(i, thetas[i], both[i])
                adams[i].step(own[i], both[i])
        if step == 1:
            kept = {key: array.copy() for key, array in turns.arrays().items()}
            turns = Turns(thetas, 0.1)
            turns.restore(kept)
    assert turns.t == 4 and turns.players[1].t == 2
    assert all(np.array_equal(a, b) for a, b in zip(thetas, own, strict=True))


@pytest.mark.parametrize("wrong, words", [
    ({"alpha": 1.5}, "alpha is 1.5, expected a number from 0 to 1"),
    ({"beta": -1.0}, "beta is -1.0, expected a number of at least 0"),
    ({"gamma": np.array([0.1, np.nan])}, "gamma is .*expected a number of at least 0"),
    ({"labels": -1.0}, "labels is -1.0"),
    ({"estimator": "best"}, "estimator is 'best', expected one of score, straight_through, exact"),
    ({"distance_c": "l1"}, "distance_c is 'l1', expected one of kl, l2"),
    ({"distance_t": "l1"}, "distance_t is 'l1', expected one of kl, l2"),
    ({"draws": 1}, "draws is 1, expected at least 1, and 2 for score"),
    ({"draws": 0, "estimator": "exact"}, "draws is 0"),
    ({"tau": (1.0, 0.0)}, "tau is .*expected positive"),
    ({"passes": (1, 0, 1)}, "passes .*expected positive"),
    ({"adversary": False, "beta": 0.0}, "C has nothing to learn from"),
    ({"alpha": 0.0, "beta": 0.0}, "C has nothing to learn from"),
])
def test_wrong_rules_are_refused(wrong, words):
    with pytest.raises(ValueError, match=words):
        Rules(**wrong)


def test_players_of_other_games_are_refused(problem):
    C, T, D = problem.players
    two = Network(MODEL, np.concatenate([T.theta, T.theta]))
    with pytest.raises(ValueError, match="stacks of 1, 2, 1: expected the same number"):
        play(problem.rows, C, two, D, Rules(), schedule=SHORT, validation=problem.validation)
