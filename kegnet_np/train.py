"""One loop for every training: epochs, early stopping, a hook; and an epoch of a classifier.

It trains a stack of S independent networks, member s with its own random generator, so that five
seeds cost little more than two and member s ends as if it had trained alone. It writes nothing: a
hook looks on, keeps checkpoints, draws a bar.
"""

import ctypes
import math
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from . import sampling
from .autodiff import value_and_grad
from .backend import array_module, put, to_host
from .metrics import accuracy
from .models import MLP
from .network import Network
from .optim import Adam

PIECE = 16  # members of a stack at a time, whose step is still in the processor's cache
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h


@dataclass(frozen=True)
class Schedule:
    """How a network trains: Adam's ``lr``, rows per ``batch``, ``epochs`` at the most.

    With ``patience`` a member stops after an epoch ≥ max(best + patience, min_epochs), best by
    its score (the later of equals), and keeps the best; without, it runs to the end and keeps the
    last. ``cosine`` lets lr fall towards zero along half a cosine, epoch by epoch (Loshchilov and
    Hutter, 2017).
    """

    lr: float
    batch: int
    epochs: int
    patience: int | None = None
    min_epochs: int = 0
    cosine: bool = False

    def __post_init__(self):
        if not self.lr > 0 or min(self.batch, self.epochs) < 1:
            raise ValueError(f"{self}: expected lr > 0 and at least 1 row per batch and 1 epoch")

    def rate(self, epoch: int) -> float:
        """The learning rate of epoch 0, 1, ..."""
        share = (1 + math.cos(math.pi * epoch / self.epochs)) / 2 if self.cosine else 1
        return self.lr * share


class Training:
    """S networks in training: all that must be kept to go on bit for bit.

    ``theta`` (A, P), ``state`` (A, Q), Adam's moments and ``rngs`` belong to the ``members`` (A,)
    that still train; ``kept_theta`` (S, P) and ``kept_state`` (S, Q) are what every member has
    to show so far, with its ``kept_score`` and ``kept_epoch`` (S,). ``history`` has a row per
    epoch and member, ``epoch`` counts to ``epochs``, ``seconds`` is the time of all of them.

    Parameters
    ----------
    theta (S, P), state (S, Q) : where the members start; they are copied.
    rngs : a random generator for each member. schedule : `Schedule`.
    """

    def __init__(self, theta, state, rngs, schedule: Schedule):
        S = len(theta)
        self.theta, self.state, self.rngs = theta.copy(), state.copy(), list(rngs)
        self.adam, self.schedule = Adam(theta, schedule.lr), schedule
        self.members = np.arange(S)
        self.kept_theta, self.kept_state = theta.copy(), state.copy()
        self.kept_score, self.kept_epoch = np.full(S, -np.inf), np.zeros(S, int)
        self.epoch, self.seconds = 0, 0.0
        self.history: list[dict[str, float]] = []

    def keep(self, better: np.ndarray, score: np.ndarray) -> None:
        """Take over the members marked in ``better`` (A,) as what they have to show."""
        xp, ids = array_module(self.theta), self.members[better]
        at, of = xp.asarray(ids), xp.asarray(better)
        self.kept_theta[at], self.kept_state[at] = self.theta[of], self.state[of]
        self.kept_score[ids], self.kept_epoch[ids] = score[better], self.epoch

    def retire(self, done: np.ndarray) -> None:
        """Drop the members marked in ``done`` (A,); the others are not touched by it."""
        going = ~done
        of = array_module(self.theta).asarray(going)
        self.theta, self.state = self.theta[of], self.state[of]
        moments = self.adam.arrays()
        self.adam.restore({k: a[of] if a.ndim else a for k, a in moments.items()})
        self.rngs = [rng for rng, keeps in zip(self.rngs, going, strict=True) if keeps]
        self.members = self.members[going]


Epoch = Callable[[Training], dict[str, np.ndarray]]  # trains an epoch; mean losses by name, (A,)
Hook = Callable[[Training], None]  # called before the first epoch and after every one


def fit(
    training: Training, run_epoch: Epoch, score: Callable[[Training], np.ndarray] | None = None,
    hook: Hook | None = None,
) -> Training:
    """Run epochs until every member has stopped; its `Schedule` says when and what is kept.

    Parameters
    ----------
    run_epoch : trains every member for an epoch; gives its mean losses by name, (A,) each.
    score : after each epoch, (A,), larger is better; without it the last epoch is kept.
    hook : called before the first epoch, when it may put an earlier training in place, and after
        every epoch.

    Raises
    ------
    FloatingPointError : a loss that is not finite.
    """
    hold_heap()
    schedule, hook = training.schedule, hook or (lambda training: None)
    hook(training)
    start = time.monotonic() - training.seconds
    while training.epoch < schedule.epochs and len(training.members):
        training.adam.lr = schedule.rate(training.epoch)
        means = {key: to_host(values) for key, values in run_epoch(training).items()}
        training.epoch += 1
        for key, values in means.items():
            if not np.isfinite(values).all():
                raise FloatingPointError(
                    f"{key} is {values} in epoch {training.epoch}: lower the learning rate"
                )
        scores = np.full(len(training.members), np.nan) if score is None else score(training)
        for i, member in enumerate(training.members):
            row = {key: float(values[i]) for key, values in means.items()}
            row |= {} if score is None else {"score": float(scores[i])}
            training.history.append({"epoch": training.epoch, "member": int(member)} | row)
        if score is None or schedule.patience is None:
            training.keep(np.ones(len(scores), bool), scores)
        else:
            training.keep(scores >= training.kept_score[training.members], scores)
            best = training.kept_epoch[training.members]
            done = training.epoch >= np.maximum(best + schedule.patience, schedule.min_epochs)
            if done.any():
                training.retire(done)
        training.seconds = time.monotonic() - start
        hook(training)
    return training


def hold_heap() -> None:
    """Let glibc keep freed memory: a step of 3 or 4 ms then spares 600 page faults, over a quarter.

    malloc hands large blocks back to the system when they are freed, and every step asks for them
    anew. Here it is told to keep blocks of up to 32 MiB, the most that it keeps, and a gigabyte of
    them in all, for as long as the process lives. Elsewhere than on glibc it does nothing.
    """
    with suppress(AttributeError, OSError, TypeError):  # no mallopt there
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_THRESHOLD, 32 << 20)
        mallopt(M_TRIM_THRESHOLD, 1 << 30)


# --- classifiers: teacher and student -----------------------------------------------------------

Batches = Callable[[Training], Iterator[tuple[np.ndarray, np.ndarray]]]
Rows = tuple[np.ndarray, np.ndarray]  # x (N, D), standardised, and labels (N,), 0..K−1


def pool_batches(x: np.ndarray, target: np.ndarray, batch: int, shuffle: bool = True) -> Batches:
    """Every member goes through the pool in its own random order, ``batch`` rows at a time.

    Without ``shuffle`` all go through it in the order in which it lies there.
    x (N, D) and target (N, K) are shared by the members; in (S, N, D), (S, N, K) each has its own.
    """

    def batches(training):
        N, xp = x.shape[-2], array_module(x)
        members = xp.asarray(training.members)[:, None]
        order = xp.tile(xp.arange(N), (len(training.rngs), 1))  # (A, N)
        if shuffle:
            order = sampling.stacked(lambda rng: rng.permutation(N), training.rngs)
        for i in range(0, N, batch):
            rows = order[:, i : i + batch]
            at = rows if x.ndim == 2 else (members, rows)
            yield x[at], target[at]  # (A, B, D), (A, B, K)

    return batches


def fresh_batches(
    sampler: sampling.Sampler, target_of: Callable, batch: int, steps: int, shared: bool = False
) -> Batches:
    """Every member draws its own new samples at every step; no sample is seen twice.

    With ``shared`` the first draws for all, and the target is found once for all of them.
    """

    def batches(training):
        rngs, A = training.rngs[:1] if shared else training.rngs, len(training.rngs)
        for _ in range(steps):
            x = sampling.stacked(lambda rng: sampler(rng, batch), rngs)  # (A, B, D)
            seen = x, target_of(x)
            yield seen if not shared else tuple(
                array_module(a).broadcast_to(a, (A, *a.shape[1:])) for a in seen
            )

    return batches


def classifier_epoch(model: MLP, loss: Callable, batches: Batches) -> Epoch:
    """run_epoch for `fit`: Adam steps on loss(logits, target) with dropout in training mode."""

    def objective(p, x, target, masks):
        logits, _ = model.apply(p, None, x, train=True, masks=masks)
        return loss(logits, target), None

    step = value_and_grad(objective, model.layout)

    def run_epoch(training):
        theta, rngs, steps = training.theta, training.rngs, 0
        xp = array_module(theta)
        total, n = xp.zeros(len(theta)), PIECE if xp is np else len(theta)
        pieces = [slice(i, i + n) for i in range(0, len(theta), n)]
        thetas = [theta[piece] for piece in pieces]
        for x, target in batches(training):
            if len(x) != len(theta):
                raise ValueError(f"batches gave x {x.shape}, expected ({len(theta)}, B, D)")
            values, gradients = [], []
            for piece, theta_s in zip(pieces, thetas, strict=True):
                masks = None
                if model.dropout:
                    masks = model.draw_masks(rngs[piece], x.shape[-2], theta.dtype)
                value, gradient, _ = step(theta_s, x[piece], target[piece], masks)
                values.append(value)
                gradients.append(gradient)
            whole = len(pieces) == 1
            training.adam.step(theta, gradients[0] if whole else xp.concatenate(gradients))
            total, steps = total + xp.concatenate(values), steps + 1
        return {"loss": total / steps}

    return run_epoch


def share_right(model: MLP, x: np.ndarray, labels: np.ndarray, metric=accuracy) -> Callable:
    """A score for `fit`: each member's accuracy, or other metric, on x (N, D) and labels (N,)."""
    x, labels = put(x), to_host(labels)
    return lambda t: metric(to_host(Network(model, t.theta, t.state).predict(x)), labels)


def check_rows(name: str, rows: Rows, features=None, classes=None) -> Rows:
    """(x, labels) as arrays; ValueError that names them if they do not fit each other."""
    if not (isinstance(rows, (tuple, list)) and len(rows) == 2):
        raise ValueError(f"{name} is {type(rows).__name__}, expected x (N, D) and labels (N,)")
    x, labels = map(put, rows)
    if x.ndim != 2 or labels.shape != x.shape[:1] or (features and x.shape[1] != features):
        raise ValueError(
            f"{name}: x has shape {x.shape} and labels {labels.shape}, expected "
            f"(N, {features or 'D'}) and (N,), a label for each row"
        )
    whole = np.issubdtype(labels.dtype, np.integer)
    known = to_host(labels)
    if not (len(x) and whole and known.min() >= 0 and known.max() < (classes or np.inf)):
        limit = f"0..{classes - 1}" if classes else "0..K−1"
        raise ValueError(f"{name}: labels are no class numbers {limit}: encode them as integers")
    return x, labels
