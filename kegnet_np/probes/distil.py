"""Students of a teacher in the three ways that are compared, and without one.

    total = γ · cross-entropy with the labels + weight · term     (Ojha et al., 2023, section 3)

Students of one start begin alike, see the same rows in the same order under the same dropout, and
are those of the last epoch: all that differs is the loss.
"""

from dataclasses import dataclass

import numpy as np

from .. import losses, sampling, train
from ..autodiff import value_and_grad
from ..backend import array_module
from ..models import MLP
from ..network import Network
from ..params import split
from ..train import Hook, Schedule, Training
from .layers import outputs
from .operations import crd, hint

SCHEDULE = Schedule(1e-3, 64, 100, cosine=True)  # ours


@dataclass(frozen=True)
class Way:
    """A total loss: its γ, its weight and its term.

    kl : −τ² Σ_j softmax(z_t / τ)_j log softmax(z_s / τ)_j, τ the ``temperature`` (Eq. 1).
    hint : `operations.hint` of the middle hidden layers. The student's passes a learnt linear
        adapter, unless both are equally wide, as in a Tucker student (ours).
    crd : `operations.crd` of the last hidden layers in ``projection`` dimensions, with ``tau`` and
        ``negatives``, N: N times the mean over the batch's rows of other classes, which is what N
        drawn from them give in the mean (ours).
    smoothing : this share of a label's one-hot row is spread over all K classes: soft labels that
        no teacher gave (App. 11.2).
    """

    term: str
    gamma: float
    weight: float
    temperature: float = 8.0
    tau: float = 0.1
    negatives: int = 32
    projection: int = 32
    smoothing: float = 0.0

    def __post_init__(self):
        if self.term not in ("kl", "hint", "crd"):
            raise ValueError(f"term is {self.term!r}, expected one of kl, hint, crd")
        if not (min(self.gamma, self.weight) >= 0 < self.gamma + self.weight):
            raise ValueError(f"gamma is {self.gamma} and weight {self.weight}, expected both to be "
                             "at least 0 and one above 0")
        for name in ("temperature", "tau", "negatives", "projection"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}, expected a positive number")
        if not 0 <= self.smoothing < 1:
            raise ValueError(f"smoothing is {self.smoothing}, expected a share from 0 to below 1")

    def layer(self, model: MLP) -> int:
        """Which of a network's `outputs` the term compares."""
        depth = len(model.widths)
        return {"kl": depth, "hint": depth // 2, "crd": depth - 1}[self.term]

    def heads(self, student: MLP, teacher: MLP) -> list[MLP]:
        """The linear maps that are learnt: of the student's layer, and for crd of the teacher's."""
        H_s, H_t = (of.sizes[self.layer(of)][1] for of in (student, teacher))
        pairs = {"kl": [], "hint": [(H_s, H_t)] if H_s != H_t else [],
                 "crd": [(H_s, self.projection), (H_t, self.projection)]}[self.term]
        return [MLP(*pair, widths=(), dropout=0.0) for pair in pairs]

    def compare(self, s, t, y, rows: int):
        """The term of layers s (..., B, H), t (..., B, H'), one-hot labels y, of ``rows``, M."""
        if self.term == "kl":
            target = losses.softmax(t / self.temperature)
            return self.temperature**2 * losses.cross_entropy(s / self.temperature, target)
        if self.term == "hint":
            return hint(s, t)
        other, xp = 1 - y @ y.mT, array_module(y)  # (B, B)
        other *= self.negatives / xp.maximum(other.sum(-1, keepdims=True), 1)
        same = xp.broadcast_to(xp.eye(other.shape[-1], dtype=y.dtype), other.shape)
        return crd(s, t, same, other, self.tau, self.negatives / rows)


WAYS = {"independent": Way("kl", 1.0, 0.0),  # the others are the paper's for small networks, App. 9
        "kl": Way("kl", 0.1, 0.9), "hint": Way("hint", 1.0, 2.0), "crd": Way("crd", 1.0, 0.1)}


def distil(teacher: Network, start: Network, x: np.ndarray, labels: np.ndarray | None, way: Way, *,
           students: int = 3, schedule: Schedule = SCHEDULE, seed: int = 2019,
           purpose: str = "probes", hook: Hook | None = None) -> tuple[Network, Training]:
    """Train students side by side.

    teacher : T, one network. start : where every student starts, or a stack: where each does.
    x (N, D), labels (N,) : the rows; labels None for γ = 0 with kl or hint.
    way : of `WAYS`, or another: ``dataclasses.replace(WAYS["kl"], gamma=0.0)`` needs no labels.
    students : how many, if ``start`` is one network.
    schedule, hook : see `train.fit`. seed, purpose : of the random numbers.
    returns : the students, a stack, and their training, whose theta (S, ...) holds their parameters
        and after them those of adapter or projections, which have done their work.
    """
    model, K = start.model, teacher.model.classes
    _check(teacher, model, labels, way, schedule)
    given = np.zeros(len(x), int) if labels is None else labels
    x, given = train.check_rows("rows", (x, given), model.features, K)
    teacher, start, xp = teacher.moved(), start.moved(), array_module(x)
    known = outputs(teacher.model, teacher.p, x)[way.layer(teacher.model)]  # (N, H')
    target = xp.concatenate([sampling.one_hot(given, K, known.dtype), known], axis=-1)
    batches = train.pool_batches(x, target, schedule.batch)
    start = start if start.theta.ndim == 2 else start.stack(students)
    S, heads = len(start.theta), way.heads(model, teacher.model)
    draw = sampling.seeded(seed, f"{purpose} heads", S)
    thetas = [start.theta, *(Network.random(head, draw).theta for head in heads)]

    def loss(p, *rest):
        *p_heads, x, target, masks = rest
        outs, y = outputs(model, p, x, masks), target[..., :K]
        soft = y if not way.smoothing else y + way.smoothing * (1 / K - y)
        total = way.gamma * losses.cross_entropy(outs[-1], soft) if way.gamma else 0.0
        if way.weight:
            sides = [outs[way.layer(model)], target[..., K:]]
            for i, (head, p_head) in enumerate(zip(heads, p_heads, strict=True)):
                sides[i] = head.apply(p_head, None, sides[i])[0]
            total = total + way.weight * way.compare(sides[0], sides[1], y, len(known))
        return total, None

    step = value_and_grad(loss, model.layout, *(head.layout for head in heads))

    def run_epoch(training):
        values = []
        for x, target in batches(training):
            masks = None
            if model.dropout:
                masks = model.draw_masks(training.rngs, x.shape[-2], x.dtype)
            value, gradient, _ = step(training.theta, x, target, masks)
            training.adam.step(training.theta, gradient)
            values.append(value)
        return {"loss": xp.stack(values).mean(0)}

    training = Training(xp.concatenate(thetas, axis=-1), start.state,
                        sampling.seeded(seed, purpose, S), schedule)
    done = train.fit(training, run_epoch, hook=hook)
    return Network(model, split(done.kept_theta, [model.layout])[0], done.kept_state), done


def _check(teacher: Network, model: MLP, labels, way: Way, schedule: Schedule) -> None:
    sizes, expected = ((of.features, of.classes) for of in (teacher.model, model))
    if teacher.theta.ndim != 1 or sizes != expected:
        raise ValueError(f"teacher has theta {teacher.theta.shape}, features and classes {sizes}, "
                         f"expected one network with start's {expected}")
    if labels is None and (way.gamma or way.term == "crd"):
        raise ValueError(f"labels is None, expected (N,) for {way}: give gamma 0 and no crd")
    if way.term != "kl" and not (model.widths and teacher.model.widths):
        raise ValueError(f"widths are {model.widths} and the teacher's {teacher.model.widths}, "
                         f"expected hidden layers in both: {way.term} compares them")
    if schedule.patience is not None:
        raise ValueError(f"patience is {schedule.patience}, expected None: all have one budget")
