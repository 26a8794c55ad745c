"""What an epoch of each stage does: teacher and student, generator with decoder.

Each function here makes a ``run_epoch`` for `fit.fit`, which trains a stack of networks.
"""

from collections.abc import Callable, Iterator

import numpy as np
from autograd.tracer import getval

from . import losses, sampling
from .fit import Training
from .models import Classifier, NormalisedMLP, generator_input
from .params import value_and_grad

# --- classifiers: teacher and student -----------------------------------------------------------

Batches = Callable[[Training], Iterator[tuple[np.ndarray, np.ndarray]]]


def forward(model, p: dict, x: np.ndarray, state=None) -> np.ndarray:
    """Outputs in evaluation mode for the views p: x (..., N, D) -> (..., N, K), in pieces."""
    rows = 4096  # a piece's activations stay small
    pieces = [
        model.apply(p, state, x[..., i : i + rows, :])[0] for i in range(0, x.shape[-2], rows)
    ]
    return np.concatenate(pieces, axis=-2)


def predict(model, theta: np.ndarray, state: np.ndarray | None, x: np.ndarray) -> np.ndarray:
    """`forward` for a flat theta (..., P) and state (..., Q)."""
    return forward(model, model.layout.views(theta), x, state)


def accuracy(logits: np.ndarray, labels) -> np.ndarray:
    """Share of rows whose largest logit is the label's: (..., N, K), (N,) -> (...)."""
    return (logits.argmax(-1) == labels).mean(-1)


def balanced_accuracy(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The mean over the classes that occur of each one's share of right answers: as `accuracy`."""
    shares = [accuracy(logits[..., labels == k, :], k) for k in np.unique(labels)]
    return np.mean(shares, axis=0)


def pool_batches(x: np.ndarray, target: np.ndarray, batch: int, shuffle: bool = True) -> Batches:
    """Every member goes through the pool in its own random order, ``batch`` rows at a time.

    Without ``shuffle`` all go through it in the order in which it lies there.
    x (N, D) and target (N, K) are shared by the members; in (S, N, D), (S, N, K) each has its own.
    """

    def batches(training):
        N = x.shape[-2]
        order = np.tile(np.arange(N), (len(training.rngs), 1))  # (A, N)
        if shuffle:
            order = sampling.stacked(lambda rng: rng.permutation(N), training.rngs)
        for i in range(0, N, batch):
            rows = order[:, i : i + batch]
            at = rows if x.ndim == 2 else (training.members[:, None], rows)
            yield x[at], target[at]  # (A, B, D), (A, B, K)

    return batches


def fresh_batches(
    sampler: sampling.Sampler, target_of: Callable, batch: int, steps: int
) -> Batches:
    """Every member draws its own new samples at every step; no sample is seen twice."""

    def batches(training):
        for _ in range(steps):
            x = sampling.stacked(lambda rng: sampler(rng, batch), training.rngs)  # (A, B, D)
            yield x, target_of(x)

    return batches


def classifier_epoch(model: Classifier, loss: Callable, batches: Batches) -> Callable:
    """run_epoch for `fit`: Adam steps on loss(logits, target) with dropout in training mode."""

    def objective(p, x, target, masks):
        logits, _ = model.apply(p, None, x, train=True, masks=masks)
        return loss(logits, target), None

    step = value_and_grad(objective, model.layout)

    def run_epoch(training):
        total, steps = np.zeros(len(training.members)), 0
        for x, target in batches(training):
            B, dtype = x.shape[-2], training.theta.dtype
            masks = model.draw_masks(training.rngs, B, dtype) if model.dropout else None
            value, gradient, _ = step(training.theta, x, target, masks)
            training.adam.step(training.theta, gradient)
            total, steps = total + value, steps + 1
        return {"loss": total / steps}

    return run_epoch


# --- generator and decoder ----------------------------------------------------------------------


def extraction_loss(
    G: NormalisedMLP, D: NormalisedMLP, M: Classifier, p_M: dict, alpha=1.0, beta=0.0
) -> Callable:
    """l = l_cls + α l_dec + β l_div (Yoo et al., 2019) as a loss for `value_and_grad`.

    The result takes (p_G, p_D, state_G, state_D, y, z, masks) and gives l and, as aux, the new
    states and the single losses. With masks None the teacher M is in evaluation mode, as the paper
    says; with masks its dropout is on, as in the official program. At β = 0 l_div is not computed.
    """

    def loss(p_G, p_D, state_G, state_D, y, z, masks=None):
        x_hat, state_G = G.apply(p_G, state_G, generator_input(z, y), train=True)  # (B, D)
        logits, _ = M.apply(p_M, None, x_hat, train=masks is not None, masks=masks)  # (B, K)
        z_hat, state_D = D.apply(p_D, state_D, x_hat, train=True)  # (B, Z)
        parts = {
            "cls_loss": losses.cross_entropy(logits, y),
            "dec_loss": losses.reconstruction(z_hat, z),
        }
        total = parts["cls_loss"] + alpha * parts["dec_loss"]
        if beta:
            parts["div_loss"] = losses.diversity(x_hat, z)
            total = total + beta * parts["div_loss"]
        return total, (state_G, state_D, {key: getval(part) for key, part in parts.items()})

    return loss


def extraction_epoch(
    G: NormalisedMLP, D: NormalisedMLP, M: Classifier, theta_M: np.ndarray, *,
    batch: int, steps: int, alpha=1.0, beta=0.0, teacher_dropout=False,
) -> Callable:  # fmt: skip
    """run_epoch for `fit`: ``steps`` joint Adam steps on fresh (ŷ, ẑ) of ``batch`` rows."""
    step = value_and_grad(
        extraction_loss(G, D, M, M.layout.views(theta_M), alpha, beta), G.layout, D.layout
    )
    latent, Q = D.outputs, G.state_layout.size

    def run_epoch(training):
        total: dict[str, np.ndarray] = {}
        for _ in range(steps):
            y = sampling.stacked(lambda rng: sampling.draw_y(rng, batch, M.classes), training.rngs)
            z = sampling.stacked(lambda rng: sampling.draw_z(rng, batch, latent), training.rngs)
            masks = M.draw_masks(training.rngs, batch) if teacher_dropout else None
            state_G, state_D = training.state[:, :Q], training.state[:, Q:]
            _, gradient, aux = step(training.theta, state_G, state_D, y, z, masks)
            state_G, state_D, parts = aux
            training.state = np.concatenate([state_G, state_D], axis=-1)
            training.adam.step(training.theta, gradient)
            for key, part in parts.items():
                total[key] = total.get(key, 0) + part
        return {key: value / steps for key, value in total.items()}

    return run_epoch

