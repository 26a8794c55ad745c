"""Settings of the games of KDGAN and its baselines: how they are played, and what makes a baseline.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..kdgan import estimators
from ..kdgan.rules import Rules
from ..models import MLP, check_ranks
from .jobs import Job
from .options import FROM_0, Group, option
from .settings import Data

PLAYERS = ("classifier", "teacher", "discriminator")
NONE: dict[str, Any] = {"adversary": False, "beta": 0.0, "gamma": 0.0}
METHODS: dict[str, dict[str, Any]] = {  # rules that make a baseline of the game
    "alone": NONE | {"labels": 1.0},
    "L2": NONE | {"beta": 1.0, "distance_c": "l2"},
    "KL": NONE | {"beta": 1.0, "distance_c": "kl"},
    "KL + labels": NONE | {"beta": 1.0, "labels": 1.0, "distance_c": "kl"},
    "co-distillation": {"adversary": False, "beta": 1.0, "gamma": 1.0, "labels": 1.0},
    "NaGAN": {"alpha": 1.0, "beta": 0.0, "gamma": 0.0},
    "KDGAN": {}}
ABLATIONS: dict[str, dict[str, Any]] = {
    "γ = 0": {"gamma": 0.0}, "fixed τ": {"tau": (1.0, 1.0), "estimator": "straight_through"},
    "falling τ": {"estimator": "straight_through"},
    "α = 0": {"alpha": 0.0}, "α = 0.5": {"alpha": 0.5}, "α = 1": {"alpha": 1.0},
    "exact": {"estimator": "exact"}, "program": {"estimator": "program"}}
RANGES = {"alpha": (0, 1), "beta": (-3, 3), "gamma": (-4, 2)}  # of β and γ the powers of ten
TUNED = {"KDGAN": ("alpha", "beta", "gamma"), "co-distillation": ("beta", "gamma"),
         "KL + labels": ("beta",)}  # what a search looks for
AUTHORS = {  # their α and β for MNIST, by the number of labels; γ is 1e-4
    50: (0.7, 4.0), 100: (0.1, 2.0), 500: (0.5, 2.0), 1000: (0.1, 0.25), 5000: (0.4, 0.25),
    10_000: (0.2, 2.0)}
_SHARE = (lambda v: isinstance(v, (int, float)) and 0 <= v <= 1, "expected a number from 0 to 1")


@dataclass(frozen=True)
class Play(Group):
    """How the game is played; see `game.play` and `Rules`."""

    alpha: float | None = option(
        None, "share α of the classifier in the mixture that D tells from the labels (default: the "
        "authors', by the number of labels)", check=_SHARE)
    beta: float | None = option(
        None, "weight β of the classifier's distillation loss (default: the authors', by the "
        "number of labels)", check=FROM_0)
    gamma: float = option(1e-4, "weight γ of the teacher's distillation loss", check=FROM_0)
    estimator: str = option(
        "score", "of the gradient through the labels drawn", *estimators.ESTIMATORS)
    loss_c: str = option("kl", "the classifier's distillation loss L_c", "kl", "l2")
    loss_t: str | None = option(
        None, "the teacher's distillation loss L_t, kl or l2 (default: kl)",
        check=(("kl", "l2").__contains__, "expected kl or l2"))
    draws: int = option(20, "labels drawn for a row from each player")
    epochs: int = option(100, "outer epochs of 20 passes of D, 10 of T and 10 of C; quick 10")
    rows: int = option(256, "rows in an outer epoch at the most, drawn anew for each")
    batch: int = option(64, "rows per step")
    lr: float = option(5e-4, "Adam's learning rate")
    pretraining: int = option(200, "epochs of pretraining, at 1e-3; quick 40")
    hidden: int = option(32, "width of the classifier's one hidden layer")
    ranks: tuple[int, ...] | None = option(
        None, "instead: the classifier is the teacher's shape in Tucker form of these ranks",
        check=(lambda v: v and all(r > 0 for r in v), "expected R or R1,R2,... such as 16,10,5"))
    search: int = option(
        0, "so many points of α, β, γ are tried for KDGAN, and as many for what has weights beside "
        "it; the best by validation accuracy is played", check=(
            lambda v: isinstance(v, int) and v >= 0, "expected an integer of at least 0"))

    def __post_init__(self):
        super().__post_init__()
        if self.loss_t is not None and self.gamma == 0:
            raise ValueError(f"loss_t is {self.loss_t!r}, but gamma is 0, which leaves it no "
                             "weight; drop one")
        if self.estimator == "score" and self.draws < 2:
            raise ValueError(f"draws is {self.draws}, expected at least 2 for estimator score")


@dataclass(frozen=True)
class Settings:
    """What an `engine.Engine` asks of settings, and the game's."""

    data: Data
    seeds: int
    play: Play


@dataclass(frozen=True)
class OwnJob(Job):
    """A job whose stack holds the seeds: a player's pretraining, or a game of a ``variant``."""

    labels: int = 0  # of each seed; 0: all

    @property
    def what(self) -> str:
        """A short name."""
        plain = (self.variant or self.does).translate(str.maketrans(" =", "--", "+.")).lower()
        return plain.replace("γ", "gamma").replace("τ", "tau").replace("α", "alpha")

    @property
    def name(self) -> str:
        """The job's file name, without an ending."""
        return f"{Path(self.dataset).stem}-{self.teacher}-{self.labels or 'all'}-{self.what}"

    @property
    def learnt(self) -> bool:
        """No generators."""
        return False

    @cached_property
    def needs(self) -> dict[str, Job]:
        """A game and a measure need the players."""
        if self.does in PLAYERS:
            return {}
        return {does: replace(self, does=does, variant="") for does in PLAYERS}


def settings_of(given: dict[str, Any], seeds: int):
    """The settings of a job."""
    play, data = Play.of(given)
    return lambda job: Settings(Data(**data, dataset=job.dataset), seeds, play)


def classifier(own: Play, data) -> MLP:
    """C: small, or the teacher's shape in Tucker form."""
    teacher = MLP(data.features, data.classes)
    if not own.ranks:
        return replace(teacher, widths=(own.hidden,))
    check_ranks(own.ranks, max(teacher.widths), len(teacher.widths) + 1)
    return replace(teacher, ranks=own.ranks)


def rules_of(variant: str, labels: int, own: Play) -> Rules:
    """The rules of a method or an ablation of KDGAN, with the settings given."""
    nearest = min(AUTHORS, key=lambda n: abs(np.log(n / labels)))
    alpha, beta = (usual if given is None else given for given, usual in
                   zip((own.alpha, own.beta), AUTHORS[nearest], strict=True))
    usual: dict[str, Any] = {
        "alpha": alpha, "beta": beta, "gamma": own.gamma, "estimator": own.estimator,
        "distance_c": own.loss_c, "distance_t": own.loss_t or "kl", "draws": own.draws}
    return Rules(**usual | (METHODS | ABLATIONS)[variant])
