"""How a student learns best, chosen without data: depth, learning rate and batch, by short trials.

Much of what students of noise lack is training: a plain MLP of the right depth, at ten times the
usual learning rate and eight times the batch, ends points higher on the same noise. Which depth and
rate, KL divergence from the teacher on held-out samples tells, of the sampler in use. The trials
cost a fixed share of the training that follows, however long that is.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import product

import numpy as np

from .. import losses, sampling
from ..network import Network
from ..sampling import Sampler
from .trials import EPOCHS, Candidate, Round, Trial, halving

DEPTHS = (3, 5, 7)  # hidden layers of an MLP
LRS, BATCH = (1.5e-3, 3e-3, 6e-3, 1.2e-2, 2.4e-2), 512  # of the first round
KEPT, BATCHES = 2, (256, 512)  # candidates of the second, each with these; the rate in proportion
COSTS = 0.06, 0.08  # of a round: rows that all candidates see, as a share of what students will
HELD_OUT = 2000  # samples for the score


@dataclass(frozen=True)
class Recipe:
    """The candidate chosen, and the trials it was chosen by."""

    best: Candidate
    trials: tuple[Trial, ...]
    seconds: float = field(default=0.0, compare=False)
    seen: tuple = field(default=(), compare=False, repr=False)  # some of the students' samples

    @property
    def kl(self) -> float:
        """The divergence from the teacher after the last trial of the candidate chosen."""
        return self._last.kl

    @property
    def agreement(self) -> float:
        """The share of held-out samples on which that trial agrees with the teacher."""
        return self._last.agreement

    @property
    def _last(self) -> Trial:
        what = self.best.start.model.widths, self.best.lr, self.best.batch
        return next(t for t in reversed(self.trials) if (t.widths, t.lr, t.batch) == what)

    def better_than(self, students: Network) -> bool:
        """Whether one of the students, a stack, ends further from the teacher than that trial: on
        samples of the kind that it learnt from, so that it is not for learning them by heart."""
        x, p = self.seen
        return not (losses.kl(students.predict(x), p) <= self.kl).all()


def choose(teacher: Network, starts: Sequence[Network], samples: Sampler | np.ndarray, rows: int,
           *, students: int = 5, held_out: np.ndarray | None = None, seed: int = 0) -> Recipe:
    """The start, learning rate and batch whose student ends nearest to the teacher, without data.

    Every start is tried at every rate, the best two again with every batch, for longer, on fresh
    samples of the kind that the students will see: see `trials.halving`. A trial of a share s of
    the rows is the training in small, with √s of its batch and √s of its steps: then the best rate
    is the same (measured, docs/experiments.md).

    Parameters
    ----------
    starts : where a student may start, such as one of each depth; one network each.
    samples : a sampler, or rows (N, D).
    rows : how many each student will see in its training, steps times batch: with a batch twice as
        large it takes half as many steps.
    students : how many will be trained; the trials see 0.14 of the rows that they will.
    held_out : rows (N', D) to judge by (default: 2,000 more samples). seed : of the samples.
    """
    began = time.monotonic()
    rng, of_held_out = (sampling.seeded(seed, f"recipe{what}")[0] for what in ("", " held out"))
    sampler = samples if callable(samples) else sampling.rows_of(samples)

    def answered(x):
        return x, losses.softmax(teacher.predict(x))

    def chunks(n):
        return (answered(sampler(rng, n // EPOCHS)) for _ in range(EPOCHS))

    seen = answered(sampler(of_held_out, HELD_OUT))
    judges = seen if held_out is None else answered(held_out)
    candidates = [Candidate(start, lr, BATCH) for start, lr in product(starts, LRS)]
    trials: list[Trial] = []
    for i, cost in enumerate(COSTS):
        if i:
            candidates = [replace(c, lr=c.lr * batch / BATCH, batch=batch)
                          for c in candidates[:KEPT] for batch in BATCHES]
        share = cost * students / len(candidates)
        at = Round(1.0, int(share * rows), share**0.5)
        candidates, tried = halving(teacher, candidates, [at], chunks, judges)
        trials += tried
    return Recipe(candidates[0], tuple(trials), time.monotonic() - began, seen)
