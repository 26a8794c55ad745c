"""Ours under the protocol "official-quirks" beside the authors' program: accuracy and time.

The run of the authors' program (`official_figures.json`) has one teacher, one student, and fewer
generators than five: hence variants of KegNet with as many.
"""

import json
from importlib import resources

import numpy as np
from scipy.special import stdtrit

from . import grid
from .jobs import Job
from .run import LABELS
from .settings import Distill
from .statistics import interval
from .table import at

PROTOCOL = "official-quirks"
VARIANTS = {"2-generators": {"generators": 2}, "4-generators": {"generators": 4}}
OF_SET = {"pendigits": "4-generators", "letter": "2-generators"}  # as the official run had them


def figures() -> dict:
    """What the official run gave, and other reports, by data set."""
    file = resources.files(__package__) / "official_figures.json"
    return {k: v for k, v in json.loads(file.read_text("utf-8")).items() if k != "about"}


def compared(dataset: str, known: dict) -> list[tuple[str, dict]]:
    """What stands beside the official run on a set: the approach, and the fields of our jobs."""
    kinds = [*((approach, "") for approach in known["official"]), ("kegnet", OF_SET[dataset])]
    return [(approach, at(approach, dataset, known["rank"]) | {"variant": variant})
            for approach, variant in kinds]


def jobs_of(seeds: range) -> list[Job]:
    """What the official run had, and KegNet with as few generators, for these seeds."""
    return [Job(**job, teacher=seed) for dataset, known in figures().items()
            for seed in seeds for _, job in compared(dataset, known)]


def luck(per_teacher: list[list[float]]) -> float:
    """Half of the 95% interval of ours less one student of one more teacher, if both are alike.

    The variance of one student is that of teachers' means, and that inside a teacher as far as the
    means do not hold it yet; Student's t over the teachers.
    """
    n, each = len(per_teacher), len(per_teacher[0])
    between = np.var([np.mean(values) for values in per_teacher], ddof=1)
    inside = np.mean([np.var(values, ddof=1) for values in per_teacher]) if each > 1 else 0.0
    one = between + inside * (1 - 1 / each)
    return float(stdtrit(n - 1, 0.975) * np.sqrt(one + between / n))


def accuracy(result: dict) -> list[list[str]]:
    """A row per set and approach: ours, its teachers' means, theirs, the difference."""
    out = [["test accuracy, %", "ours", "by teacher", "all students", "official",
            "ours − official", "luck of one, ±", "second", "paper"]]
    for dataset, known in figures().items():
        for approach, job in compared(dataset, known):
            values, official = grid.values_of(result, **job), known["official"][approach]
            every, name = 100 * np.concatenate(values), LABELS[approach]
            if approach == "kegnet":
                name += f", {VARIANTS.get(job['variant'], {}).get('generators', 5)} generators"
            others = [known[source].get(approach) for source in ("second", "paper")]
            out.append([
                f"{dataset}, rank {known['rank']}: {name}", *grid.compared(result, job, job)[:2],
                f"{min(every):.1f} to {max(every):.1f}", f"{100 * official:.1f}",
                f"{100 * (interval(values)['mean'] - official):+.1f}",
                f"{100 * luck(values):.1f}" if len(values) > 1 else "",
                *(f"{100 * other:.1f}" if other else "" for other in others)])
    return out


def network_epochs(cell: dict) -> int:
    """Epochs of all members of a stack together; a student stops 50 epochs after its best."""
    if cell["does"] != "distill":
        return cell["epochs"] * len(cell["kept_epoch"])
    ends = (max(kept + Distill.student_patience, Distill.student_min_epochs)
            for kept in cell["kept_epoch"])
    return sum(min(end, cell["epochs"]) for end in ends)


def times(result: dict) -> list[list[str]]:
    """Seconds of one network's epoch, ours (a stack shares its time) and theirs, and the ratio."""
    out = [["wall seconds of a network's epoch", "ours", "official", "ours / official"]]
    for dataset, known in figures().items():
        for approach, theirs in known.get("seconds", {}).items():
            cells = grid.cells_of(result, **at(approach, dataset, known["rank"]), variant="")
            ours = np.mean([c["seconds"] / network_epochs(c) for c in cells])
            other = theirs["seconds"] / theirs["epochs"]
            numbers = (f"{number:.3f}" for number in (ours, other, ours / other))
            out.append([f"{dataset}: {approach}", *numbers])
    return out


def tables(result: dict) -> list[list[list[str]]]:
    """Accuracy beside the official program, and time."""
    return [accuracy(result), times(result)]


def note(result: dict) -> str:
    """What the numbers are."""
    return (f"{grid.note(result)}; official and second: one teacher, one student; luck of one: "
            "half the 95% interval in which such a single run would differ from ours")
