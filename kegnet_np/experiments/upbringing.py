"""Teachers who saw something of their own, and the students whom the probes measure, as jobs.

A teacher's ``variant`` says what it was taught; its students see plain rows, or none. Measures are
in `measures`, what is asked in `probes` and `crossed`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from pathlib import Path
from typing import Any

import numpy as np

from .. import backend, metrics, sampling
from ..beyond import ranks, samplers
from ..generator import generated
from ..models import MLP, check_ranks
from ..network import Network
from ..probes import knowledge, pens
from ..probes.distil import SCHEDULE, WAYS, Way, distil
from ..tables.schema import Column
from ..train import Training
from ..tucker import compress
from . import pipeline, settings
from .devices import on
from .folder import Progress
from .jobs import REAL, Found, Job, Made
from .options import Group, option

PENS = {  # what a teacher saw beside upright digits: degrees at the least and most, and a jitter σ
    "rotated": (0.0, 15.0, 0.0), "jittered": (0.0, 0.0, 5.0), "turned": (30.0, 60.0, 0.0)}
TAUGHT = ("plain", *PENS, "cue", "biased")
CUE = 0.95  # how often the students' cue is right
TIMES = 20  # samples in a pool that is so many times as large, of which each is seen once
ALL_WAYS = WAYS | {
    "smoothed": Way("kl", 1.0, 0.0, smoothing=0.1),  # soft labels without a teacher
    "answers": Way("kl", 0.0, 1.0, temperature=1.0), "labelled": Way("kl", 0.1, 0.9, 1.0)}
AT = (0.01, 0.02, 0.04, 0.08, 0.16, 0.3, 0.5, 0.7, 0.8, 0.9, 1.0)  # of the epochs: looked at


@dataclass(frozen=True)
class Bringing(Group):
    """How students of the probes are made."""

    students: int = option(3, "students of each kind, of one start in every way to distil")
    teacher_epochs: int = option(60, "epochs of a teacher; the best by validation rows is kept")
    generators: int = option(2, "how many generators are learnt")
    generator_epochs: int = option(60, "epochs of generators and decoders, at a rate of 1e-3")
    epochs: int = option(60, "epochs of the students, on as many samples as there are rows")
    compression: float = option(8.0, "how many times smaller the plain MLPs are")
    rank: int = option(5, "Tucker rank of the crossed experiment's students")
    rows: int = option(1000, "test rows for saliency and adversarial examples")
    triplets: int = option(50, "planes for the boundaries")


@dataclass(frozen=True)
class Settings:
    """What `engine.Engine` and `pipeline.work` ask of settings, and the students'."""

    data: settings.Data
    every: settings.Every
    teach: settings.Teach
    extract: settings.Extract
    own: Bringing


USUAL = {"protocol": "fair", "teacher_batch": 128, "teacher_min_epochs": 0, "generator_lr": 1e-3}


def settings_of(given: Mapping[str, Any]):
    """The settings of a job."""
    own, rest = Bringing.of(given)
    rest = USUAL | rest | {
        "teacher_epochs": own.teacher_epochs, "teacher_patience": own.teacher_epochs,
        "generators": own.generators, "generator_epochs": own.generator_epochs}

    def of(job: Job) -> Settings:
        made = settings.make(rest | {"dataset": job.dataset, "seed": job.teacher, "ranks": (1,)})
        return Settings(made.data, made.every, made.teach, made.extract, own)

    return of


@dataclass(frozen=True)
class OwnJob(Job):
    """A teacher of a ``variant``, its generators, its students, or a measure of all together.

    way : of `ALL_WAYS`, or of a measure its name. times : how many samples for each row.
    foreign : of a measure, the seed of a teacher whom the students never saw.
    """

    way: str = ""
    times: int = 1
    foreign: int = 0

    @property
    def what(self) -> str:
        """A short name."""
        if self.does != "distill":
            return {"teach": "teacher", "extract": "generators"}.get(self.does, self.does)
        seen = self.samples + (f"-{self.times}-times" if self.times > 1 else "")
        return f"{self.form}-{self.start}-{seen}-{self.way}"

    @property
    def learnt(self) -> bool:
        """Whether its students see samples of generators."""
        return self.does == "distill" and self.samples == "kegnet"

    @cached_property
    def needs(self) -> dict[str, Job]:
        """The jobs whose networks this one takes."""
        teacher = OwnJob(self.dataset, self.teacher, "teach", variant=self.variant)
        made: dict[str, Job] = {} if self.does == "teach" else {"teach": teacher}
        return made | ({"extract": replace(teacher, does="extract")} if self.learnt else {})

    def student(self, way: str, **fields) -> "OwnJob":
        """The job of students of this measure's teacher; without fields plain MLPs on real rows."""
        usual: dict[str, Any] = {"does": "distill", "form": "mlp", "samples": REAL,
                                 "start": "random", "way": way, "foreign": 0}
        return OwnJob(self.dataset, self.teacher, **({"variant": self.variant} | usual | fields))


def taught(variant: str, data, seed: int, of_student: bool = False):
    """The `Dataset` that a teacher of a variant sees, or a student of it; its test rows too."""
    rng, other = sampling.seeded(seed, f"{variant} {of_student}", 2)
    if variant == "cue":
        rho, K = CUE if of_student else 1 / data.classes, data.classes
        return _with_columns(data, {part: knowledge.with_cue(
            getattr(data, f"x_{part}"), getattr(data, f"y_{part}"), K,
            0.0 if part == "test" else rho, rng)[0] for part in ("train", "val", "test")})
    if of_student or variant == "plain":
        return data
    made: dict[str, np.ndarray] = {}
    for part in ("train", "val"):
        x, y = getattr(data, f"x_{part}"), getattr(data, f"y_{part}")
        if variant == "biased":
            keep = y != left_out(data, seed)
            made |= {f"x_{part}": x[keep], f"y_{part}": y[keep]}
        else:  # every other row changed, so that an epoch is as long as of a plain teacher
            half = rng.random(len(x)) < 0.5
            made[f"x_{part}"] = np.where(half[:, None], changed(variant, x, data, other), x)
    return replace(data, **made)


def _with_columns(data, parts: dict[str, np.ndarray]):
    """A `Dataset` with one more feature, which is no column of its table."""
    known = data.schema
    schema = replace(known, columns=(*known.columns, Column("cue")), mean=np.r_[known.mean, 0],
                     scale=np.r_[known.scale, 1])
    return replace(data, schema=schema, **{f"x_{part}": x for part, x in parts.items()})


def changed(variant: str, x: np.ndarray, data, rng: np.random.Generator) -> np.ndarray:
    """Rows of a pen turned or moved as the teacher of a variant saw them."""
    least, most, sigma = PENS[variant]
    degrees = rng.uniform(least, most, len(x)) * rng.choice([-1, 1], len(x)) if most else 0.0
    return pens.transformed(x, data.mean, data.scale, degrees=degrees, sigma=sigma, rng=rng)


def left_out(data, seed: int) -> int:
    """g*, the class that a biased teacher never sees: another for each teacher."""
    return seed % data.classes


def work(job: Any, settings: Any, data, found: Found, part: Path | None) -> Made:
    """Do a job that makes networks: these, and a header of JSON values. Runs in a worker."""
    if job.does in ("teach", "extract"):
        with on("cpu"):
            seen = taught(job.variant, data, job.teacher)
        return pipeline.work(job, settings, seen, found, part)
    with pipeline.stage(job.what):
        T, own, trace = found["teach"].member(0), settings.own, Trace(job.what, settings.own.epochs)
        epochs = own.epochs
        with on("cpu"):
            data = taught(job.variant, data, job.teacher, of_student=True)
            x, labels, start = data.x_train, data.y_train, start_of(job, T, own)
            if not job.samples:  # nothing is learnt
                made = start if start.theta.ndim == 2 else start.stack(own.students)
                return [made], _scores(made, data) | {"seconds": 0.0, "kept_epoch": [0]}
            if job.samples != REAL:
                times = min(job.times, epochs)
                (rng,) = sampling.seeded(job.teacher, f"pool {job.samples}")
                epochs //= times
                G = found.get("extract")
                learnt = generated(G, G.model.inputs - T.model.classes) if G else None
                x, labels = samplers.make(job.samples, T, learnt)(rng, times * len(x)), None
        students, done = distil(
            T, start, x, None if job.way == "answers" else labels, ALL_WAYS[job.way],
            students=own.students, schedule=replace(SCHEDULE, epochs=epochs), seed=job.teacher,
            hook=trace if job.samples == REAL else trace.bar)
        if job.samples == REAL:
            students = Network(students.model, np.concatenate(
                [theta[:, : students.size] for theta in trace.seen]))
        students = students.moved(backend.to_host)
        return [students], _scores(students, data) | {
            "seconds": done.seconds, "kept_epoch": done.kept_epoch.tolist(), "updates": done.adam.t}


class Trace:
    """A hook for `train.fit` that keeps the parameters at the epochs of `AT`; and a bar."""

    def __init__(self, name: str, epochs: int):
        self.bar, self.seen = Progress(name), list[np.ndarray]()
        self.at = [max(round(share * epochs), 1) for share in AT]

    def __call__(self, training: Training) -> None:
        """Look at a training after an epoch."""
        self.bar(training)
        self.seen += [backend.to_host(training.theta.copy())] * self.at.count(training.epoch)


def snapshots(network: Network, students: int) -> list[Network]:
    """The stacks of students at the epochs of `AT`, of the stack that a job on real rows made."""
    return [Network(network.model, theta)
            for theta in network.theta.reshape(-1, students, network.size)]


def start_of(job: Job, T: Network, own: Bringing) -> Network:
    """Where students start, without dropout: the same for every way, variant and sample."""
    if job.form == "mlp":
        model = ranks.smaller_mlp(T.model, int(T.size / own.compression))
    else:
        model = replace(T.model, ranks=(own.rank,) * (len(T.model.widths) + 1))
    if job.start == "weights":
        return Network(replace(model, dropout=0.0), compress(T, (own.rank,)).theta)
    return start_like(model, job.teacher, own.students)


def start_like(model: MLP, seed: int, students: int) -> Network:
    """Random starts without dropout. The matrices of a Tucker form get the norm of random dense
    ones: else signals die out on their way through eleven layers, and students stay at chance."""
    start = Network.random(replace(model, dropout=0.0), sampling.seeded(seed, "start", students))
    if model.ranks is None:
        return start
    theta = start.theta.copy()
    p = start.model.layout.views(theta)
    for i, (D, H) in enumerate(start.model.sizes):
        W = reduce(np.matmul, (p[name] for name in start.model.factors[i]))
        wanted = np.sqrt(2 * D * H / (D + H))  # of the Frobenius norm, for Glorot's deviations
        p[f"core{i}"][...] *= wanted / np.linalg.norm(W, axis=(-2, -1), keepdims=True)
    return Network(start.model, theta)


def _scores(network: Network, data) -> dict[str, Any]:
    """Of every member, on the test rows."""
    accuracy = metrics.accuracy(network.predict(data.x_test), data.y_test)
    return {"n_params": network.size, "accuracy": accuracy.round(5).tolist(),
            "data": {"name": data.name}}


def check(settings: Settings, data) -> None:
    """ValueError, before anything is trained, if the students asked for cannot be."""
    own, widths = settings.own, settings.teach.arguments()["widths"]
    check_ranks((own.rank,), settings.teach.hidden, len(widths) + 1)
    model = MLP(data.features, data.classes, widths)
    least = replace(model, widths=(1,) * 3).layout.size
    if model.layout.size < own.compression * least:
        raise ValueError(f"compression is {own.compression:g}, but an MLP of three hidden layers "
                         f"for {data.name} has at least {least:,} parameters: at the most "
                         f"{model.layout.size // least}")
