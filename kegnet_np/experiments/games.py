"""Games of KDGAN and its baselines as jobs of the engine: settings, rows, pretraining, search.

A stack holds the seeds: each has n rows of its own, nested in those of a larger n, and players of
its own. What is asked of the games is in `kdgan`.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from .. import losses, metrics, sampling
from ..kdgan import estimators, game
from ..kdgan.rules import Rules
from ..models import MLP, check_ranks
from ..network import Network
from ..train import Schedule
from . import pipeline
from .folder import Progress
from .jobs import Found, Job, Made
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
TRIED = 2  # seeds of a search
MOST = 32  # batches in an epoch of pretraining
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
    own = {key: value for key, value in given.items() if key in Play.__dataclass_fields__}
    play, data = Play(**own), {key: given[key] for key in given.keys() - own.keys()}
    return lambda job: Settings(Data(**data, dataset=job.dataset), seeds, play)


def nested(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """An order of rows (N,) of which every beginning is stratified: one of each class comes first,
    then each class in proportion."""
    place = rng.permutation(len(labels))  # ties are broken at random
    key = np.empty(len(labels))
    for k in np.unique(labels):
        own = place[labels[place] == k]
        key[own] = (np.arange(len(own)) + 0.5) / len(own)
        key[own[0]] = 0
    return place[np.argsort(key[place], kind="stable")]


def rows_of(data, n: int, seed: int, seeds: int) -> tuple[np.ndarray, np.ndarray]:
    """n labelled rows for each seed (0: all): x (S, n, D) and labels (S, n)."""
    N, K = len(data.y_train), data.classes
    if n > N:
        raise ValueError(f"labels is {n}, but {data.name} has {N:,} training rows; ask for fewer, "
                         "or for all")
    if 0 < n < K or len(np.unique(data.y_train)) < K:
        raise ValueError(f"labels is {n}, but {data.name} has {K} classes, and a class would have "
                         "no label; ask for more")
    order = sampling.stacked(lambda rng: nested(data.y_train, rng)[: n or N],
                             sampling.seeded(seed, "labels", seeds))
    return data.x_train[order], data.y_train[order]


def work(job: Any, settings: Settings, data, found: Found, part: Path | None) -> Made:
    """Do a job: the networks, and a header of JSON values. Runs in a worker."""
    with pipeline.stage(job.what):
        own, seed, validation = settings.play, job.teacher, (data.x_val, data.y_val)
        known = pipeline.behind(settings, data)
        rows = rows_of(data, job.labels, seed, settings.seeds)
        common: dict[str, Any] = {"seed": seed, "hook": Progress(job.what, part)}
        if job.does in PLAYERS:
            network, done = pretrained(job, own, data, rows, validation, common)
            return [network], scores(network, data) | pipeline.trained(done) | known
        C, T, D = (found[name] for name in PLAYERS)
        if job.does == "gradients":
            return [C], measured(C, D, rows[0], own, seed) | {"seconds": 0.0}
        rules, trials = rules_of(job.variant, job.labels or rows[1].shape[1], own), list[dict]()
        games: dict[str, Any] = {"validation": validation, "most": own.rows}
        if own.search and job.variant in TUNED:
            rules, trials = searched(job, rules, own, (rows, C, T, D), games)
        schedule = Schedule(own.lr, own.batch, own.epochs, own.epochs)
        network, taught, done = game.play(
            rows, C, T, D, rules, schedule=schedule, purpose=job.variant, **games, **common)
        curve = [[row["score"] for row in done.history if row["member"] == s]
                 for s in range(settings.seeds)]
        weights = {key: float(getattr(rules, key)) for key in RANGES}
        return [network], scores(network, data) | pipeline.trained(done) | known | {
            "teacher_accuracy": accuracy(taught, data), "curve": np.round(curve, 4).tolist(),
            "weights": weights, "trials": trials, "d_loss": done.history[-1].get("d_loss")}


def classifier(own: Play, data) -> MLP:
    """C: small, or the teacher's shape in Tucker form."""
    teacher = MLP(data.features, data.classes)
    if not own.ranks:
        return replace(teacher, widths=(own.hidden,))
    check_ranks(own.ranks, max(teacher.widths), len(teacher.widths) + 1)
    return replace(teacher, ranks=own.ranks)


def pretrained(job: Job, own: Play, data, rows, validation, common) -> tuple[Network, Any]:
    """A player before the game: C and T of the best epoch by validation rows, D of the last."""
    model, loss = MLP(data.features, data.classes), losses.cross_entropy
    schedule = Schedule(1e-3, own.batch, own.pretraining, own.pretraining)
    if job.does == "classifier":
        model = classifier(own, data)
    if job.does == "discriminator":
        loss, validation, schedule = game.discriminator_loss, None, replace(schedule, patience=None)
    return game.pretrain(model, rows, loss, schedule, most=MOST, purpose=job.does,
                         validation=validation, **common)


def rules_of(variant: str, labels: int, own: Play) -> Rules:
    """The rules of a method or an ablation of KDGAN, with the settings given."""
    nearest = min(AUTHORS, key=lambda n: abs(np.log(n / labels)))
    alpha, beta = (usual if given is None else given for given, usual in
                   zip((own.alpha, own.beta), AUTHORS[nearest], strict=True))
    usual: dict[str, Any] = {
        "alpha": alpha, "beta": beta, "gamma": own.gamma, "estimator": own.estimator,
        "distance_c": own.loss_c, "distance_t": own.loss_t or "kl", "draws": own.draws}
    return Rules(**usual | (METHODS | ABLATIONS)[variant])


def searched(job: Job, rules: Rules, own: Play, given, games) -> tuple[Rules, list[dict]]:
    """The weights of the best of ``own.search`` points, and all points: side by side in a stack,
    each on the first seeds' rows, half as long, judged by the best validation accuracy."""
    from scipy.stats import qmc

    names, (rows, *players) = TUNED[job.variant], given
    points = qmc.scale(
        qmc.Sobol(len(names), rng=job.teacher).random(own.search),
        *zip(*(RANGES[name] for name in names), strict=True))
    tried = {name: np.r_[getattr(rules, name), column if name == "alpha" else 10.0**column]
             for name, column in zip(names, points.T, strict=True)}  # the usual ones come first
    R = min(TRIED, len(rows[0]))
    x, y = (np.concatenate([a[:R]] * (own.search + 1)) for a in rows)
    C, T, D = (Network(p.model, np.concatenate([p.theta[:R]] * (own.search + 1))) for p in players)
    each: dict[str, Any] = {
        name: np.repeat(column, R).astype(np.float32) for name, column in tried.items()}
    schedule = Schedule(own.lr, own.batch, max(own.epochs // 2, 1), own.epochs)
    *_, done = game.play((x, y), C, T, D, replace(rules, **each), schedule=schedule,
                         purpose=f"search {job.variant}", seed=job.teacher, **games)
    found = done.kept_score.reshape(-1, R).mean(1)
    trials = [{name: float(column[i]) for name, column in tried.items()} | {"score": float(s)}
              for i, s in enumerate(found)]
    best: dict[str, Any] = {name: float(column[found.argmax()]) for name, column in tried.items()}
    return replace(rules, **best), trials


def accuracy(network: Network, data) -> list[float]:
    """By member, on the test rows."""
    return metrics.accuracy(network.predict(data.x_test), data.y_test).tolist()


def scores(network: Network, data) -> dict[str, Any]:
    """What a header keeps of a player: parameters, accuracy on the test rows."""
    balanced = metrics.balanced_accuracy(network.predict(data.x_test), data.y_test)
    return {"n_params": network.size, "widths": network.model.widths,
            "accuracy": accuracy(network, data), "balanced": balanced.tolist()}


def measured(C: Network, D: Network, x: np.ndarray, own: Play, seed: int) -> dict[str, Any]:
    """Variance and bias of every estimator of C's gradient, at its pretrained parameters."""
    x = x[:, : own.rows]
    d = D.predict(x)
    found = {}
    for name, estimator in estimators.ESTIMATORS.items():
        rngs = sampling.seeded(seed, f"gradients {name}", len(x))
        found[name] = {str(tau): estimators.spread(C, x, d, estimator, own.draws, tau, rngs)
                       for tau in (1.0, 0.1)}
    return {"gradients": found}
