"""Everything that decides what a run computes, in one frozen dataclass."""

import math
from dataclasses import dataclass, field, fields

from . import sampling
from .models import check_ranks


def _option(stages, default, text):
    return field(default=default, metadata={"help": text, "stages": stages.split()})


@dataclass(frozen=True)
class Config:
    """The settings of a run. The defaults are the paper's for tables (see `protocols`)."""

    dataset: str = _option(
        "teach distill evaluate",
        "digits",
        "digits, pendigits, letter, shuttle, or a path ending in .csv",
    )
    label: str | None = _option(
        "teach distill evaluate", None, "label column of a CSV, by name or position (default: last)"
    )
    seed: int = _option(
        "teach extract distill", 2019, "seed of everything that is trained or sampled"
    )
    own_statistics: bool = _option(
        "teach distill evaluate",
        False,
        "standardise every split by its own mean and deviation, as the official program does",
    )
    split_seed: int = _option(
        "teach distill evaluate", 2019, "seed of the split into training, validation and test rows"
    )
    protocol: str = _option(
        "teach extract distill",
        "paper",
        "schedule: the paper's; fair (equal updates on fresh samples, last epoch); beyond (fair, "
        "longer, from fitted layers; the default with --ranks auto); "
        "official-quirks (what the authors' program does); demo; quick. Single options override it "
        "(default: paper; kegnet run on digits: demo)",
    )
    selection: str = _option(
        "distill",
        "synthetic",
        "which epoch of a student is kept: the best agreement with the teacher on held-out "
        "samples (synthetic), the last epoch (last), or the best accuracy on real validation "
        "rows (real-validation: the paper's, not data-free)",
    )
    sampling: str = _option(
        "distill", "pool", "the student's set: a fixed pool, or fresh samples every step"
    )
    ranks: tuple[int, ...] = _option(  # () is auto
        "compress",
        (5,),
        "Tucker ranks: R in every layer, R1,R2,... first layer to last, or auto: chosen without "
        "data, to suit --compression, --params or --agreement (default: 5, letter 10)",
    )
    compression: float | None = _option(
        "compress", None, "with --ranks auto: how many times smaller (default: 8)"
    )
    params: int | None = _option(
        "compress", None, "with --ranks auto: the most parameters a student may have"
    )
    agreement: float | None = _option(
        "compress",
        None,
        "with --ranks auto: the smallest student that gives the teacher's answer to this share of "
        "held-out samples after a short trial",
    )
    init: str = _option(
        "compress",
        "weights",
        "how students start: from Tucker decompositions of the weights, or from layers fitted to "
        "the activations on samples",
    )
    sampler: str | None = _option(
        "compress",
        None,
        "NAME or NAME+NAME...: the samples for --ranks auto and --init activations; kegnet run "
        "also distils students on them. Of uniform, normal, wide, kegnet, noised, energy, and "
        "with --metadata ranges, covariance, classes (default: none in a run, and normal to fit "
        "on; with --ranks auto: normal+noised)",
    )
    metadata: str | None = _option(
        "compress distill",
        None,
        "FILE of kegnet metadata, for samplers that need it: not data-free",
    )
    generators: int = _option("extract", 5, "how many generators are learnt")
    students: int = _option("distill", 5, "how many students of each kind are distilled")

    hidden: int = _option("teach", 100, "width of the classifier")
    depth: int = _option("teach", 11, "hidden layers of the classifier")
    dropout: float = _option("teach", 0.15, "dropout of teacher and student")
    latent: int = _option("extract", 10, "length Z of the latent code z")

    teacher_lr: float = _option("teach", 1e-3, "Adam's learning rate for the teacher")
    teacher_batch: int = _option("teach", 64, "rows per step of the teacher")
    teacher_epochs: int = _option("teach", 1000, "epochs of the teacher, at the most")
    teacher_patience: int = _option(
        "teach", 20, "epochs without an equal or better validation accuracy before it stops"
    )
    teacher_min_epochs: int = _option("teach", 100, "epochs before the teacher may stop")

    alpha: float = _option("extract", 1.0, "weight of the decoder's loss")
    beta: float = _option("extract", 0.0, "weight of the diversity loss")
    generator_lr: float = _option(
        "extract", 1e-4, "Adam's learning rate for generators and decoders"
    )
    generator_batch: int = _option("extract", 256, "samples per step of the generators")
    generator_epochs: int = _option("extract", 200, "epochs of the generators")
    generator_steps: int = _option("extract", 100, "steps per epoch of the generators")
    teacher_dropout: bool = _option(
        "extract",
        False,
        "train the generators with the teacher's dropout on, as the official program does",
    )

    student_lr: float = _option("distill", 1e-4, "Adam's learning rate for the students")
    cosine: bool = _option("distill", False, "let the students' learning rate fall along a cosine")
    student_dropout: bool = _option("distill", True, "students have dropout, as the teacher has")
    shuffle: bool = _option("distill", True, "students go through their pool in random order")
    student_batch: int = _option("distill", 64, "samples per step of a student")
    student_epochs: int = _option(
        "distill", 400, "epochs of students on generated samples, at the most"
    )
    noise_epochs: int = _option(
        "distill", 1000, "epochs of students on noise or real inputs, at the most"
    )
    student_patience: int = _option(
        "distill", 50, "epochs without an equal or better score before a student stops"
    )
    student_min_epochs: int = _option("distill", 100, "epochs before a student may stop")
    pool_per_generator: int = _option("distill", 6400, "samples of each generator in the pool")
    noise_pool: int = _option("distill", 6400, "samples in the pool of a noise baseline")
    held_out: int = _option("distill", 2000, "held-out samples for selection")

    def __post_init__(self):
        for f in fields(self):
            _check(f.name, getattr(self, f.name), f.default)
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(
                    f"{name} is {getattr(self, name)!r}, expected one of {', '.join(choices)}"
                )
        if self.ranks:
            check_ranks(self.ranks, self.hidden, self.depth + 1)
        self._check_size()
        if self.sampler is not None:
            sampling.parts(self.sampler)
        if self.dropout >= 1:
            raise ValueError(f"dropout is {self.dropout}, expected a share below 1")
        if self.generator_batch < 2:
            raise ValueError("generator_batch is 1, batch-norm needs at least 2")


    def _check_size(self):
        given = [n for n in ("compression", "params", "agreement") if getattr(self, n) is not None]
        if given and (self.ranks or len(given) > 1):
            raise ValueError(
                f"{given[0]} is given with {'ranks ' + str(self.ranks) if self.ranks else given[1]}"
                ", expected ranks auto and one of compression, params, agreement"
            )
        for name, low, high in (("compression", 1, math.inf), ("agreement", 0, 1)):
            value = getattr(self, name)
            if value is not None and not (_is_number(value) and low < value < high):
                span = f"between {low} and {high}" if high == 1 else f"above {low}"
                raise ValueError(f"{name} is {value!r}, expected a number {span}")
        if self.params is not None and not (_is_int(self.params) and self.params > 0):
            raise ValueError(f"params is {self.params!r}, expected a positive integer")


CHOICES: dict[str, tuple[str, ...]] = {
    "protocol": ("paper", "fair", "beyond", "official-quirks", "demo", "quick"),
    "init": ("weights", "activations"),
    "selection": ("synthetic", "last", "real-validation"),
    "sampling": ("pool", "fresh"),
}

MAY_BE_ZERO = {
    "seed", "split_seed", "alpha", "beta", "dropout",
    "teacher_min_epochs", "student_min_epochs",
}  # fmt: skip


def _check(name: str, value, default) -> None:
    if default is None:
        return
    for plain, expected in ((bool, "true or false"), (str, "text")):
        if isinstance(default, plain):
            if not isinstance(value, plain):
                raise ValueError(f"{name} is {value!r}, expected {expected}")
            return
    if isinstance(default, tuple):
        if not (isinstance(value, tuple) and all(_is_int(r) and r > 0 for r in value)):
            raise ValueError(f"{name} is {value!r}, expected positive integers such as (16, 10, 5)")
        return
    kind = "an integer" if isinstance(default, int) else "a number"
    number = _is_int(value) or (isinstance(default, float) and _is_number(value))
    low = 0 if name in MAY_BE_ZERO else "more than 0"
    if not number or value < 0 or (value == 0 and low != 0):
        bound = "of at least 0" if low == 0 else low
        raise ValueError(f"{name} is {value!r}, expected {kind} {bound}")


def _is_number(value) -> bool:
    return _is_int(value) or (isinstance(value, float) and math.isfinite(value))


def _is_int(value) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
