"""Four estimators of one gradient: how a player learns from the discriminator.

A player with logits a minimises

    E_{y ~ softmax(a)} r(y),  r(y) = log(1 − p_d(x, y)) = log σ(−d_y)

where d are the discriminator's logits, constants here (Wang et al., 2018, Eqs. 6 and 7). An
estimator is a function (a, d, noise, tau) -> loss for `value_and_grad`: a, d (..., B, K), Gumbel
noise (n, ..., B, K) for n labels a row, temperature τ. Its value is the mean of r, whatever stands
there for the sake of its gradient; `program` alone has a loss of its own.
"""

from collections.abc import Callable, Sequence

import numpy as np
from autograd.tracer import getval

from ..activations import logistic
from ..autodiff import value_and_grad
from ..backend import array_module
from ..losses import cross_entropy, largest
from ..network import Network
from .operations import concrete, log_sigmoid, log_sigmoid_loss, mean_reward


def gumbel(rngs: Sequence[np.random.Generator], shape, dtype=np.float32) -> np.ndarray:
    """−log(−log u), u ~ U(0, 1), of the shape (n, B, K) for each member's own generator:
    (n, S, B, K). −log u is drawn as what it is, a standard exponential number."""
    xp = array_module(rngs[0])
    drawn = xp.stack([rng.standard_exponential(shape, dtype) for rng in rngs], axis=-3)
    xp.maximum(drawn, np.finfo(dtype).tiny, out=drawn)
    xp.log(drawn, out=drawn)
    return xp.negative(drawn, out=drawn)


def draw_labels(logits: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Labels y ~ softmax(logits), (..., B, K), one for each draw of the noise (n, ..., B, K), as
    one-hot rows: the largest entry of the concrete sample, which no temperature moves."""
    scores = logits + noise
    return (scores == largest(scores)).astype(scores.dtype)


def temperature(epoch: int, epochs: int, ends=(1.0, 0.1)) -> float:
    """τ of epoch 0 .. epochs − 1, exponential between its ends."""
    first, last = ends
    return first * (last / first) ** (epoch / max(epochs - 1, 1))


def _valued(loss, value):
    """A loss of another value, with its own gradient."""
    return loss + (value - getval(loss))


def exact(a, d, noise, tau):
    """Σ_y softmax(a)_y r(y): no draws, no variance; affordable where labels are few."""
    none = array_module(d).zeros((1,) * (d.ndim + 1), d.dtype)
    return mean_reward(concrete(a, none, 1), log_sigmoid(-d))


def score(a, d, noise, tau):
    """(1/n) Σ_i ∇log softmax(a)_{y_i} (r(y_i) − b_i): the score function, b_i the mean of the other
    draws' r (so n ≥ 2): unlike the mean of all, it leaves the gradient unbiased."""
    labels, n = draw_labels(getval(a), noise), len(noise)
    reward = array_module(d).einsum("...k,...k->...", labels, log_sigmoid(-d))  # (n, ..., B)
    advantage = (reward - reward.mean(0)) / (n - 1)  # (r_i − b_i) / n
    weight = (labels * advantage[..., None]).sum(0)
    return _valued(cross_entropy(a, -weight), reward.mean((0, -1)))


def straight_through(a, d, noise, tau):
    """Labels forward, concrete samples backward: the gradient of (1/n) Σ_i Σ_k q_ik r_k."""
    reward = log_sigmoid(-d)
    labels = draw_labels(getval(a), noise)
    hard = mean_reward(labels, reward)
    return _valued(mean_reward(concrete(a, noise, tau), reward), hard)


def program(a, d, noise, tau):
    """What the authors' program does in place of both: p_d at the labels drawn is the *target* of
    a sigmoid cross-entropy on the player's own logits there. No gradient of the value."""
    count = draw_labels(getval(a), noise).mean(0)
    p_d = logistic(d)
    return log_sigmoid_loss(a, count * p_d, count * (1 - p_d))


ESTIMATORS: dict[str, Callable] = {f.__name__: f for f in (score, straight_through, exact, program)}


def spread(C: Network, x: np.ndarray, d: np.ndarray, estimator: Callable, draws: int, tau: float,
           rngs: Sequence[np.random.Generator], times: int = 100) -> dict[str, list[float]]:
    """How an estimator's gradient for C scatters, and how far its mean is from `exact`'s.

    C : a stack of S. x (S, m, D), d (S, m, K) : rows, and the discriminator's logits for them.
    times : of drawing noise anew, for ``draws`` labels a row.
    returns : by member the variance E‖g − ḡ‖² / ‖ḡ‖²; the bias ‖ḡ − g‖ / ‖g‖, g that of `exact`;
        and by chance, the standard error of ḡ in the same unit: a bias near it is none.
    """
    step = value_and_grad(
        lambda p, of, noise: (of(C.model.apply(p, None, x)[0], d, noise, tau), None),
        C.model.layout)
    g = step(C.theta, exact, None)[1]
    drawn = np.array([step(C.theta, estimator, gumbel(rngs, (draws, *d.shape[1:])))[1]
                      for _ in range(times)], np.float64)
    mean = drawn.mean(0)
    total, size = ((drawn - mean) ** 2).sum(-1).mean(0), (g**2).sum(-1)
    return {"variance": (total / (mean**2).sum(-1)).tolist(),
            "bias": np.sqrt(((mean - g) ** 2).sum(-1) / size).tolist(),
            "chance": np.sqrt(total / (times - 1) / size).tolist()}
