"""One loop for every training stage: epochs, early stopping, progress, checkpoints.

It trains a stack of S independent networks, member s with its own random generator, so that five
seeds cost little more than two and member s ends as if it had trained alone.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import checkpoint
from .optim import Adam

SAVE_EVERY = 15.0  # seconds between checkpoints of a stage under way


@dataclass(frozen=True)
class Schedule:
    """How a stage trains: Adam's ``lr``, rows per ``batch``, ``epochs`` at the most.

    With ``patience`` a member stops after an epoch ≥ max(best + patience, min_epochs), best by
    the stage's score (the later of equals), and keeps the best; without, it runs to the end and
    keeps the last. ``cosine`` lets lr fall towards zero along half a cosine, epoch by epoch
    (Loshchilov and Hutter, 2017).
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
    to show so far, with its ``kept_score`` and ``kept_epoch`` (S,).
    """

    def __init__(self, theta, state, rngs, lr: float):
        S = len(theta)
        self.theta, self.state, self.rngs = theta.copy(), state.copy(), list(rngs)
        self.adam = Adam(theta, lr)
        self.members = np.arange(S)
        self.kept_theta, self.kept_state = theta.copy(), state.copy()
        self.kept_score, self.kept_epoch = np.full(S, -np.inf), np.zeros(S, int)
        self.epoch, self.seconds = 0, 0.0
        self.history: list[dict[str, float]] = []  # a row per epoch and member

    def keep(self, better: np.ndarray, score: np.ndarray) -> None:
        """Take over the members marked in ``better`` (A,) as what they have to show."""
        ids = self.members[better]
        self.kept_theta[ids], self.kept_state[ids] = self.theta[better], self.state[better]
        self.kept_score[ids], self.kept_epoch[ids] = score[better], self.epoch

    def retire(self, done: np.ndarray) -> None:
        """Drop the members marked in ``done`` (A,); the others are not touched by it."""
        going = ~done
        moments, adam = self.adam.arrays(), self.adam
        self.theta, self.state = self.theta[going], self.state[going]
        self.adam = Adam(self.theta, adam.lr)
        self.adam.restore({k: a[going] if a.ndim else a for k, a in moments.items()})
        self.rngs = [rng for rng, keeps in zip(self.rngs, going, strict=True) if keeps]
        self.members = self.members[going]

    ARRAYS = ("theta", "state", "members", "kept_theta", "kept_state", "kept_score", "kept_epoch")

    def save(self, path, name: str) -> None:
        """Write everything to a checkpoint of kind "training"."""
        arrays = {key: getattr(self, key) for key in self.ARRAYS} | self.adam.arrays()
        rngs = [rng.bit_generator.state for rng in self.rngs]
        header = {"epoch": self.epoch, "seconds": self.seconds, "history": self.history}
        checkpoint.save(path, "training", arrays, stage=name, rngs=rngs, **header)

    def restore(self, path, name: str) -> None:
        """Go on from a checkpoint that `save` wrote for the same stage."""
        arrays, header = checkpoint.load(path, "training")
        if header["stage"] != name or arrays["kept_theta"].shape != self.kept_theta.shape:
            raise checkpoint.CheckpointError(f"{path}: belongs to another stage; delete it")
        for key in self.ARRAYS:
            setattr(self, key, arrays[key])
        self.adam = Adam(self.theta, self.adam.lr)
        self.adam.restore(arrays)
        self.rngs = [np.random.default_rng() for _ in header["rngs"]]
        for rng, state in zip(self.rngs, header["rngs"], strict=True):
            rng.bit_generator.state = state
        self.epoch, self.seconds = header["epoch"], header["seconds"]
        self.history = header["history"]


def hold_heap() -> None:
    """Let glibc keep freed memory: a step of 3 or 4 ms then spares 600 page faults, over a quarter.

    malloc hands large blocks back to the system when they are freed, and every step asks for them
    anew. Its thresholds grow with the largest block it has seen freed, 32 MiB at the most: one
    untouched block of almost that size settles it. Elsewhere than on glibc it does nothing.
    """
    np.empty(31 << 20, np.uint8)


def fit(
    training: Training,
    run_epoch: Callable[[Training], dict[str, np.ndarray]],
    schedule: Schedule,
    *,
    name: str,
    score: Callable[[Training], np.ndarray] | None = None,
    path: Path | None = None,
) -> Training:
    """Run epochs until every member has stopped; `Schedule` says when and what is kept.

    Parameters
    ----------
    run_epoch : trains every member for an epoch; gives its mean losses by name, (A,) each.
    name : the stage's, for the progress line (quiet when stderr is not a terminal).
    score : after each epoch, (A,), larger is better; without it the last epoch is kept.
    path : a checkpoint that is written now and then, and gone on from if it is there.
    """
    from tqdm import tqdm

    hold_heap()
    if path is not None and path.exists():
        training.restore(path, name)
    saved, before = time.monotonic(), training.seconds
    start = saved
    bar = tqdm(total=schedule.epochs, initial=training.epoch, desc=name, unit="epoch", disable=None)
    while training.epoch < schedule.epochs and len(training.members):
        training.adam.lr = schedule.rate(training.epoch)
        means = run_epoch(training)
        training.epoch += 1
        for key, values in means.items():
            if not np.isfinite(values).all():
                raise FloatingPointError(
                    f"{name}: {key} is {values} in epoch {training.epoch}: lower the learning rate"
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
        training.seconds = before + time.monotonic() - start
        bar.update()
        bar.set_postfix({key: f"{values.mean():.4f}" for key, values in means.items()})
        if path is not None and time.monotonic() - saved > SAVE_EVERY:
            training.save(path, name)
            saved = time.monotonic()
    bar.close()
    return training
