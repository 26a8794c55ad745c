"""One engine for every experiment: where the results of its jobs are, and who computes them.

A job is a pure function of its settings and of the networks that other jobs made: it can run in any
process, on any machine. Its result has a file; who was interrupted goes on with jobs without one.
"""

import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from contextlib import contextmanager
from dataclasses import KW_ONLY, asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

import data_loaders

from ..io import checkpoint
from ..network import Network
from .devices import on
from .folder import RunError, opened
from .jobs import Found, Job, Made, in_waves
from .settings import Settings

Work = Callable[[Job, Any, Any, Found, Path | None], Made]  # of a job, its settings, its data


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
    device: str = "cpu"  # or "cuda": one process computes there
    resume: bool = False
    report: Callable = lambda line: None  # called with a line of text after every job

    def __post_init__(self):
        with on(self.device):  # see that there is such a device
            pass
        if self.device != "cpu":
            if self.processes > 1 or self.dask:
                raise ValueError(f"--device is {self.device}, where one process computes; drop "
                                 f"{'--dask' if self.dask else '--jobs'}")
            self.processes = 1
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
        where = None if self.device == "cpu" else self.device
        with opened(self.out, identity | {"rows": rows, "device": where}, self.resume):
            todo = [job for job in every if not self.path(job).exists()]
            made: dict[Job, dict[Job, Made]] = {job: {} for job in todo}  # by piece of a job
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
        from tqdm import tqdm

        todo = sorted(todo, key=lambda job: (job.does != "extract", not job.learnt))
        queue = [piece for job in todo for piece in self._pieces(job)]
        running: dict[Future, Job] = {}
        with self._pool() as (pool, most), tqdm(total=len(queue), unit="job",
                                                disable=None if most > 1 else True) as bar:
            while queue or running:
                ready = [j for j in queue if all(self.path(n).exists() for n in j.needs.values())]
                for job in ready[: most - len(running)]:
                    queue.remove(job)
                    found = {does: self.read(need)[0][0] for does, need in job.needs.items()}
                    settings, elsewhere = self.settings_of(job), self.dask or self.device != "cpu"
                    part = None if elsewhere else self.part(job)
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
            yield _Here(self.device), 1
        else:
            from joblib.externals.loky import get_reusable_executor

            # Who is interrupted leaves semaphores; they are cleaned up, and that is no news.
            os.environ.setdefault("PYTHONWARNINGS", "ignore:resource_tracker")
            pool = get_reusable_executor(self.processes)
            try:
                with warnings.catch_warnings():
                    # A heap that is held looks like a leak to loky, which takes another process.
                    warnings.filterwarnings("ignore", "A worker stopped")
                    yield pool, self.processes
            except BrokenExecutor:
                raise RunError(
                    f"--out {self.out}: a process was killed, for want of memory perhaps; "
                    "go on with --resume and fewer --jobs") from None
            except BaseException:
                pool.shutdown(kill_workers=True)
                raise


class _Here(Executor):
    """An executor of concurrent.futures that does the work at once, in this process."""

    def __init__(self, device: str):
        self.device = device

    def submit(self, work, /, *args, **kwargs):
        future: Future = Future()
        with on(self.device):
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
