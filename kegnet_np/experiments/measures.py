"""Every probe of a teacher and its students, as a table of estimates by name (Ojha et al., 2023).

A `Bench` holds what all students of a teacher are measured on. A measure takes it and a student,
one or a stack, and gives an `Estimate` over examples by member for each of its names.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .. import sampling
from ..network import Network
from ..probes import gradients, knowledge, layers, pens
from ..probes.knowledge import Estimate
from .upbringing import changed, left_out

DEGREES, SIGMAS = (10.0, 20.0, 30.0), (2.0, 5.0, 10.0)
SHARES = (0.85, 0.6, 0.4, 0.2)  # of rows on which a teacher is fooled, the most that can be had
Measured = dict[str, Estimate]


@dataclass(frozen=True, eq=False)
class Bench:
    """A teacher, the test rows, and what is drawn for all of its students alike.

    data : a `Dataset`. T : the teacher, one network. independent : networks that never saw it, for
        W member by member beside the students. foreign : another teacher, or None.
    rows : how many test rows for gradients. triplets : planes.
    """

    data: Any  # a `data_loaders.Dataset`
    T: Network
    independent: Network
    foreign: Network | None = None
    rows: int = 1000
    triplets: int = 50
    seed: int = 2019

    def rng(self, purpose: str) -> np.random.Generator:
        """Of a measure, the same for every student."""
        return sampling.seeded(self.seed, f"probe {purpose}")[0]

    @cached_property
    def few(self) -> tuple[np.ndarray, np.ndarray]:
        """Test rows and their labels, ``rows`` at the most."""
        x, y = self.data.x_test, self.data.y_test
        chosen = self.rng("rows").permutation(len(x))[: self.rows]
        return x[chosen], y[chosen]

    def fooling(self, teacher: Network) -> tuple[np.ndarray, np.ndarray, float]:
        """Adversarial examples of a teacher, whom they fool (the set A), and ε."""
        x, y = self.few
        span = self.data.x_train.min(0), self.data.x_train.max(0)
        x = np.clip(x, *span)
        eps = 0.0
        for share in SHARES:
            with suppress(ValueError):  # within the span no eps fools it so often
                eps = gradients.size_that_fools(teacher, x, y, share, span=span)
                break
        moved = gradients.adversarial(teacher, x, y, eps, span=span)
        return moved, gradients.is_fooled(teacher, x, moved), eps

    @cached_property
    def own(self) -> tuple[np.ndarray, np.ndarray, float]:
        """`fooling` of the teacher."""
        return self.fooling(self.T)

    @cached_property
    def others(self) -> tuple[np.ndarray, np.ndarray, float]:
        """`fooling` of the foreign teacher."""
        assert self.foreign is not None
        return self.fooling(self.foreign)

    @cached_property
    def planes(self) -> dict[str, np.ndarray]:
        """Planes through test rows and through normal noise."""
        x = self.few[0]
        noise = sampling.normal(x.shape[1])(self.rng("noise"), len(x))
        return {name: layers.planes(of, self.rng(f"planes {name}"), self.triplets)
                for name, of in (("rows", x), ("noise", noise))}


def right(bench: Bench, S: Network) -> Measured:
    """Whether it is right."""
    return {"accuracy": knowledge.right(S, bench.data.x_test, bench.data.y_test)}


def looks(bench: Bench, S: Network) -> Measured:
    """Where it looks: W of the saliency, and of the input times it."""
    x, y = bench.few
    return {name: gradients.looks_alike(bench.T, S, bench.independent, x, y, times)
            for name, times in (("W", False), ("W, x ⊙ s", True))}


def fooled(bench: Bench, S: Network) -> Measured:
    """Whether it is fooled by what fools the teacher; by noise as large, by a foreign teacher's."""
    (moved, A, eps), (x, _) = bench.own, bench.few
    if not A.any():
        return {}
    noise = gradients.noise(x, eps, bench.rng("signs"))
    made = {"fooled": gradients.fooling_rate(S, x, moved, A),
            "by noise": gradients.fooling_rate(S, x, noise, A)}
    if bench.foreign is not None and bench.others[1].any():
        made["by a foreign teacher's"] = gradients.fooling_rate(S, x, *bench.others[:2])
    return made


def rotation(bench: Bench, S: Network) -> Measured:
    """Whether it keeps its answer when the pen's track is turned either way."""
    return {f"{d:g}°": _kept(bench, S, f"rotation {d}", degrees=d) for d in DEGREES}


def jitter(bench: Bench, S: Network) -> Measured:
    """Whether it keeps its answer when the points are moved."""
    return {f"σ = {s:g}": _kept(bench, S, f"jitter {s}", sigma=s) for s in SIGMAS}


def _kept(bench: Bench, S: Network, purpose: str, degrees: float = 0.0, sigma: float = 0.0):
    data, rng = bench.data, bench.rng(purpose)
    x = data.x_test
    turned = degrees * rng.choice([-1, 1], len(x))
    return knowledge.invariance(S, x, pens.transformed(
        x, data.mean, data.scale, degrees=turned, sigma=sigma, rng=rng))


def consensus(bench: Bench, S: Network) -> Measured:
    """Whether it agrees with the teacher: on test rows, on the teacher's errors, on noise."""
    x, y = bench.data.x_test, bench.data.y_test
    noise = sampling.normal(x.shape[1])(bench.rng("consensus"), len(x))
    made = {"consensus": knowledge.consensus(bench.T, S, x),
            "Cohen's κ": knowledge.kappa(bench.T, S, x),
            "consensus on noise": knowledge.consensus(bench.T, S, noise)}
    if (knowledge.answers(bench.T, x) == y).all():
        return made
    found = knowledge.errors(bench.T, S, x, y)
    return made | {"on T's errors": found["agreement"],
                   "on T's errors, less chance": found["agreement"] - found["control"],
                   "ceiling on T's errors": found["ceiling"]}


def boundary(bench: Bench, S: Network) -> Measured:
    """Whether it cuts planes as the teacher does: through test rows, and through noise."""
    found = {name: layers.boundary(bench.T, S, on) for name, on in bench.planes.items()}
    return {f"{key}, planes of {name}": of[measure] for name, of in found.items()
            for key, measure in (("IoU", "iou"), ("pixels", "agreement"))}


def representation(bench: Bench, S: Network) -> Measured:
    """Linear CKA of the middle and of the last hidden layers."""
    x = bench.data.x_test
    t, s = (layers.activations(network, x) for network in (bench.T, S))
    if not (t and s):
        return {}
    return {"CKA, middle layers": layers.cka(t[(len(t) - 1) // 2], s[(len(s) - 1) // 2]),
            "CKA, last layers": layers.cka(t[-1], s[-1])}


def domain(bench: Bench, S: Network) -> Measured:
    """Accuracy on digits turned by 30° to 60°, which the teacher alone saw."""
    x, y = bench.data.x_test, bench.data.y_test
    turned = changed("turned", x, bench.data, bench.rng("domain"))
    return {"accuracy, turned": knowledge.right(S, turned, y)}


def cue(bench: Bench, S: Network) -> Measured:
    """Whether it keeps to the label where a column, a cue to its own eyes, says another class."""
    x, y = bench.data.x_test, bench.data.y_test
    cues = knowledge.cues_of(x, bench.T.model.classes)
    return {"right / (right + cue)": knowledge.keeps_to_the_label(S, x, y, cues)}


def bias(bench: Bench, S: Network) -> Measured:
    """How far its accuracy on g*, a class that the teacher never saw, lies below the others'."""
    x, y = bench.data.x_test, bench.data.y_test
    return {"gap": knowledge.gap(S, x, y, y, left_out(bench.data, bench.seed))}


MEASURES: dict[str, Callable[[Bench, Network], Measured]] = {
    f.__name__: f for f in (right, looks, fooled, consensus, boundary, representation, rotation,
                            jitter, domain, cue, bias)}
