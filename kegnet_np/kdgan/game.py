"""Algorithm 1: a classifier, a teacher and a discriminator play (Wang et al., 2018).

    min over C, T, max over D of
    E_{p_u} log p_d + α E_{p_c} log(1 − p_d) + (1 − α) E_{p_t} log(1 − p_d)
        + β L_c(p_c, p_t) + γ L_t(p_t, p_c)

p_u is the true label, p_c = softmax C(x), p_t = softmax T(x), p_d(x, y) = σ(D(x)_y). L_c trains C
alone, L_t T alone. At the end p_c = p_t = p_u, p_d = 1/2, and the value is −log 4.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

import numpy as np

from .. import losses, sampling, train
from ..autodiff import value_and_grad
from ..backend import array_module, put, to_host
from ..models import MLP
from ..network import Network
from ..optim import Adam
from ..params import split
from ..train import Hook, Rows, Schedule, Training
from . import estimators
from .operations import log_sigmoid_loss
from .rules import DISTANCES, Rules

C_, T_, D_ = range(3)  # the players' places
SCHEDULE = Schedule(5e-4, 64, 100, patience=100)  # the authors' for MNIST; epochs are outer ones
DECAY = 4e-5  # of the weights, theirs


class Turns:
    """Adam for players who take turns: each has its own moments and count of steps."""

    def __init__(self, thetas, lr: float):
        self.lr, self.players = lr, [Adam(theta, lr) for theta in thetas]

    @property
    def t(self) -> int:
        """Steps of the first player."""
        return self.players[0].t

    def step(self, player: int, theta: np.ndarray, grad: np.ndarray) -> None:
        """One update of a player's theta, in place."""
        self.players[player].lr = self.lr
        self.players[player].step(theta, grad)

    def arrays(self) -> dict[str, np.ndarray]:
        """What a checkpoint keeps."""
        return {f"{key}_{i}": array for i, player in enumerate(self.players)
                for key, array in player.arrays().items()}

    def restore(self, arrays) -> None:
        """Take the state back from a checkpoint's arrays."""
        for i, player in enumerate(self.players):
            player.restore({key: arrays[f"{key}_{i}"] for key in player.arrays()})


def pretrain(model: MLP, rows: Rows, loss: Callable, schedule: Schedule, *, seed: int,
             purpose: str, most: int | None = None, validation: Rows | None = None,
             hook: Hook | None = None) -> tuple[Network, Training]:
    """Train a stack of one player, each member on rows of its own.

    rows : x (S, n, D) and labels (S, n). loss : loss(logits, one-hot labels).
    most : batches an epoch at the most, of those that a member's order of rows begins with.
    validation : rows (N', D) and labels (N',) whose accuracy selects the epoch; else the last.
    schedule, hook : see `train.fit`. seed, purpose : of the random numbers.
    """
    x, labels = map(put, rows)
    rngs = sampling.seeded(seed, purpose, len(x))
    start = Network.random(model, rngs)
    every = train.pool_batches(x, sampling.one_hot(labels, model.classes), schedule.batch)
    run_epoch = train.classifier_epoch(model, loss, lambda t: islice(every(t), most))
    training = Training(start.theta, start.state, rngs, schedule)
    done = train.fit(training, run_epoch, validation and train.share_right(model, *validation),
                     hook)
    return Network(model, done.kept_theta, done.kept_state), done


def discriminator_loss(a, y):
    """What D is pretrained on: true labels against labels of uniform players."""
    return log_sigmoid_loss(a, y, 0 * y + 1 / y.shape[-1])


def play(rows: Rows, C: Network, T: Network, D: Network, rules: Rules, *, validation: Rows,
         schedule: Schedule = SCHEDULE, most: int = 256, decay: float = DECAY, seed: int = 2019,
         purpose: str = "play", hook: Hook | None = None) -> tuple[Network, Network, Training]:
    """Algorithm 1, S games side by side: each epoch D's steps, then T's, then C's.

    Parameters
    ----------
    rows : x (S, n, D) and labels (S, n), each game's own; with (n, D), (n,) all have the same.
    C, T, D : stacks of S pretrained players; T and D are not touched where no rule needs them.
    validation : rows (N', D) and labels (N',): the epoch is kept in which C's accuracy is best,
        where the schedule has a patience; else the last.
    most : rows an epoch at the most, drawn anew for each: passes go over these.
    schedule : batches, outer epochs and Adam's rate. decay : of the weights.
    seed, purpose, hook : see `train.fit` and `sampling.seeded`.

    Returns
    -------
    C and T of the epochs kept, and the training: its theta holds C's, T's and D's parameters.
    """
    x, labels = map(put, rows)
    xp, validation = array_module(x), tuple(map(put, validation))
    C, T, D = players = C.moved(), T.moved(), D.moved()
    K, S = C.model.classes, len(C.theta)
    x, labels = (xp.broadcast_to(a, (S, *a.shape)) if a.ndim < n else a
                 for a, n in ((x, 3), (labels, 2)))
    if not len(x) == len(labels) == len(T.theta) == len(D.theta) == S:
        raise ValueError(f"rows are of {len(x)} games, C, T, D are stacks of {S}, {len(T.theta)}, "
                         f"{len(D.theta)}: expected the same number")
    layouts = [player.model.layout for player in players]
    rngs = sampling.seeded(seed, purpose, S)
    theta = xp.concatenate([player.theta for player in players], axis=-1)
    training = Training(theta, C.state, rngs, schedule)
    turns = Turns(split(theta, layouts), schedule.lr)
    training.adam = turns  # type: ignore[assignment]

    def run_epoch(training):
        n, m = x.shape[1], min(most, x.shape[1])
        at = xp.arange(S)[:, None], sampling.stacked(lambda rng: rng.permutation(n)[:m],
                                                     training.rngs)
        tau = estimators.temperature(training.epoch, schedule.epochs, rules.tau)
        epoch = _Epoch(training, turns, [player.model for player in players],
                       split(training.theta, layouts), rules, decay,
                       x[at], sampling.one_hot(labels[at], K), tau)
        return epoch.run()

    def score(training):
        theta, *_ = split(training.theta, layouts)
        right = train.accuracy(Network(C.model, theta).predict(validation[0]), validation[1])
        return to_host(right)

    done = train.fit(training, run_epoch, score, hook)
    thetas = split(done.kept_theta, layouts)
    return Network(C.model, thetas[0]), Network(T.model, thetas[1]), done


@dataclass
class _Epoch:
    """An outer epoch: the players' turns, one after the other, on the same rows.

    models, thetas : of C, T and D. x (S, m, D), y (S, m, K) : the rows, one-hot. tau : τ.
    """

    training: Training
    turns: Turns
    models: list[MLP]
    thetas: list[np.ndarray]
    rules: Rules
    decay: float
    x: np.ndarray
    y: np.ndarray
    tau: float

    def run(self) -> dict[str, np.ndarray]:
        """All turns; mean losses (S,). Whose turn it is not, its answers are found once."""
        rules, means, d = self.rules, {}, None
        if rules.adversary:
            means["d_loss"] = self.discriminate(self.answers(C_), self.answers(T_))
            d = self.answers(D_)
        if rules.teacher_learns:
            share = 1 - np.asarray(rules.alpha)
            means["t_loss"] = self.improve(T_, share, rules.gamma, rules.distance_t, d)
        means["loss"] = self.improve(C_, rules.alpha, rules.beta, rules.distance_c, d)
        return means

    def answers(self, player: int) -> np.ndarray:
        """A player's logits for the rows, as it is now: (S, m, K)."""
        return Network(self.models[player], self.thetas[player]).predict(self.x)

    def discriminate(self, a_c: np.ndarray, a_t: np.ndarray) -> np.ndarray:
        """D's turn: it ascends the value, where C's logits are a_c and T's a_t (S, m, K)."""
        share = put(np.asarray(self.rules.alpha, self.x.dtype)[..., None, None])
        F_c, F_t = estimators.cumulative(a_c), estimators.cumulative(a_t)
        rngs, n = self.training.rngs, self.rules.draws

        def loss(p, at, masks):
            y_c = estimators.label_shares(F_c[at], rngs, n)
            y_t = estimators.label_shares(F_t[at], rngs, n)
            d, _ = self.models[D_].apply(p, None, self.x[at], train=True, masks=masks)
            return log_sigmoid_loss(d, self.y[at], share * y_c + (1 - share) * y_t), None

        return self.turn(D_, loss)

    def improve(self, player: int, share, weight, distance: str, d: np.ndarray | None
                ) -> np.ndarray:
        """C's or T's turn: it descends its ``share`` of the value and ``weight`` L, given D's
        logits d (S, m, K) and the other's."""
        rules, model = self.rules, self.models[player]
        apart = self.answers(T_ if player == C_ else C_) if np.any(weight) else None
        share, weight = (put(a) if np.ndim(a) else a for a in (share, weight))

        def loss(p, at, masks):
            a, _ = model.apply(p, None, self.x[at], train=True, masks=masks)
            total = rules.labels * losses.cross_entropy(a, self.y[at]) if rules.labels else 0.0
            if d is not None:
                estimate = estimators.ESTIMATORS[rules.estimator]
                total = total + share * estimate(
                    a, d[at], self.training.rngs, rules.draws, self.tau)
            if apart is not None:
                total = total + weight * DISTANCES[distance](a, apart[at])
            return total, None

        return self.turn(player, loss)

    def turn(self, player: int, loss: Callable) -> np.ndarray:
        """A player's passes over the rows, each game in an order of its own: its mean loss."""
        rngs, model, theta = self.training.rngs, self.models[player], self.thetas[player]
        step, m, xp = value_and_grad(loss, model.layout), self.x.shape[1], array_module(theta)
        values, games = [], xp.arange(len(self.x))[:, None]
        for _ in range(self.rules.passes[player]):
            order = sampling.stacked(lambda rng: rng.permutation(m), rngs)
            for i in range(0, m, self.training.schedule.batch):
                rows = order[:, i : i + self.training.schedule.batch]
                masks = model.draw_masks(rngs, rows.shape[1]) if model.dropout else None
                value, gradient, _ = step(theta, (games, rows), masks)
                gradient += self.decay * theta
                self.turns.step(player, theta, gradient)
                values.append(value)
        return xp.stack(values).mean(0)
