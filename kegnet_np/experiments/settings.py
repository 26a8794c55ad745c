"""What a person may set: a group of settings for each verb, with the paper's values as defaults; it
makes the verb's arguments. `make` builds all groups, on top of a protocol (`protocols`)."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from math import inf
from typing import Any

from ..activations import ACTIVATIONS
from ..beyond import samplers
from ..generator import SCHEDULE as GENERATOR
from ..models import check_ranks
from ..student import ON_GENERATED
from ..student import SCHEDULE as STUDENT
from ..tables.schema import MISSING
from ..teacher import SCHEDULE as TEACHER
from ..train import Schedule
from .options import CHECKS, FROM_0, WHOLE, Group, is_a, option
from .protocols import PROTOCOLS, with_protocol


@dataclass(frozen=True)
class Every(Group):
    """Settings of every stage."""

    seed: int = option(2019, "seed of everything that is trained or sampled", check=WHOLE)
    protocol: str = option(
        "paper", "schedule: the paper's; fair (equal updates on fresh samples, last epoch); beyond "
        "(fair, longer, from fitted layers; the default with --ranks auto); tuned (longer still, "
        "recipe chosen by trials; the default of --form mlp); official-quirks (what the authors' "
        "program does); demo; quick. Single options override it (default: paper; kegnet run on "
        "digits: demo)", *PROTOCOLS)


# Of a table of one's own alone.
LISTS = "drop", "categories"
READING = ("label", *LISTS, "missing", "sep", "decimal", "thousands", "encoding", "header")


@dataclass(frozen=True)
class Data(Group):
    """Where real rows come from, and how they are split and standardised."""

    dataset: str = option("digits", "digits, pendigits, letter, shuttle, or the path of a table")
    label: str | None = option(None, "label column of a table, by name or position (default: last)")
    split_seed: int = option(
        2019, "seed of the split into training, validation and test rows", check=WHOLE)
    own_statistics: bool = option(
        False, "standardise every split by its own mean and deviation, as the official program "
        "does")
    drop: str | None = option(
        None, "columns of a table to leave out (default: none)", check=CHECKS[str])
    categories: str | None = option(
        None, "columns of a table whose numbers are names (default: none; texts always are)",
        check=CHECKS[str])
    missing: str | None = option(
        None, "missing numbers of a table: refuse them (the default), let the training rows' mean "
        "stand for them, or drop their rows", *MISSING)
    sep: str | None = option(
        None, "what parts a table's fields: a sign, or the words tab or blank (default: guessed)",
        check=CHECKS[str])
    decimal: str | None = option(
        None, "decimal sign of a table, . or , (default: guessed)", check=CHECKS[str])
    thousands: str | None = option(
        None, "what parts a table's thousands: , . ' or blank (default: none)", check=CHECKS[str])
    encoding: str | None = option(
        None, "of a table's text, such as latin-1 (default: UTF-8)", check=CHECKS[str])
    header: bool | None = option(
        None, "a table's first row has the names of the columns, or no (default: guessed)",
        check=CHECKS[bool])

    def reading(self) -> dict[str, Any]:
        """How a table is read, where it is said: for `data_loaders.load`."""
        said = {name: getattr(self, name) for name in READING if getattr(self, name) is not None}
        return said | {name: said[name].split(",") for name in LISTS if name in said}


@dataclass(frozen=True)
class Teach(Group):
    """Arguments of `teacher.teach`."""

    hidden: int = option(100, "width of the classifier")
    depth: int = option(11, "hidden layers of the classifier")
    activation: str = option("elu", "activation of the classifier", *ACTIVATIONS)
    dropout: float = option(0.15, "dropout of teacher and student", check=(
        lambda v: is_a(v, int, float) and 0 <= v < 1, "expected a share below 1, at least 0"))
    teacher_lr: float = option(TEACHER.lr, "Adam's learning rate for the teacher")
    teacher_batch: int = option(TEACHER.batch, "rows per step of the teacher")
    teacher_epochs: int = option(TEACHER.epochs, "epochs of the teacher, at the most")
    teacher_patience: int = option(
        TEACHER.patience, "epochs without an equal or better score before it stops")
    teacher_min_epochs: int = option(
        TEACHER.min_epochs, "epochs before the teacher may stop", check=WHOLE)

    def arguments(self) -> dict[str, Any]:
        """For `teacher.teach`."""
        schedule = Schedule(self.teacher_lr, self.teacher_batch, self.teacher_epochs,
                            self.teacher_patience, self.teacher_min_epochs)
        return {"widths": (self.hidden,) * self.depth, "activation": self.activation,
                "dropout": self.dropout, "schedule": schedule}


@dataclass(frozen=True)
class Extract(Group):
    """Arguments of `generator.extract`."""

    generators: int = option(5, "how many generators are learnt")
    latent: int = option(10, "length Z of the latent code z")
    alpha: float = option(1.0, "weight of the decoder's loss", check=FROM_0)
    beta: float = option(0.0, "weight of the diversity loss", check=FROM_0)
    generator_lr: float = option(GENERATOR.lr, "Adam's learning rate for generators and decoders")
    generator_batch: int = option(GENERATOR.batch, "samples per step of the generators", check=(
        lambda v: is_a(v, int) and v > 1, "batch-norm needs at least 2, an integer"))
    generator_epochs: int = option(GENERATOR.epochs, "epochs of the generators")
    generator_steps: int = option(100, "steps per epoch of the generators")
    teacher_dropout: bool = option(
        False, "train generators with the teacher's dropout on, as the official program does")

    def arguments(self) -> dict[str, Any]:
        """For `generator.extract`."""
        schedule = Schedule(self.generator_lr, self.generator_batch, self.generator_epochs)
        return {"generators": self.generators, "latent": self.latent, "alpha": self.alpha,
                "beta": self.beta, "steps": self.generator_steps,
                "teacher_dropout": self.teacher_dropout, "schedule": schedule}


@dataclass(frozen=True)
class Compress(Group):
    """The student's form and size, and where it starts."""

    form: str = option(
        "tucker", "form of the students: the teacher's layers in Tucker form, or a plain, smaller "
        "MLP (default: mlp with --compression, --params or --agreement and no --ranks, else "
        "tucker)",
        "tucker", "mlp")
    ranks: tuple[int, ...] = option(  # () is auto
        (5,), "Tucker ranks: R in every layer, R1,R2,... first layer to last, or auto: chosen "
        "without data, to suit --compression, --params or --agreement (default: 5, letter 10)")
    layers: int | None = option(
        None, "hidden layers of --form mlp (default: 3; with --recipe chosen the best of 3, 5, 7)",
        check=(lambda v: is_a(v, int) and v > 0, "expected a positive integer"))
    compression: float | None = option(
        None, "for --form mlp or --ranks auto: how many times smaller (default: 8)",
        check=(lambda v: is_a(v, int, float) and 1 < v < inf, "expected a number above 1"))
    params: int | None = option(
        None, "for --form mlp or --ranks auto: the most parameters a student may have",
        check=(lambda v: is_a(v, int) and v > 0, "expected a positive integer"))
    agreement: float | None = option(
        None, "for --form mlp or --ranks auto: the smallest student that gives the teacher's "
        "answer to this share of held-out samples after a short trial",
        check=(lambda v: is_a(v, int, float) and 0 < v < 1, "expected a number between 0 and 1"))
    init: str = option(
        "weights", "how students start: from Tucker decompositions of the weights, or from layers "
        "fitted to the activations on samples", "weights", "activations")
    sampler: str | None = option(
        None, "NAME or NAME+NAME...: the samples for --ranks auto and --init activations; kegnet "
        f"run also distils students on them. Of {', '.join(samplers.SAMPLERS)}; --metadata is for "
        f"{', '.join(n for n in samplers.SAMPLERS if samplers.needs(n, 'metadata'))} "
        "(default: none in a run, and normal to fit on; with --ranks auto: normal+noised)",
        check=(lambda v: isinstance(v, str) and samplers.parts(v), "expected text"))
    metadata: str | None = option(
        None, "FILE of kegnet metadata, for samplers that need it: not data-free")
    lean: bool | None = option(
        None, "the Tucker form without the square factors of its first and last layer, which add "
        "parameters and no function (default: with --ranks auto, and for tables of your own)",
        check=CHECKS[bool])

    def __post_init__(self):
        super().__post_init__()
        given = [n for n in ("compression", "params", "agreement") if getattr(self, n) is not None]
        if given and (self.ranks or len(given) > 1):
            raise ValueError(
                f"{given[0]} is given with {'ranks ' + str(self.ranks) if self.ranks else given[1]}"
                ", expected ranks auto and one of compression, params, agreement")
        if self.form == "mlp" and self.ranks:
            raise ValueError("form is 'mlp', but ranks is given, of the Tucker form alone; give "
                             "compression, params or agreement instead")
        if self.form == "mlp" and self.lean is not None:
            raise ValueError(f"lean is {self.lean}, but form is 'mlp', which has no ranks; drop it")
        if self.form == "tucker" and self.layers is not None:
            raise ValueError(f"layers is {self.layers}, but form is 'tucker', which has its "
                             "teacher's; drop it, or take form mlp")

    def is_lean(self, own_table: bool = False) -> bool:
        """Whether students in Tucker form have the lean one, for a known set or a table."""
        return (own_table or not self.ranks) if self.lean is None else self.lean


@dataclass(frozen=True)
class Distill(Group):
    """Arguments of `student.distill`."""

    students: int = option(5, "how many students of each kind are distilled")
    selection: str = option(
        "synthetic", "which epoch of a student is kept: the best agreement with the teacher on "
        "held-out samples (synthetic), the last epoch (last), or the best accuracy on real "
        "validation rows (real-validation: the paper's, not data-free)",
        "synthetic", "last", "real-validation")
    sampling: str = option(
        "pool", "the student's set: a fixed pool, fresh samples every step, or fresh ones that all "
        "students share: the teacher answers once", "pool", "fresh", "shared")
    recipe: str = option(
        "given", "learning rate and batch (and of --form mlp the depth): as given, or chosen "
        "without data by short trials on the students' samples", "given", "chosen")
    student_lr: float = option(STUDENT.lr, "Adam's learning rate for the students")
    cosine: bool = option(False, "let the students' learning rate fall along a cosine")
    student_dropout: bool = option(True, "students have dropout, as the teacher has")
    shuffle: bool = option(True, "students go through their pool in random order")
    student_batch: int = option(STUDENT.batch, "samples per step of a student")
    student_epochs: int = option(
        ON_GENERATED.epochs, "epochs of students on generated samples, at the most")
    noise_epochs: int = option(
        STUDENT.epochs, "epochs of students on noise or real inputs, at the most")
    student_patience: int = option(
        STUDENT.patience, "epochs without an equal or better score before it stops")
    student_min_epochs: int = option(
        STUDENT.min_epochs, "epochs before a student may stop", check=WHOLE)
    pool_per_generator: int = option(6400, "samples of each generator in the pool")
    noise_pool: int = option(6400, "samples in the pool of a noise baseline")
    held_out: int = option(2000, "held-out samples for selection")

    def arguments(self, generators: int = 0, validation=None, watch=True) -> dict[str, Any]:
        """For `student.distill`: ``generators`` that samples come from, ``validation`` rows;
        ``watch`` : score epochs also where the last is kept."""
        last, real = self.selection == "last", self.selection == "real-validation"
        if real and validation is None:
            raise ValueError("validation is None, selection real-validation needs (x, labels)")
        epochs, pool = self.noise_epochs, self.noise_pool
        if generators:
            epochs, pool = self.student_epochs, self.pool_per_generator * generators
        schedule = Schedule(
            self.student_lr, self.student_batch, epochs, None if last else self.student_patience,
            self.student_min_epochs, self.cosine)
        return {"students": self.students, "fresh": self.sampling != "pool", "pool": pool,
                "shared": self.sampling == "shared", "shuffle": self.shuffle,
                "dropout": self.student_dropout, "schedule": schedule,
                "held_out": self.held_out if watch or not last else None,
                "validation": validation if real else None}


@dataclass(frozen=True)
class Settings:
    """Everything that decides what a run computes."""

    data: Data
    every: Every
    teach: Teach
    extract: Extract
    compress: Compress
    distill: Distill

    def __post_init__(self):
        if self.compress.ranks:
            check_ranks(self.compress.ranks, self.teach.hidden, self.teach.depth + 1)
        by_trials = self.compress.form == "tucker" or self.distill.recipe == "chosen"
        if self.compress.agreement is not None and not by_trials:
            raise ValueError("agreement is given, but recipe is 'given': a plain MLP of that "
                             "agreement is found by trials; take recipe chosen")

    def flat(self) -> dict[str, Any]:
        """All settings by name, as a run's config.json keeps them."""
        return {key: value for group in asdict(self).values() for key, value in group.items()}


GROUPS: dict[str, Any] = {f.name: f.type for f in fields(Settings)}


def make(given: Mapping[str, Any]) -> Settings:
    """The settings a person gave, the protocol's for the rest; ValueError names a wrong one."""
    settings = with_protocol(given)
    names = {group: {f.name for f in fields(kind)} for group, kind in GROUPS.items()}
    known = sorted(set().union(*names.values()))
    if unknown := sorted(settings.keys() - known):
        raise ValueError(f"unknown setting {unknown[0]!r}; known are {', '.join(known)}")
    return Settings(**{group: kind(**{key: settings[key] for key in settings.keys() & names[group]})
                       for group, kind in GROUPS.items()})


def changes(settings: Settings) -> dict[str, Any]:
    """The schedule's settings that differ from those of the protocol, by name."""
    usual = make({"protocol": settings.every.protocol, "ranks": (1,)}).flat()
    own = {f.name for kind in (Data, Compress) for f in fields(kind)} - {"own_statistics", "init"}
    return {key: value for key, value in settings.flat().items()
            if key not in own | {"seed"} and value != usual[key]}
