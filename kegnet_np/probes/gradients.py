"""Where networks look and what fools them: ∇_x of their logits (Ojha et al., 2023, 4.1 and 4.2)."""

from collections.abc import Callable

import numpy as np
from autograd import make_vjp

from ..losses import softmax
from ..network import Network
from ..sampling import one_hot
from .knowledge import Estimate, answers, estimate, expect

ROWS = 1024  # at a time, whose activations stay small
ANYWHERE = (-np.inf, np.inf)


def _input_gradient(network: Network, x: np.ndarray, of_logits: Callable) -> np.ndarray:
    """Σ_k g_k ∇_x z_k of every row, (..., N, D); g = of_logits(z, rows), rows a slice of the N."""
    x = np.broadcast_to(x, (*network.theta.shape[:-1], *x.shape[-2:]))
    pieces = []
    for i in range(0, x.shape[-2], ROWS):
        rows = slice(i, i + ROWS)
        pull, z = make_vjp(lambda v: network.model.apply(network.p, network.state, v)[0])(
            x[..., rows, :])
        pieces.append(pull(of_logits(z, rows)))
    return np.concatenate(pieces, axis=-2)


def saliency(network: Network, x: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """s = ∇_x (z_y − mean_k z_k), of x (N, D) and labels (N,): (..., N, D).

    Without the mean it would see a shift of all logits, which no answer shows.
    """
    expect("labels", np.shape(labels), x.shape[:1])
    K = network.model.classes
    g = one_hot(labels, K, x.dtype) - x.dtype.type(1 / K)
    return _input_gradient(network, x, lambda z, rows: np.broadcast_to(g[rows], z.shape))


def looks_alike(teacher: Network, student: Network, independent: Network, x: np.ndarray,
                labels: np.ndarray, times_input: bool = False) -> Estimate:
    """W, how often cos(s_T, s_S) > cos(s_T, s_Ind); ties count ½ (4.1, Fig. 2; ties ours).

    student, independent : paired member by member. times_input : of x ⊙ s instead.
    With another independent network for a student W is ½ in the mean, by symmetry.
    """
    s_t, s_s, s_ind = (saliency(network, x, labels) * (x if times_input else 1)
                       for network in (teacher, student, independent))
    ours, theirs = _cosine(s_t, s_s), _cosine(s_t, s_ind)
    return estimate((ours > theirs) + (ours == theirs) / 2)


def _cosine(a, b):
    """Of rows (..., N, D): (..., N); 0 where a row is 0."""
    lengths = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
    return (a * b).sum(-1) / np.where(lengths > 0, lengths, 1)


def adversarial(network: Network, x: np.ndarray, labels: np.ndarray, eps: float, *,
                step: float | None = None, steps: int = 5, span=ANYWHERE) -> np.ndarray:
    """Iterative FGSM, x ← clip_{x,ε}(x + a sign ∇_x J), J at the true label (App. 10, Eq. 4).

    eps : ε in the units of x. step : a, without it 2.5 ε / steps; of ε, a and steps the paper gives
        but 5 steps. span : the features' lowest and highest values, (D,) each, which hold x.
    returns : (..., N, D), for each member its own.
    """
    expect("labels", np.shape(labels), x.shape[:1])
    if not (eps >= 0 and steps >= 1 and (step is None or step > 0)):
        raise ValueError(f"eps is {eps}, steps {steps} and step {step}, expected at least 0, at "
                         "least 1 and a positive number")
    y = one_hot(labels, network.model.classes, bool)

    def slope(z, rows):  # ∂J/∂z / (1 − p_y): of the same sign, and no 0 where p_y rounds to 1
        return softmax(np.where(y[rows], -np.inf, z)) - y[rows]

    a, moved = 2.5 * eps / steps if step is None else step, x
    for _ in range(steps):
        moved = moved + a * np.sign(_input_gradient(network, moved, slope))
        moved = np.clip(np.clip(moved, x - eps, x + eps), *span).astype(x.dtype)
    return moved


def noise(x: np.ndarray, eps: float, rng: np.random.Generator, span=ANYWHERE) -> np.ndarray:
    """The control of `adversarial`: x ± ε, every sign at random, like x (N, D)."""
    return np.clip(x + eps * rng.choice([-1, 1], x.shape), *span).astype(x.dtype)


def is_fooled(network: Network, x: np.ndarray, changed: np.ndarray) -> np.ndarray:
    """1[ŷ(x′) ≠ ŷ(x)], (..., N): of the teacher for whom x′ (N, D) was made, the set A."""
    expect("changed", changed.shape[-2:], x.shape)
    return answers(network, changed) != answers(network, x)


def fooling_rate(network: Network, x: np.ndarray, changed: np.ndarray, on: np.ndarray) -> Estimate:
    """FR, the mean over A of 1[ŷ(x′) ≠ ŷ(x)] (4.2, Table 6); x′ is ``changed``.

    on (N,) : A, see `is_fooled`. Controls: x′ of `noise` on the same A; x′ and A of a foreign
    teacher, one that the student never saw.
    """
    expect("on", on.shape, x.shape[:1])
    if not on.any():
        raise ValueError("on holds no row, expected those that fool the teacher: raise eps")
    return estimate(is_fooled(network, x, changed), on)


def size_that_fools(teacher: Network, x: np.ndarray, labels: np.ndarray, share: float = 0.85,
                    **options) -> float:
    """ε at which the teacher, one network, is fooled on that share of x or more, by bisection.

    options : steps and span of `adversarial`. ε is right to a 4096th, or to a 4096th of itself.
    """
    if not 0 < share < 1:
        raise ValueError(f"share is {share}, expected a number between 0 and 1")

    def enough(eps):
        moved = adversarial(teacher, x, labels, eps, **options)
        return is_fooled(teacher, x, moved).mean() >= share

    low, high = 0.0, 1.0
    while not enough(high):
        low, high = high, 2 * high
        if low >= 1024:
            raise ValueError(f"share is {share}, but no eps up to {low} fools the teacher on it: "
                             "lower share, or widen span")
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
