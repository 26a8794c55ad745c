"""Successive halving: many candidates learn for a short while, the better ones for longer.

It takes no data: a candidate is judged by its answers to held-out samples beside the teacher's, by
KL divergence. That orders students that see the same samples; it never compares samplers (Jamieson
and Talwalkar, 2016, is the method; that a short distillation orders candidates much as a long one
does is measured in docs/experiments.md).
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from math import inf, isfinite
from typing import Any

import numpy as np

from .. import losses, metrics, train
from ..network import Network

COMPRESSIONS = (40, 28, 20, 14, 10, 8, 6, 4, 3, 2)  # of the budgets for `that_agrees`
EPOCHS = 8  # of a trial; the learning rate falls along a cosine from one to the next


@dataclass(frozen=True)
class Candidate:
    """Where a student starts, one network, and how it learns: Adam's rate, rows per step."""

    start: Network
    lr: float
    batch: int


@dataclass(frozen=True)
class Round:
    """What is done with the better ``keep``, a share of the candidates: each learns from so many
    rows, in batches ``scale`` times its own."""

    keep: float
    rows: int
    scale: float = 1.0


@dataclass(frozen=True)
class Trial:
    """A candidate after some steps of distillation, beside the teacher on held-out samples."""

    widths: tuple[int, ...]
    ranks: tuple[int, ...] | None
    lr: float
    batch: int
    steps: int
    kl: float  # the divergence from the teacher; infinite where the training diverged
    agreement: float  # share of equal answers


Chunks = Callable[[int], Iterable[tuple[np.ndarray, np.ndarray]]]


def halving(teacher: Network, candidates: Sequence[Candidate], rounds: Iterable[Round],
            chunks: Chunks, held_out: tuple[np.ndarray, np.ndarray]
            ) -> tuple[list[Candidate], list[Trial]]:
    """The candidates of the last round, the best first, and all trials.

    chunks : chunks(rows) are `EPOCHS` pairs of samples (N, D) and the teacher's probabilities
        (N, K) for them, ``rows`` in all; every candidate of a round learns from them, in turn.
    held_out : such a pair, to judge by.
    """
    trials: list[Trial] = []
    for at in rounds:
        candidates = candidates[: max(1, round(at.keep * len(candidates)))]
        tried = _tried(candidates, at, chunks(at.rows), *held_out)
        trials += tried
        order = sorted(range(len(tried)), key=lambda i: tried[i].kl)
        candidates = [candidates[i] for i in order]
    return list(candidates), trials


def that_agrees(budgets: Sequence[int], agreement: float, choose: Callable[[int], Any]
                ) -> Any:
    """What ``choose(budget)`` finds for the smallest budget, by bisection, whose winner agrees with
    the teacher on such a share of held-out samples, after a short trial; distillation ends above
    that. budgets : parameters, upwards."""
    tried: dict[int, Any] = {}

    def agrees(budget):
        tried[budget] = choose(budget)
        return tried[budget].agreement >= agreement

    at = bisect_left(budgets, True, key=agrees)
    if at == len(budgets):
        raise ValueError(f"agreement is {agreement}, but no student of half the teacher's size "
                         "reaches it in a short trial; ask for less, or pass --compression")
    return tried[budgets[at]]


def _tried(candidates, at: Round, chunks, x_held, p_held) -> list[Trial]:
    """A round: the candidates' trials, in their order. Those of one shape learn as one stack."""
    groups: dict[tuple, list[int]] = {}
    for i, c in enumerate(candidates):
        groups.setdefault((c.start.model, c.batch), []).append(i)
    learning = []
    for (model, batch), ids in groups.items():
        starts, batch = [candidates[i].start for i in ids], max(1, round(at.scale * batch))
        schedule = train.Schedule(1.0, batch, EPOCHS, cosine=True)
        rngs = [np.random.default_rng(0)] * len(ids)  # nothing is drawn: the rows come in order
        theta, state = (np.stack([getattr(start, key) for start in starts])
                        for key in ("theta", "state"))
        training = train.Training(theta, state, rngs, schedule)
        lrs: Any = np.array([[candidates[i].lr] for i in ids])
        learning.append((replace(model, dropout=0.0), ids, training, lrs))
    with np.errstate(all="ignore"):  # too high a rate is no error here
        for epoch, (x, target) in enumerate(chunks):
            for model, _, training, lrs in learning:
                training.adam.lr = lrs * training.schedule.rate(epoch)
                seen = train.pool_batches(x, target, training.schedule.batch, shuffle=False)
                train.classifier_epoch(model, losses.kl, seen)(training)
        tried: dict[int, Trial] = {}
        for model, ids, training, _ in learning:
            logits = Network(model, training.theta, training.state).predict(x_held)
            judged = zip(ids, losses.kl(logits, p_held), metrics.agreement(logits, p_held),
                         strict=True)
            for i, kl, agreement in judged:
                tried[i] = Trial(model.widths, model.ranks, candidates[i].lr, candidates[i].batch,
                                 training.adam.t, float(kl) if isfinite(kl) else inf,
                                 float(agreement))
    return [tried[i] for i in range(len(candidates))]
