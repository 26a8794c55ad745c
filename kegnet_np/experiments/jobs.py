"""Jobs: what an experiment consists of, and what each job needs of others. `engine` does them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from ..beyond import samplers
from ..network import Network

REAL = "real"  # samples of a job: real inputs, labels unseen

Made = tuple[list[Network], dict]  # networks (a stack; of generators also decoders) and header
Found = dict[str, Network]  # what a job takes, by what was done: stacks of one or more


@dataclass(frozen=True)
class Job:
    """One job. Without rank and compression a student has the size that the settings say; but an
    MLP with a ``start`` that of the Tucker student which starts so."""

    dataset: str  # as `data_loaders.load` takes it
    teacher: int  # the seed of a teacher, and of all that is made from it
    does: str  # "teach", "extract", "compress" (the student's form and its start) or "distill"
    form: str = ""  # of students, "tucker" or "mlp", a plain, smaller MLP
    samples: str = ""  # what students see: names of `samplers.SAMPLERS`, or "real"
    start: str = "normal"  # the samples on which ranks are chosen and layers fitted; "": none are
    rank: int = 0  # the same in every layer
    compression: float = 0.0  # how many times smaller
    layers: int = 0  # hidden ones of a student; 0: the teacher's, or as the settings say of an MLP
    variant: str = ""  # a name for settings of its own
    members: tuple[int, ...] = ()  # first and end of a piece of generators; (): all of them

    @property
    def what(self) -> str:
        """A short name, beside others of the same teacher and size: teacher, tucker, normal, ..."""
        if self.does != "distill":
            own = self.form or "tucker"
            return {"teach": "teacher", "extract": "generators", "compress": own}[self.does]
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
        of_tucker = self.form == "tucker" or (self.start and not self.compression)
        if self.does == "distill" and of_tucker and not self.layers:
            made["compress"] = replace(self, does="compress", form="tucker", samples="")
        return made


def in_waves(jobs: Iterable[Job]) -> list[list[Job]]:
    """The jobs and all that they need, in waves: each needs only what earlier ones make."""
    wave: dict[Job, int] = {}

    def place(job):
        if job not in wave:
            wave[job] = 1 + max(map(place, job.needs.values()), default=-1)
        return wave[job]

    last = max(map(place, jobs), default=-1)
    return [[job for job in wave if wave[job] == i] for i in range(last + 1)]
