"""One engine for every experiment: jobs, what each needs, where its result is, who computes it.

A job is a pure function of its settings and of the networks that other jobs made: it can run in any
process, on any machine. Its result has a file; who was interrupted goes on with jobs without one.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import KW_ONLY, asdict, dataclass, replace
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import data_loaders

from ..beyond import samplers
from ..io import checkpoint
from ..network import Network
from .folder import opened
from .settings import Settings

REAL = "real"  # samples of a job: real inputs, labels unseen

Made = tuple[list[Network], dict]  # networks (a stack; of generators also decoders) and header
Found = dict[str, Network]  # what a job takes, by what was done: stacks of one or more


@dataclass(frozen=True)
class Job:
    """One job. Without rank and compression a student has the size that the settings say, and a
    smaller MLP that of the Tucker student."""

    dataset: str  # as `data_loaders.load` takes it
    teacher: int  # the seed of a teacher, and of all that is made from it
    does: str  # "teach", "extract", "compress" (the student's form and its start) or "distill"
    form: str = ""  # of students, "tucker" or "mlp", a smaller MLP
    samples: str = ""  # what students see: names of `samplers.SAMPLERS`, or "real"
    start: str = "normal"  # the samples on which ranks are chosen and layers fitted
    rank: int = 0  # the same in every layer
    compression: float = 0.0  # how many times smaller
    layers: int = 0  # hidden ones of a student; 0: the teacher's, or three of a smaller MLP
    variant: str = ""  # a name for settings of its own

    @property
    def what(self) -> str:
        """A short name, beside others of the same teacher and size: teacher, tucker, normal, ..."""
        if self.does != "distill":
            return {"teach": "teacher", "extract": "generators", "compress": "tucker"}[self.does]
        seen = self.samples if self.form == "tucker" else f"mlp-{self.samples}"
        return (f"{self.layers}-layers-" if self.layers else "") + seen

    @property
    def name(self) -> str:
        """The job's file name, without an ending."""
        size = f"-rank{self.rank}" if self.rank else ""
        size += f"-{self.compression:g}x" if self.compression else ""
        variant = f"-{self.variant}" if self.variant else ""
        return f"{Path(self.dataset).stem}-{self.teacher}{variant}{size}-{self.what}"

    @property
    def purpose(self) -> str:
        """What seeds the students' random numbers: their samples, or the form of an own one."""
        if self.layers:
            form = {"mlp": "MLP", "tucker": "Tucker"}[self.form]
            return f"{form}, {self.layers} layer{'s' * (self.layers > 1)}"
        return "mlp" if self.form == "mlp" else self.samples

    @property
    def learnt(self) -> bool:
        """Whether its students see samples of generators."""
        return self.samples not in ("", REAL) and samplers.needs(self.samples, "generators")

    @cached_property
    def needs(self) -> dict[str, "Job"]:
        """The jobs whose networks this one takes, by what they do."""
        if self.does == "teach":
            return {}
        made = {"teach": Job(self.dataset, self.teacher, "teach", variant=self.variant)}
        fitted = self.does == "compress" and samplers.needs(self.start, "generators")
        if self.learnt or fitted:
            made["extract"] = replace(made["teach"], does="extract")
        of_tucker = self.form == "tucker" or not self.compression
        if self.does == "distill" and of_tucker and not self.layers:
            made["compress"] = replace(self, does="compress", form="tucker", samples="")
        return made


Work = Callable[[Job, Settings, Any, Found, Path | None], Made]


def in_waves(jobs: Iterable[Job]) -> list[list[Job]]:
    """The jobs and all that they need, in waves: each needs only what earlier ones make."""
    wave: dict[Job, int] = {}

    def place(job):
        if job not in wave:
            wave[job] = 1 + max(map(place, job.needs.values()), default=-1)
        return wave[job]

    last = max(map(place, jobs), default=-1)
    return [[job for job in wave if wave[job] == i] for i in range(last + 1)]


@dataclass
class Engine:
    """Does jobs in a folder ``out``; with ``resume`` in one that holds the same jobs.

    work : work(job, settings, data, found, part) -> (networks, header), a function of a module;
        found has a network for each of `Job.needs`, part is a place for a training under way.
    """

    out: Path
    settings_of: Callable[[Job], Settings]
    load: Callable  # load(settings) -> `data_loaders.Dataset`
    work: Work
    _: KW_ONLY
    file_of: Callable[[Job], str] = lambda job: job.name
    processes: int = 1  # of this machine
    dask: str | None = None  # the address of a Dask scheduler to use instead
    resume: bool = False
    report: Callable = lambda line: None  # called with a line of text after every job

    def run(self, jobs: Iterable[Job], identity: dict) -> dict[Job, dict]:
        """Do what is not done yet; the headers of all jobs, and of what they need. ``identity``, of
        the folder's config.json, must be the same on a resume."""
        if self.dask and find_spec("distributed") is None:
            raise ValueError("--dask needs Dask's scheduler: pip install 'kegnet_np[cluster]'")
        waves = in_waves(jobs)
        every = [job for wave in waves for job in wave]
        names = [self.file_of(job) for job in every]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"jobs have the same name {twice[0]}: give data sets different names")
        asked = {settings.data: settings for settings in map(self.settings_of, every)}
        data = {key: self.load(settings) for key, settings in asked.items()}
        rows = [data_loaders.checksum(d) for d in data.values()]
        with opened(self.out, identity | {"rows": rows}, self.resume):
            for wave in waves:
                pending = [job for job in wave if not self.path(job).exists()]
                pending.sort(key=lambda job: not job.learnt)  # the longest first
                for job, (networks, header) in self._results(pending, data):
                    generators = job.does == "extract"
                    save = checkpoint.save_generators if generators else checkpoint.save_network
                    save(self.path(job), *networks, job=asdict(job), **header)
                    self.part(job).unlink(missing_ok=True)
                    count = sum(self.path(job).exists() for job in every)
                    self.report(f"{count}/{len(every)} {job.name}: {header['seconds']:.0f} s")
            for job in every:
                self.part(job).unlink(missing_ok=True)
            return {job: self.read(job)[1] for job in every}

    def path(self, job: Job) -> Path:
        """Where the job's result is."""
        return self.out / "checkpoints" / f"{self.file_of(job)}.npz"

    def part(self, job: Job) -> Path:
        """Where the job's training is while it is under way."""
        return self.path(job).with_suffix(".part.npz")

    def read(self, job: Job) -> Made:
        """The networks and the header of a job that is done."""
        generators = job.does == "extract"
        load = checkpoint.load_generators if generators else checkpoint.load_network
        *networks, header = load(self.path(job))
        return networks, header

    def _results(self, pending: list[Job], data: dict) -> Iterator[tuple[Job, Made]]:
        """Results as they come, in any order, from joblib's processes or from a Dask cluster."""
        from joblib import Parallel, delayed, parallel_config

        calls = (
            (job, self.settings_of(job), data[self.settings_of(job).data],
             {does: self.read(need)[0][0] for does, need in job.needs.items()},
             None if self.dask else self.part(job))
            for job in pending)
        with ExitStack() as stack:
            if self.dask:
                from distributed import Client

                client = stack.enter_context(Client(self.dask))
                stack.enter_context(parallel_config("dask", client=client))
            parallel = Parallel(n_jobs=-1 if self.dask else self.processes,
                                return_as="generator_unordered", batch_size=1)
            yield from parallel(delayed(_call)(self.work, arguments) for arguments in calls)


def _call(work: Work, arguments: tuple) -> tuple[Job, Made]:
    return arguments[0], work(*arguments)
