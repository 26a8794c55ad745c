"""Where to spend the rank: one rank for each layer, from the teacher and samples alone.

The paper gives every layer the same rank. But a first layer of rank r sees its D inputs through r
directions, and what it drops no later layer brings back; real inputs may need only few directions,
but without data nobody knows which. Deep in the network the teacher has made up its mind, and a few
directions carry its answer. So the rank belongs where the data enters.

How far to go depends on the teacher. A layer's own error does not tell: a layer of rank 2 fits its
activations well enough and still starves all that follow it. What does is a short distillation: a
few hundred steps order candidates much as ten thousand do.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from . import losses, sampling, train, tucker
from .fit import Schedule, Training, fit
from .models import Classifier

FIRSTS, HIGHEST = 5, 1.5  # starts of a taper: so many from the uniform rank up to 1.5 D
FLOORS = (1.0, 0.85, 0.7, 0.55, 0.4)  # where it ends, as a multiple of the uniform rank
ROUNDS = ((1.0, 256), (0.25, 1024))  # share of the candidates that is tried, for how many steps
BATCH, EPOCHS, LR = 64, 8, 1e-3  # of a trial; the learning rate falls along a cosine
COMPRESSIONS = (40, 28, 20, 14, 10, 8, 6, 4, 3, 2)  # that `smallest` looks through
FITTED, HELD_OUT = 4096, 2000  # samples for the closed-form start and for the score


@dataclass(frozen=True)
class Trial:
    """A candidate after ``steps`` of distillation: KL divergence from the teacher and share of
    equal answers, on held-out samples."""

    ranks: tuple[int, ...]
    steps: int
    kl: float
    agreement: float


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


def n_params(model: Classifier, ranks) -> int:
    """Parameters of the model's Tucker form with these ranks."""
    return replace(model, ranks=tuple(ranks)).layout.size


def largest_rank(model: Classifier, budget: int) -> int:
    """The largest rank for all layers alike that keeps within ``budget`` parameters."""
    least = n_params(model, (1,))
    if budget < least:
        raise ValueError(
            f"budget is {budget:,} parameters, expected at least {least:,}: rank 1 in every layer"
        )
    fits = [r for r in range(1, model.hidden + 1) if n_params(model, (r,)) <= budget]
    return fits[-1]


def smaller_mlp(model: Classifier, budget: int, depth: int = 3) -> Classifier:
    """The plain rival of a compressed student: an ordinary, narrower MLP within the budget."""
    rivals = [Classifier(model.features, model.classes, h, depth, model.dropout)
              for h in range(1, 4 * model.hidden)]  # fmt: skip
    fits = [rival for rival in rivals if rival.layout.size <= budget]
    if not fits:
        raise ValueError(f"budget is {budget:,} parameters, expected at least those of width 1")
    return fits[-1]


def tapers(model: Classifier, budget: int) -> list[tuple[int, ...]]:
    """Candidates: ranks that fall from the first layer to the last, within ``budget`` parameters.

    r_i = floor + (first − floor) ρ^i, rounded, with the largest ρ in [0, 1] that fits, and what is
    left spent from the front. A first layer needs no rank above D, a last layer none above K. With
    first = floor it is the paper's choice, the same rank everywhere.
    """
    uniform = largest_rank(model, budget)
    caps = [model.hidden] * (model.depth + 1)
    caps[0], caps[-1] = min(model.features, caps[0]), min(model.classes, caps[-1])

    def ranks(first, floor, rho):
        falling = [round(floor + (first - floor) * rho**i) for i in range(model.depth + 1)]
        return [min(r, cap) for r, cap in zip(falling, caps, strict=True)]

    def fits(candidate):
        return n_params(model, candidate) <= budget

    made = []
    floors = {max(1, round(share * uniform)) for share in FLOORS}
    high = min(max(uniform, HIGHEST * model.features), model.hidden)
    for first in sorted({round(r) for r in np.geomspace(uniform, high, FIRSTS)}):
        for floor in sorted(floors):
            steps = [ranks(first, floor, rho) for rho in np.linspace(0, 1, 201)]
            within = [candidate for candidate in steps if fits(candidate)]
            if within:
                made.append(tuple(_spend(within[-1], caps, fits)))
    return list(dict.fromkeys(made))


def _spend(ranks: list[int], caps: list[int], fits: Callable) -> list[int]:
    """Spend what is left of the budget, first layers first, no layer above the one before it."""
    for i in range(len(ranks)):
        while True:
            more = [r + (j == i) for j, r in enumerate(ranks)]
            before = ranks[i - 1] if i else caps[0]
            if more[i] > caps[i] or (more[i] > before and i > 1) or not fits(more):
                break
            ranks = more
    return ranks


def allocate(
    M: Classifier, theta_M: np.ndarray, budget: int, sampler: sampling.Sampler, seed: int = 0
) -> Allocation:
    """The ranks of a student with at most ``budget`` parameters; no data is looked at.

    Every candidate of `tapers` starts from `tucker.fit_layers` and is distilled for a few hundred
    steps on the same samples; the better quarter is tried again, for longer. The candidate whose
    answers on held-out samples are nearest to the teacher's, by KL divergence, wins.

    Parameters
    ----------
    M : the teacher, theta_M (P,). sampler : what the student will be trained on: the KL divergence
        compares students that see the same samples, never samplers.
    budget : the most parameters it may have, at least those of rank 1 everywhere.
    seed : of the samples.

    Returns
    -------
    An `Allocation`.
    """
    start = time.monotonic()
    (rng,) = sampling.seeded(seed, "ranks")
    p_M = M.layout.views(theta_M)
    x = sampler(rng, HELD_OUT + BATCH * max(steps for _, steps in ROUNDS))
    target = losses.softmax(train.forward(M, p_M, x))
    candidates = tapers(M, budget)
    trials: list[Trial] = []
    for share, steps in ROUNDS:
        candidates = candidates[: max(1, round(share * len(candidates)))]
        tried = [_try(M, theta_M, c, x, target, steps, rng) for c in candidates]
        trials += tried
        candidates = [t.ranks for t in sorted(tried, key=lambda t: t.kl)]
    best, seconds = candidates[0], time.monotonic() - start
    return Allocation(best, n_params(M, best), tuple(trials), seconds)


def smallest(
    M: Classifier, theta_M: np.ndarray, agreement: float, sampler: sampling.Sampler, seed: int = 0
) -> Allocation:
    """`allocate` for the smallest budget whose winner agrees with the teacher often enough.

    agreement : share of held-out samples, in (0, 1). A trial is short, and the distillation that
        follows ends above it. Budgets from 40 to 2 times smaller than the teacher are bisected;
        the other arguments are those of `allocate`.
    """
    least = n_params(M, (1,))
    budgets = [int(M.layout.size / c) for c in COMPRESSIONS if M.layout.size / c >= least]
    low, high, found = 0, len(budgets), None
    while low < high:
        middle = (low + high) // 2
        result = allocate(M, theta_M, budgets[middle], sampler, seed)
        if result.agreement >= agreement:
            found, high = result, middle
        else:
            low = middle + 1
    if found is None:
        raise ValueError(
            f"agreement is {agreement}, but no student of half the teacher's size reaches it in a "
            "short trial; ask for less, or pass --compression"
        )
    return found


def _try(M, theta_M, ranks, x, target, steps, rng) -> Trial:
    student, theta_0 = tucker.fit_layers(M, theta_M, ranks, x[-FITTED:])
    student = replace(student, dropout=0.0)

    def batches(training):
        per_epoch = steps // EPOCHS
        first = HELD_OUT + training.epoch * per_epoch * BATCH
        for i in range(first, first + per_epoch * BATCH, BATCH):
            yield x[i : i + BATCH], target[i : i + BATCH]

    training = Training(theta_0[None], theta_0[None, :0], [rng], LR)
    run_epoch = train.classifier_epoch(student, losses.kl, batches)
    done = fit(training, run_epoch, Schedule(LR, BATCH, EPOCHS, cosine=True), name="ranks")
    logits = train.predict(student, done.kept_theta[0], None, x[:HELD_OUT])
    target = target[:HELD_OUT]
    agreement = float(train.accuracy(logits, target.argmax(-1)))
    return Trial(ranks, steps, float(losses.kl(logits, target)), agreement)
