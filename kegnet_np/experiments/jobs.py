"""One engine for every experiment: jobs, what each needs, where its result is, who computes it.

A job is a pure function of its settings and of the networks that other jobs made: it can run in any
process, on any machine. Its result has a file; who was interrupted goes on with jobs without one.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from contextlib import contextmanager
from dataclasses import KW_ONLY, asdict, dataclass, replace
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

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
    members: tuple[int, ...] = ()  # first and end of a piece of generators; (): all of them

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
    processes: int = 1  # of this machine; 0: as many as it has cores for us
    dask: str | None = None  # the address of a Dask scheduler to use instead
    resume: bool = False
    report: Callable = lambda line: None  # called with a line of text after every job

    def __post_init__(self):
        if not self.processes:
            from joblib import cpu_count

            self.processes = cpu_count()

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
        todo = [job for job in every if not self.path(job).exists()]
        made: dict[Job, dict[Job, Made]] = {job: {} for job in todo}  # by piece of a job
        with opened(self.out, identity | {"rows": rows}, self.resume):
            for piece, result in self._results(todo, data):
                job = replace(piece, members=())
                made[job][piece] = result
                if len(made[job]) == len(self._pieces(job)):
                    networks, header = _joined(made.pop(job))
                    generators = job.does == "extract"
                    save = checkpoint.save_generators if generators else checkpoint.save_network
                    save(self.path(job), *networks, job=asdict(job), **header)
                    count = sum(self.path(job).exists() for job in every)
                    self.report(f"{count}/{len(every)} {job.name}: {header['seconds']:.0f} s")
            for left in self.out.glob("checkpoints/*.part.npz"):
                left.unlink()
            return {job: self.read(job)[1] for job in every}

    def path(self, job: Job) -> Path:
        """Where the job's result is."""
        return self.out / "checkpoints" / f"{self.file_of(job)}.npz"

    def part(self, piece: Job) -> Path:
        """Where the training of a job, or of a piece of one, is while it is under way."""
        return self.path(piece).with_suffix("".join(f".{m}" for m in piece.members) + ".part.npz")

    def read(self, job: Job) -> Made:
        """The networks and the header of a job that is done."""
        generators = job.does == "extract"
        load = checkpoint.load_generators if generators else checkpoint.load_network
        *networks, header = load(self.path(job))
        return networks, header

    def _pieces(self, job: Job) -> list[Job]:
        """The job, or if it learns generators pieces of it, so that every process has some."""
        if job.does != "extract" or self.processes == 1:
            return [job]
        S = self.settings_of(job).extract.generators
        n = min(self.processes, S)
        ends = [-(-S * i // n) for i in range(n + 1)]
        return [replace(job, members=pair) for pair in zip(ends, ends[1:], strict=False)]

    def _results(self, todo: list[Job], data: dict) -> Iterator[tuple[Job, Made]]:
        """Pieces of jobs and what they made, as they come: each is begun when all that it needs is
        there, the longest first."""
        todo = sorted(todo, key=lambda job: (job.does != "extract", not job.learnt))
        queue = [piece for job in todo for piece in self._pieces(job)]
        running: dict[Future, Job] = {}
        from tqdm import tqdm

        with self._pool() as (pool, most), tqdm(total=len(queue), unit="job",
                                                disable=None if most > 1 else True) as bar:
            while queue or running:
                ready = [j for j in queue if all(self.path(n).exists() for n in j.needs.values())]
                for job in ready[: most - len(running)]:
                    queue.remove(job)
                    found = {does: self.read(need)[0][0] for does, need in job.needs.items()}
                    settings, part = self.settings_of(job), None if self.dask else self.part(job)
                    rows = data[settings.data]
                    running[pool.submit(self.work, job, settings, rows, found, part)] = job
                bar.set_description(", ".join(dict.fromkeys(j.what for j in running.values())))
                for future in wait(running, 1, FIRST_COMPLETED).done:  # the bar's clock goes on
                    yield running.pop(future), future.result()
                    bar.update()

    @contextmanager
    def _pool(self) -> Iterator[tuple[Executor, int]]:
        """Who computes, and how many pieces at a time: this process, several, or a Dask cluster."""
        if self.dask:
            from distributed import Client

            with Client(self.dask) as client:
                yield client.get_executor(), max(len(client.ncores()), 1)
        elif self.processes == 1:
            yield _Here(), 1
        else:
            from joblib.externals.loky import get_reusable_executor

            # Who is interrupted leaves semaphores; they are cleaned up, and that is no news.
            os.environ.setdefault("PYTHONWARNINGS", "ignore:resource_tracker")
            pool = get_reusable_executor(self.processes)
            try:
                yield pool, self.processes
            except BaseException:
                pool.shutdown(kill_workers=True)
                raise


class _Here(Executor):
    """An executor of concurrent.futures that does the work at once, in this process."""

    def submit(self, work, /, *args, **kwargs):
        future: Future = Future()
        future.set_result(work(*args, **kwargs))
        return future


def _joined(pieces: dict[Job, Made]) -> Made:
    """What a job made, from its pieces: stacks and histories of all members in their order."""
    pieces = dict(sorted(pieces.items(), key=lambda piece: piece[0].members))
    (networks, header), *others = pieces.values()
    if not others:
        return networks, header
    stacks = zip(*(networks for networks, _ in pieces.values()), strict=True)
    history = [row | {"member": row["member"] + piece.members[0]}
               for piece, (_, header) in pieces.items() for row in header["history"]]
    history.sort(key=lambda row: (row["epoch"], row["member"]))
    header |= {key: sum((h[key] for _, h in others), header[key])
               for key in ("seconds", "kept_epoch")}
    joined = [Network(stack[0].model, *(np.concatenate([getattr(network, key) for network in stack])
                                        for key in ("theta", "state"))) for stack in stacks]
    return joined, header | {"history": history}
