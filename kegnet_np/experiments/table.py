"""The paper's table: data set and rank × teacher × approach, under one protocol."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from . import grid
from .jobs import REAL, Job
from .run import APPROACHES, LABELS, SCORES

DATASETS = ("shuttle", "pendigits", "letter")
RANKS = {"shuttle": (5,), "pendigits": (5, 10), "letter": (10,)}  # the paper's
note = grid.note
PAIRS = (("kegnet", "tucker"), ("kegnet", "uniform"), ("kegnet", "normal"), ("real", "normal"))


def jobs_of(datasets: Sequence[str], teachers: int, seed: int, ranks=None) -> list[Job]:
    """The jobs of the table: ``teachers`` seeds from ``seed`` on, ``ranks`` or the paper's."""
    for name, given in (("datasets", [Path(d).stem for d in datasets]), ("ranks", ranks or (5,))):
        if len(set(given)) < len(given) or not all(given):
            raise ValueError(f"{name} is {given}, expected different names, or ranks of at least 1")
    return [Job(**at(approach, dataset, rank), teacher=teacher)
            for dataset in datasets for teacher in range(seed, seed + teachers)
            for rank in ranks or RANKS.get(dataset, (5,)) for approach in (*LABELS, "generators")]


def at(approach: str, dataset: str, rank: int) -> dict:
    """The fields of an approach's job, but for its teacher; the teacher itself has no rank."""
    before = {"teacher": "teach", "generators": "extract"}
    if approach in before:
        return {"dataset": dataset, "does": before[approach]}
    own = {"does": "compress"} if approach == "tucker" else {"does": "distill", "samples": approach}
    return {"dataset": dataset, "form": "tucker", "rank": rank, **own}


def columns(result: dict) -> dict[str, tuple[str, int]]:
    """The table's columns, (data set, rank) by its header, in the order of the grid."""
    names = [(c["dataset"], c["rank"]) for c in result["cells"] if c.get("rank")]
    return {f"{dataset}, rank {rank}": (dataset, rank) for dataset, rank in names}


def rows(result: dict, key: str) -> list[list[str]]:
    """Header, a row per approach, and per paired difference: "tucker" has a value per teacher,
    which is taken from each of its students."""
    names = columns(result)
    shown = [(label, [approach]) for approach, label in LABELS.items()]
    shown += [(f"{a} − {b}, paired", [a, b]) for a, b in PAIRS]
    out = [[f"{SCORES[key]}, %", *names]]
    for label, approaches in shown:
        jobs = ([at(approach, *name) for approach in approaches] for name in names.values())
        out.append([label, *(grid.shown(result, *pair, key=key) for pair in jobs)])
    return out


def seconds(result: dict) -> list[list[str]]:
    """Header and a row per approach: the mean time of a job, all its students together."""
    names = columns(result)
    out = [["seconds a job", *names]]
    for approach in ("teacher", "generators", *APPROACHES):
        jobs = (at(approach, *name) for name in names.values())
        times = (np.mean(grid.values_of(result, "seconds", **job)) for job in jobs)
        out.append([approach, *(f"{mean:.1f}" for mean in times)])
    return out


def tables(result: dict) -> list[list[list[str]]]:
    """Accuracy, balanced accuracy, agreement, seconds."""
    return [*(rows(result, key) for key in SCORES), seconds(result)]


def figure(result: dict):
    """Accuracy by approach with intervals, every teacher as a dot, teacher and ceiling as lines."""
    from .plots import row_of_axes

    names, approaches = columns(result), ("tucker", "uniform", "normal", "kegnet")
    fig, axes = row_of_axes(len(names), 3.3 * len(names), 3.2, "test accuracy, %")
    for ax, (title, name) in zip(axes, names.items(), strict=True):
        dots = []  # of teachers, beside the means
        for i, approach in enumerate(approaches):
            job = at(approach, *name)
            found = grid.entry(result, job)
            ax.errorbar(i, 100 * found["mean"], 100 * (found["half"] or 0), fmt="o", capsize=4,
                        label=None if i else "mean, 95% interval")
            dots += [(i + 0.18, 100 * np.mean(v)) for v in grid.values_of(result, **job)]
        ax.plot(*zip(*dots, strict=True), ".", color="0.5", ms=4, label="one teacher")
        for approach, label, style, colour in (
                ("teacher", "teacher", "-", "black"),
                (REAL, "real inputs (ceiling)", "--", "seagreen")):
            mean = 100 * grid.entry(result, at(approach, *name))["mean"]
            ax.axhline(mean, ls=style, color=colour, lw=1, label=label)
        ax.set_xticks(range(4), ["Tucker\nonly", "uniform", "normal", "KegNet"])
        ax.set(title=title, xlim=(-0.5, 3.5), ylim=(max(0, ax.get_ylim()[0]), 101.5))
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return fig
