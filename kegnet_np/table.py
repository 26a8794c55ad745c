"""Grids of independent jobs, such as the paper's table: data set × rank × teacher × approach.

Each job is a pure function of its settings and of arrays that earlier jobs made, so it can run in
any process, on any machine, in any order; what it returns is kept in a file of its own, and a table
that was interrupted goes on with the jobs that have none. Three waves: teachers, their generators,
their students.
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

import data_loaders

from . import checkpoint, run_folder, samplers, sampling, stages, train
from .config import Config
from .experiment import APPROACHES, versions
from .models import Classifier, generator
from .protocols import make_config

MLP = "mlp-"  # before the sampler, in the stage of smaller MLPs
RANKS = {"shuttle": (5,), "pendigits": (5, 10), "letter": (10,)}  # the paper's


def is_mlp(stage: str) -> bool:
    """Whether the students of a stage are smaller MLPs."""
    return stage.startswith(MLP)


@dataclass(frozen=True)
class Job:
    """One job of the grid.

    ``stage`` is "teacher", "generators", "tucker", "real" or the name of a sampler; in a grid of
    compressions (`frontier`) also "ranks", or "mlp-" and a sampler: the smaller MLP that sees it.
    """

    dataset: str
    teacher: int  # the seed of the teacher, of its generators and of its students
    stage: str
    rank: int = 0  # of the students; 0 for what comes before them
    compression: float = 0.0  # of students with ranks of their own, chosen by the stage "ranks"

    @property
    def name(self) -> str:
        """The job's file name, without an ending."""
        size = f"-rank{self.rank}" if self.rank else ""
        size += f"-{self.compression:g}x" if self.compression else ""
        return f"{Path(self.dataset).stem}-{self.teacher}{size}-{self.stage}"

    @property
    def sampler(self) -> str:
        """The sampler whose samples the job's students see; empty if there is none."""
        none = ("teacher", "generators", "ranks", "tucker", "real")
        return "" if self.stage in none else self.stage.removeprefix(MLP)

    def needs(self) -> list["Job"]:
        """The jobs whose arrays this one takes."""
        before = [] if self.stage == "teacher" else [Job(self.dataset, self.teacher, "teacher")]
        if self.sampler and sampling.needs_generators(self.sampler):
            before.append(Job(self.dataset, self.teacher, "generators"))
        if self.compression and self.stage != "ranks" and not is_mlp(self.stage):
            before.append(replace(self, stage="ranks"))
        return before


def waves(datasets: Iterable[str], teachers: int, seed: int, every=None) -> list[list[Job]]:
    """The jobs of the table in three waves; a wave needs only what earlier ones made.

    ``teachers`` have the seeds seed, seed + 1, ...; ``every`` (ranks for all sets) replaces those
    of the paper.
    """
    datasets = list(datasets)
    for name, given in (("datasets", [Path(d).stem for d in datasets]), ("ranks", every or (5,))):
        if len(set(given)) < len(given) or not all(given):
            raise ValueError(f"{name} is {given}, expected different names, or ranks of at least 1")
    made: list[list[Job]] = [[], [], []]
    for dataset in datasets:
        for teacher in range(seed, seed + teachers):
            made[0].append(Job(dataset, teacher, "teacher"))
            made[1].append(Job(dataset, teacher, "generators"))
            for rank in every or RANKS.get(dataset, (5,)):
                made[2] += [Job(dataset, teacher, s, rank) for s in ("tucker", *APPROACHES)]
    made[2].sort(key=lambda job: job.stage != "kegnet")  # the longest first
    return made


def config_of(job: Job, settings: dict) -> Config:
    """The job's settings: those of the table with its own data set, teacher and rank."""
    size: dict[str, Any] = {"ranks": (job.rank,)} if job.rank else {}
    if job.compression:
        size = {"ranks": (), "compression": job.compression}
    return make_config({**settings, **size, "dataset": job.dataset, "seed": job.teacher})


def work(job: Job, config: Config, data, inputs: dict[str, dict], part: Path | None) -> tuple:
    """Do a job: (its arrays, its header of JSON values). Runs in a worker.

    data : the `data_loaders.Dataset`. inputs : the arrays of `Job.needs`, by stage.
    part : where a job under way keeps a checkpoint; None where there is no shared disk.
    """
    with threadpool_limits(1, user_api="blas"):
        if job.stage == "teacher":
            M, done = stages.teach(config, data, part)
            scores = _score(M, done.kept_theta, M, done.kept_theta[0], data)
            return {"theta": done.kept_theta[0]}, scores | _trained(M, done)
        M = Classifier(data.features, data.classes, config.hidden, config.depth, config.dropout)
        theta_M = inputs["teacher"]["theta"]
        if job.stage == "generators":
            G, _, done = stages.extract(config, M, theta_M, part)
            P, Q = G.layout.size, G.state_layout.size
            arrays = {"theta": done.kept_theta[:, :P], "state": done.kept_state[:, :Q]}
            return arrays, _trained(G, done)
        student, theta_0, found = _start(job, config, M, theta_M, inputs)
        if job.stage in ("tucker", "ranks"):
            stack = theta_0[None]
            header = {"n_params": student.layout.size, "seconds": 0.0, "kept_epoch": [0]}
            if found:
                trials = [asdict(trial) for trial in found.trials]
                header |= {"ranks": found.ranks, "trials": trials, "seconds": found.seconds}
            arrays = {"theta": stack, "ranks": np.array(student.ranks)}
            return arrays, _score(student, stack, M, theta_M, data) | header
        approach = "mlp" if is_mlp(job.stage) else job.stage
        done = stages.distill(
            config, approach, M, theta_M, student, theta_0, _source(job, config, data, M, inputs),
            generated=bool(job.sampler) and sampling.needs_generators(job.sampler),
            validation=(data.x_val, data.y_val), watch=False, path=part,
        )  # fmt: skip
        scores = _score(student, done.kept_theta, M, theta_M, data)
        return {"theta": done.kept_theta}, scores | _trained(student, done)


def _source(job: Job, config: Config, data, M: Classifier, inputs) -> stages.Source:
    if job.stage == "real":
        return data.x_train, data.x_val
    learnt = None
    if G := inputs.get("generators"):
        model = generator(config.latent, data.classes, data.features)
        learnt = sampling.generated(model, G["theta"], G["state"], config.latent)
    return samplers.make(job.sampler, M, inputs["teacher"]["theta"], learnt)


def _start(job: Job, config: Config, M: Classifier, theta_M, inputs):
    """The students' model, where they start, and the allocation that was made for it, if any."""
    if is_mlp(job.stage):
        return *stages.smaller_mlp(config, M, int(M.layout.size / job.compression)), None
    if chosen := inputs.get("ranks"):
        student = replace(M, ranks=tuple(chosen["ranks"].tolist()))
        return student, chosen["theta"][0], None
    return stages.compress(replace(config, sampler="normal"), M, theta_M)


def _score(model, theta, M, theta_M, data) -> dict:
    answers = train.predict(M, theta_M, None, data.x_test).argmax(-1)
    scores = stages.evaluate(model, theta, data.x_test, data.y_test, answers)
    return {key: entry["values"] for key, entry in scores.items()}


def _trained(model, done) -> dict:
    return {
        "n_params": model.layout.size, "seconds": done.seconds,
        "kept_epoch": done.kept_epoch.tolist(), "epochs": done.epoch, "updates": done.adam.t,
    }  # fmt: skip


def run(grid: list[list[Job]], settings: dict, load, out, *, jobs: int = 1, dask: str | None = None,
        resume: bool = False, report=print) -> dict:  # fmt: skip
    """Do what of the grid is not done yet, and return what ``table.json`` holds.

    Parameters
    ----------
    grid : from `waves`. settings : of `Config`, for all jobs; at least "protocol".
    load : load(config) -> Dataset. out : the table's folder; with ``resume`` one that holds it.
    jobs : local processes. dask : the address of a Dask scheduler to use instead.
    report : called with a line of text after every job.
    """
    out = Path(out)
    data = {job.dataset: load(config_of(job, settings)) for job in grid[0]}
    rows = {name: data_loaders.checksum(d) for name, d in data.items()}
    of_table = {"settings": settings, "grid": _names(grid), "rows (checksums)": rows}
    run_folder.open_folder(out, of_table, resume)
    total, count = sum(map(len, grid)), 0
    for wave in grid:
        pending = [job for job in wave if not _file(out, job).exists()]
        count += len(wave) - len(pending)
        calls = (
            (job, config_of(job, settings), data[job.dataset], _inputs(out, job),
             None if dask else _file(out, job).with_suffix(".part.npz"))
            for job in pending
        )  # fmt: skip
        for job, (arrays, header) in _parallel(calls, jobs, dask):
            checkpoint.save(_file(out, job), "table", arrays, **header)
            _file(out, job).with_suffix(".part.npz").unlink(missing_ok=True)
            count += 1
            report(f"{count}/{total} {job.name}: {header['seconds']:.0f} s")
    cells = [
        {"dataset": job.dataset, "teacher": job.teacher, "rank": job.rank, "stage": job.stage}
        | ({"compression": job.compression} if job.compression else {})
        | {k: v for k, v in checkpoint.load(_file(out, job), "table")[1].items() if k not in _OWN}
        for wave in grid for job in wave
    ]  # fmt: skip
    result = {"settings": settings, "versions": versions(), "cells": cells}
    checkpoint.write_text(out / "table.json", json.dumps(result, indent=1) + "\n")
    return result


_OWN = ("version", "kind")


def _names(grid) -> list[str]:
    return [job.name for wave in grid for job in wave]


def _file(out: Path, job: Job) -> Path:
    return out / "cells" / f"{job.name}.npz"


def _inputs(out: Path, job: Job) -> dict[str, dict[str, np.ndarray]]:
    return {need.stage: checkpoint.load(_file(out, need), "table")[0] for need in job.needs()}


def _call(arguments: tuple) -> tuple:
    return arguments[0], work(*arguments)


def _parallel(calls: Iterator[tuple], jobs: int, dask: str | None) -> Iterator[tuple]:
    """Results as they come, in any order, from joblib's processes or from a Dask cluster."""
    from joblib import Parallel, delayed, parallel_config

    with ExitStack() as stack:
        if dask:
            from distributed import Client

            client = stack.enter_context(Client(dask))
            stack.enter_context(parallel_config("dask", client=client))
            jobs = -1
        parallel = Parallel(n_jobs=jobs, return_as="generator_unordered", batch_size=1)
        yield from parallel(delayed(_call)(arguments) for arguments in calls)
