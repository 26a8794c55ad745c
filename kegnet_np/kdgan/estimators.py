"""Four estimators of one gradient: how a player learns from the discriminator.

A player with logits a minimises

    E_{y ~ softmax(a)} r(y),  r(y) = log(1 − p_d(x, y)) = log σ(−d_y)

where d are the discriminator's logits, constants here (Wang et al., 2018, Eqs. 6 and 7). An
estimator is a function (a, d, rngs, n, tau) -> loss for `value_and_grad`: a, d (S, B, K), a random
generator for each of S members, n labels a row, temperature τ. Its value is the mean of r, whatever
stands there for the sake of its gradient; `program` alone has a loss of its own.
"""

from collections.abc import Callable, Sequence

import numpy as np
from autograd.tracer import getval

from ..activations import logistic
from ..backend import array_module
from ..losses import cross_entropy, row_sum, softmax
from ..sampling import one_hot
from .operations import concrete, log_sigmoid, log_sigmoid_loss, mean_reward


def gumbel(rngs: Sequence[np.random.Generator], shape, dtype=np.float32) -> np.ndarray:
    """−log(−log u), u ~ U(0, 1), of the shape (n, B, K) for each member's own generator:
    (n, S, B, K). −log u is drawn as what it is, a standard exponential number."""
    xp = array_module(rngs[0])
    drawn = xp.stack([rng.standard_exponential(shape, dtype) for rng in rngs], axis=-3)
    return -xp.log(xp.maximum(drawn, np.finfo(dtype).tiny))


def cumulative(logits: np.ndarray) -> np.ndarray:
    """F_k = Σ_{j ≤ k} softmax(logits)_j, (..., K) -> (..., K), by which `label_shares` draws. The
    last is 1: its label takes what rounding has left, in float32 up to 1e-6."""
    F = array_module(logits).cumsum(softmax(logits), axis=-1)
    F[..., -1] = 1
    return F


def label_shares(F: np.ndarray, rngs: Sequence[np.random.Generator], n: int) -> np.ndarray:
    """Of n labels drawn for each row, the share that is k: where F_{k−1} ≤ u < F_k, u ~ U(0, 1).

    F (S, B, K) : `cumulative`, with a random generator for each of S members. Returns (S, B, K) of
    F's type. D's loss, `score` and `program` ask for no more than these shares.
    """
    xp = array_module(F)
    u = xp.stack([rng.random((n, F.shape[-2], 1), F.dtype) for rng in rngs], axis=-3)
    below = (u < F).sum(0, dtype=F.dtype)  # labels of at most k
    below[..., 1:] = below[..., 1:] - below[..., :-1]
    below /= n
    return below


def temperature(epoch: int, epochs: int, ends=(1.0, 0.1)) -> float:
    """τ of epoch 0 .. epochs − 1, exponential between its ends."""
    first, last = ends
    return first * (last / first) ** (epoch / max(epochs - 1, 1))


def _valued(loss, value):
    """A loss of another value, with its own gradient."""
    return loss + (value - getval(loss))


def exact(a, d, *_):
    """Σ_y softmax(a)_y r(y): no draws, no variance; affordable where labels are few."""
    none = array_module(d).zeros((1,) * (d.ndim + 1), d.dtype)
    return mean_reward(concrete(a, none, 1), log_sigmoid(-d))


def score(a, d, rngs, n, tau):
    """(1/n) Σ_i ∇log softmax(a)_{y_i} (r(y_i) − b_i): the score function, b_i the mean of the other
    draws' r (so n ≥ 2): unlike the mean of all, r̄, it leaves the gradient unbiased.

    r_i − b_i = (r_i − r̄) n / (n − 1), and of the labels only the shares matter.
    """
    share, reward = label_shares(cumulative(getval(a)), rngs, n), log_sigmoid(-d)
    mean = row_sum(share * reward)  # r̄, (S, B, 1)
    weight = share * (reward - mean) * (n / (n - 1))
    return _valued(cross_entropy(a, -weight), mean.mean((-2, -1)))


def straight_through(a, d, rngs, n, tau):
    """Labels forward, concrete samples backward: the gradient of (1/n) Σ_i Σ_k q_ik r_k. The label
    is the largest entry of q, which no temperature moves."""
    q, reward = concrete(a, gumbel(rngs, (n, *d.shape[-2:]), d.dtype), tau), log_sigmoid(-d)
    labels = one_hot(getval(q).argmax(-1), d.shape[-1], d.dtype)
    return _valued(mean_reward(q, reward), mean_reward(labels, reward))


def program(a, d, rngs, n, tau):
    """What the authors' program does in place of both: p_d at the labels drawn is the *target* of
    a sigmoid cross-entropy on the player's own logits there. No gradient of the value."""
    share, p_d = label_shares(cumulative(getval(a)), rngs, n), logistic(d)
    return log_sigmoid_loss(a, share * p_d, share * (1 - p_d))


ESTIMATORS: dict[str, Callable] = {f.__name__: f for f in (score, straight_through, exact, program)}
