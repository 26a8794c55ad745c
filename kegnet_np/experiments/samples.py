"""Why do KegNet's samples teach less than noise? What each kind looks like, and a test.

The measures of `probes.samples` of uniform, normal, generated and real inputs; then students on
samples in which one property is set to the real one (they know of the data what their name says,
and are no method). Pendigits at rank 5, where noise loses most, under the protocol "fair".
"""

from dataclasses import dataclass

import numpy as np

from .. import losses, sampling
from ..probes import samples as probe
from . import grid, pipeline
from .devices import on
from .jobs import REAL, Job
from .table import DATASETS

PROTOCOL = "fair"
N = 6400  # samples to measure
STUDENTS, RANK = "pendigits", 5
KINDS = ("uniform", "normal", "kegnet", REAL)
CHANGED = ("normal noise, real covariance", "KegNet, real covariance",
           "real inputs, features shuffled apart", "real inputs, none the teacher is unsure of")
note = grid.note


@dataclass(frozen=True)
class OwnJob(Job):
    """A job that measures samples, or whose students see changed ones: it needs generators."""

    learnt = False  # its samples are no sampler's of the table

    @property
    def what(self) -> str:
        """A short name, for files."""
        return self.does + "-" + self.samples.replace(",", "").replace(" ", "-")

    @property
    def needs(self) -> dict[str, Job]:
        """Those of students on KegNet's samples; without a start, if it measures."""
        return Job(self.dataset, self.teacher, self.does, self.form, "kegnet", rank=self.rank).needs


def jobs_of(seeds: range) -> list[Job]:
    """Students on changed samples and measures of every kind, for teachers of these seeds."""
    students = [OwnJob(STUDENTS, seed, "distill", "tucker", names, rank=RANK)
                for seed in seeds for names in CHANGED]
    return [*students, *(OwnJob(dataset, seed, "measure", samples=names)
                         for dataset in DATASETS for seed in seeds for names in KINDS)]


def work(job, settings, data, found, part):
    """`pipeline.work`, and the jobs of this question."""
    if not isinstance(job, OwnJob):
        return pipeline.work(job, settings, data, found, part)
    M, given = found["teach"].member(0), (settings, data, found)
    with on("cpu"):
        if job.does == "measure":
            (rng,) = sampling.seeded(job.teacher, f"measure {job.samples}")
            real = {REAL: sampling.rows_of(data.x_train)}
            x = pipeline.sampler_of(job.samples, *given, real)(rng, N)
            return [M], probe.describe(x, M, data.x_test) | {"seconds": 0.0}
        own = changed(M, data.x_train, pipeline.sampler_of("kegnet", *given))
    return pipeline.work(job, *given, part, own=own)


def root(x: np.ndarray) -> np.ndarray:
    """A matrix A with A Aᵀ the covariance of x, by its eigenvectors."""
    values, vectors = np.linalg.eigh(np.cov(x.T.astype(np.float64)))
    return vectors * np.sqrt(np.maximum(values, 0))


def coloured(sampler, real: np.ndarray, draws: int = 20_000):
    """The sampler with its own covariance exchanged for the real one."""
    own = sampler(np.random.default_rng(0), draws)
    change = np.linalg.pinv(root(own)).T @ root(real).T
    return lambda rng, n: ((sampler(rng, n) - own.mean(0)) @ change).astype(np.float32)


def changed(M, real: np.ndarray, kegnet) -> dict[str, sampling.Sampler]:
    """Samplers with one property taken from the real inputs (N, D), by the names of `CHANGED`."""
    sure = losses.softmax(M.predict(real)).max(-1) >= 0.99
    D = real.shape[1]
    made = (
        coloured(sampling.normal(D), real),
        coloured(kegnet, real),
        lambda rng, n: np.stack(
            [real[rng.integers(len(real), size=n), i] for i in range(D)], axis=1),
        sampling.rows_of(real[sure]))
    return dict(zip(CHANGED, made, strict=True))


def tables(result: dict) -> list[list[list[str]]]:
    """The measures for every data set, then the students on samples with one property changed."""
    made = []
    for dataset in dict.fromkeys(c["dataset"] for c in grid.cells_of(result, does="measure")):
        out = [[f"{dataset}; mean ± sd over the teachers", *KINDS]]
        for key, label in probe.MEASURES.items():
            every = [grid.values_of(result, key, dataset=dataset, does="measure", samples=name)
                     for name in KINDS]
            out.append([label] + [
                f"{np.mean(v):.2f}" + (f" ± {np.std(v, ddof=1):.2f}" if len(v) > 1 else "")
                for v in every])
        made.append(out)
    head = [f"students on {STUDENTS} at rank {RANK}", "test accuracy, % ± half a 95% t interval"]
    return [*made, [head, *([n, grid.shown(result, {"does": "distill", "samples": n})]
                            for n in CHANGED)]]
