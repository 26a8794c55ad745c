"""What is played for, and by how much two players' answers differ."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import losses
from .estimators import ESTIMATORS
from .operations import log_l2

DISTANCES: dict[str, Callable] = {  # L: of a player's logits and another's
    "kl": lambda a, other: losses.kl(a, losses.softmax(other)),
    "l2": lambda a, other: log_l2(a, losses.log_softmax(other))}


@dataclass(frozen=True)
class Rules:
    """What is played for. KDGAN is the default; NaGAN, distillation and the others are settings.

    alpha : α in [0, 1]; beta, gamma : β, γ ≥ 0; numbers, or arrays (S,) with one for each member.
    labels : weight of the cross-entropy with the true labels in C's loss, and in that of a T which
        learns; no part of the method, but of the baselines.
    adversary : whether D plays.
    estimator : of `ESTIMATORS`. distance_c, distance_t : L_c and L_t, of `DISTANCES`.
    draws : labels a row from p_c and from p_t. tau : the first and the last temperature.
    passes : of C, T and D over the rows, in an outer epoch.
    """

    alpha: Any = 0.5
    beta: Any = 1.0
    gamma: Any = 1e-4
    labels: float = 0.0
    adversary: bool = True
    estimator: str = "score"
    distance_c: str = "kl"
    distance_t: str = "kl"
    draws: int = 20
    tau: tuple[float, float] = (1.0, 0.1)
    passes: tuple[int, int, int] = (10, 10, 20)

    def __post_init__(self):
        for name, low, high in (
                ("alpha", 0, 1), ("beta", 0, np.inf), ("gamma", 0, np.inf), ("labels", 0, np.inf)):
            value = np.asarray(getattr(self, name))
            if not ((value >= low) & (value <= high)).all():
                span = "from 0 to 1" if high == 1 else "of at least 0"
                raise ValueError(f"{name} is {getattr(self, name)}, expected a number {span}")
        for name, known in (("estimator", ESTIMATORS), ("distance_c", DISTANCES),
                            ("distance_t", DISTANCES)):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} is {getattr(self, name)!r}, expected one of "
                                 f"{', '.join(known)}")
        if self.draws < 1 + (self.estimator == "score"):
            raise ValueError(f"draws is {self.draws}, expected at least 1, and 2 for score")
        if min(self.tau) <= 0 or min(self.passes) < 1:
            raise ValueError(f"tau is {self.tau}, passes {self.passes}: expected positive numbers")
        if not (self.labels or np.any(self.beta) or (self.adversary and np.any(self.alpha))):
            raise ValueError("alpha, beta and labels are 0: C has nothing to learn from; give one")

    @property
    def teacher_learns(self) -> bool:
        """Whether anything depends on T's parameters."""
        return bool(np.any(self.gamma) or (self.adversary and np.any(np.asarray(self.alpha) < 1)))
