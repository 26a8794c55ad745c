"""Where to spend the rank: one rank for each layer, from the teacher and samples alone.

The paper gives every layer the same rank. But what a first layer drops of its inputs no later one
brings back, and nobody knows which directions real inputs need; deep in the network a few carry the
answer. So the rank belongs where the data enters. How far to go, a layer's own error does not tell:
one of rank 2 fits its activations well and still starves all that follow it. A short distillation
tells: a few hundred steps order candidates much as ten thousand do.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from .. import losses, sampling
from ..models import MLP
from ..network import Network
from ..sampling import Sampler
from .lean import fold
from .start import fit_layers
from .trials import COMPRESSIONS, EPOCHS, Candidate, Round, Trial, halving, that_agrees

FIRSTS, HIGHEST = 5, 1.5  # starts of a taper: so many from the uniform rank up to 1.5 D
FLOORS = (1.0, 0.85, 0.7, 0.55, 0.4)  # where it ends, as a multiple of the uniform rank
ROUNDS = ((1.0, 256), (0.25, 1024))  # share of the candidates that is tried, for how many steps
BATCH, LR = 64, 1e-3  # of a trial
FITTED, HELD_OUT = 4096, 2000  # samples for the closed-form start and for the score


@dataclass(frozen=True)
class Allocation:
    """The ranks chosen, the parameters of that student, and the trials they were chosen by."""

    ranks: tuple[int, ...]
    n_params: int
    trials: tuple[Trial, ...]
    seconds: float = field(default=0.0, compare=False)

    @property
    def agreement(self) -> float:
        """Share of held-out samples on which the winner's last trial agrees with the teacher."""
        return next(t.agreement for t in reversed(self.trials) if t.ranks == self.ranks)


def n_params(model: MLP, ranks, lean: bool = True) -> int:
    """Parameters of the model's Tucker form with these ranks, the lean one or the paper's."""
    return replace(model, ranks=tuple(ranks), lean=lean).layout.size


def largest_rank(model: MLP, budget: int, lean: bool = True) -> int:
    """The largest rank for all layers alike that keeps within ``budget`` parameters."""
    if budget < (least := n_params(model, (1,), lean)):
        most = replace(model, ranks=None).layout.size / least
        raise ValueError(f"budget is {budget:,} parameters, expected at least {least:,}: rank 1 in "
                         f"every layer, {most:.1f} times smaller than the teacher")
    every = range(1, max(model.widths) + 1)
    return max(r for r in every if n_params(model, (r,), lean) <= budget)


def smaller_mlp(model: MLP, budget: int, depth: int = 3) -> MLP:
    """A plain student: an ordinary, narrower MLP within the budget, as wide as it allows."""
    rivals = [replace(model, widths=(h,) * depth, ranks=None, lean=False)
              for h in range(1, 4 * max(model.widths, default=1))]
    fits = [rival for rival in rivals if rival.layout.size <= budget]
    if not fits:
        least, size = rivals[0].layout.size, replace(model, ranks=None).layout.size
        raise ValueError(f"budget is {budget:,} parameters, expected at least {least:,}: width 1 "
                         f"in {depth} hidden layers, {size / least:.1f} times smaller than the "
                         "teacher")
    return fits[-1]


def tapers(model: MLP, budget: int, lean: bool = True) -> list[tuple[int, ...]]:
    """Candidates: ranks that fall from the first layer to the last, within ``budget`` parameters.

    r_i = floor + (first − floor) ρ^i, rounded, with the largest ρ in [0, 1] that fits, and what is
    left spent from the front. A first layer needs no rank above D, a last none above K. With
    first = floor it is the paper's choice, the same rank everywhere.
    """
    uniform, widest = largest_rank(model, budget, lean), max(model.widths)
    between = [widest] * (len(model.widths) - 1)
    caps = [min(model.features, widest), *between, min(model.classes, widest)]

    def ranks(first, floor, rho):
        return [min(round(floor + (first - floor) * rho**i), cap) for i, cap in enumerate(caps)]

    def fits(candidate):
        return n_params(model, candidate, lean) <= budget

    made = []
    floors = sorted({max(1, round(share * uniform)) for share in FLOORS})
    high = min(max(uniform, HIGHEST * model.features), widest)
    for first in sorted({round(r) for r in np.geomspace(uniform, high, FIRSTS)}):
        for floor in floors:
            steps = (ranks(first, floor, rho) for rho in np.linspace(0, 1, 201))
            if within := list(filter(fits, steps)):
                made.append(tuple(_spend(within[-1], caps, fits)))
    return list(dict.fromkeys(made))


def _spend(ranks: list[int], caps: list[int], fits: Callable) -> list[int]:
    """Spend what is left of the budget, first layers first, no layer above the one before it."""
    for i, cap in enumerate(caps):
        most = min(cap, ranks[i - 1]) if i > 1 else cap
        while ranks[i] < most and fits(more := [r + (j == i) for j, r in enumerate(ranks)]):
            ranks = more
    return ranks


def allocate(teacher: Network, budget: int, sampler: Sampler, seed: int = 0, lean: bool = True
             ) -> Allocation:
    """The ranks of a student with at most ``budget`` parameters; no data is looked at.

    Every candidate of `tapers` starts from `fit_layers` and is distilled for a few hundred steps on
    the samples that the student will be trained on; the better quarter is tried again, for longer.
    The one whose answers to held-out samples are nearest to the teacher's, by KL divergence, wins:
    that compares students that see the same samples, never samplers. seed : of the samples.
    lean : count, and try, the lean form; else the paper's.
    """
    began = time.monotonic()
    (rng,) = sampling.seeded(seed, "ranks")
    x = sampler(rng, HELD_OUT + BATCH * max(steps for _, steps in ROUNDS))
    target = losses.softmax(teacher.predict(x))

    def chunks(rows):  # each sample once
        parts = (a[HELD_OUT:][:rows].reshape(EPOCHS, -1, a.shape[-1]) for a in (x, target))
        return zip(*parts, strict=True)

    starts = (fit_layers(teacher, r, x[-FITTED:]) for r in tapers(teacher.model, budget, lean))
    candidates = [Candidate(fold(start) if lean else start, LR, BATCH) for start in starts]
    rounds = [Round(keep, steps * BATCH) for keep, steps in ROUNDS]
    held_out = x[:HELD_OUT], target[:HELD_OUT]
    (best, *_), trials = halving(teacher, candidates, rounds, chunks, held_out)
    chosen = best.start.model.ranks or ()
    return Allocation(chosen, best.start.size, tuple(trials), time.monotonic() - began)


def smallest(teacher: Network, agreement: float, sampler: Sampler, seed: int = 0,
             lean: bool = True) -> Allocation:
    """`allocate` for the smallest budget that `trials.that_agrees` finds."""
    least = n_params(teacher.model, (1,), lean)
    budgets = [int(teacher.size / c) for c in COMPRESSIONS if teacher.size / c >= least]
    return that_agrees(
        budgets, agreement, lambda budget: allocate(teacher, budget, sampler, seed, lean))
