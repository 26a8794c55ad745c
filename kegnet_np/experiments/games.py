"""Games of KDGAN and its baselines as jobs of the engine: rows, pretraining, a search, a measure.

A stack holds the seeds: each has n rows of its own, nested in those of a larger n, and players of
its own. What is asked of the games is in `kdgan`, their settings in `play`.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from .. import backend, losses, metrics, sampling
from ..kdgan import game
from ..kdgan.rules import Rules
from ..models import MLP
from ..network import Network
from ..train import Schedule
from . import pipeline, variance
from .devices import on
from .folder import Progress
from .jobs import Found, Job, Made
from .play import PLAYERS, RANGES, TUNED, Play, Settings, classifier, rules_of

TRIED = 2  # seeds of a search
MOST = 32  # batches in an epoch of pretraining


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
        with on("cpu"):
            rows = rows_of(data, job.labels, seed, settings.seeds)
        common: dict[str, Any] = {"seed": seed, "hook": Progress(job.what, part)}
        if job.does in PLAYERS:
            network, done = pretrained(job, own, data, rows, validation, common)
            network = network.moved(backend.to_host)
            return [network], scores(network, data) | pipeline.trained(done) | known
        C, T, D = (found[name] for name in PLAYERS)
        if job.does == "gradients":
            with on("cpu"):
                return [C], variance.measured(C, D, rows[0], own, seed) | {"seconds": 0.0}
        rules, trials = rules_of(job.variant, job.labels or rows[1].shape[1], own), list[dict]()
        games: dict[str, Any] = {"validation": validation, "most": own.rows}
        if own.search and job.variant in TUNED:
            rules, trials = searched(job, rules, own, (rows, C, T, D), games)
        schedule = Schedule(own.lr, own.batch, own.epochs, own.epochs)
        network, taught, done = game.play(
            rows, C, T, D, rules, schedule=schedule, purpose=job.variant, **games, **common)
        network, taught = (made.moved(backend.to_host) for made in (network, taught))
        curve = [[row["score"] for row in done.history if row["member"] == s]
                 for s in range(settings.seeds)]
        mean = np.mean(curve, axis=0).round(4).tolist()
        weights = {key: float(getattr(rules, key)) for key in RANGES}
        return [network], scores(network, data) | pipeline.trained(done) | known | {
            "teacher_accuracy": accuracy(taught, data), "curve": mean,
            "weights": weights, "trials": trials, "d_loss": done.history[-1].get("d_loss")}


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
