"""Our table under --protocol official-quirks beside the authors' program: accuracy and time.

    kegnet table --protocol official-quirks --datasets pendigits,letter --teachers 3 --out A
    kegnet table --protocol official-quirks --datasets letter --generators 2 --teachers 3 --out B
    kegnet table --protocol official-quirks --datasets pendigits --generators 4 --teachers 3 --out C
    python benchmarks/beside_official.py A B C     # without the folders: only the pages again

The run of the authors' program (benchmarks/official_figures.json) has one teacher, one student, and
fewer generators than five: hence B and C. Writes results/beside-official.json, and from
it results/beside-official.md and the block of README.md.
"""

import json
from pathlib import Path

import numpy as np
from scipy.stats import t as student_t

from kegnet_np import checkpoint, report
from kegnet_np.config import Config
from kegnet_np.experiment import LABELS

PATIENCE, LEAST = Config.student_patience, Config.student_min_epochs  # the official ones, too
STAGES = ("teacher", "tucker", "uniform", "normal", "kegnet", "generators")
KEPT = ("accuracy", "seconds", "kept_epoch", "epochs")
FIGURES = Path(__file__).with_name("official_figures.json")


def collect(*folders):
    """The cells of the tables' folders that the authors' program has, too."""
    cells = []
    for folder in folders:
        described = json.loads((folder / "config.json").read_text())
        generators = described["settings"].get("generators", 5)
        for path in sorted((folder / "cells").glob("*.npz")):
            dataset, teacher, *_, stage = path.stem.split("-")
            rank = int(path.stem.partition("rank")[2].partition("-")[0] or 0)
            if path.match("*.part.npz") or stage not in STAGES:
                continue
            if generators != 5 and stage != "kegnet":
                continue
            header = checkpoint.load(path, "table")[1]
            cells.append({"dataset": dataset, "teacher": int(teacher), "rank": rank,
                          "stage": stage, "generators": generators}
                         | {key: header[key] for key in KEPT if key in header})  # fmt: skip
    return {"settings": {"protocol": "official-quirks"}, "cells": cells}


def chosen(result, dataset, rank, stage, generators=5):
    """The cells of a row of a table, a cell for each teacher."""
    wanted = (dataset, 0 if stage in ("teacher", "generators") else rank, stage, generators)
    keys = ("dataset", "rank", "stage", "generators")
    return [c for c in result["cells"] if tuple(c[key] for key in keys) == wanted]


def luck(per_teacher):
    """Half of the 95% interval of ours less one student of one more teacher, if both are alike.

    The variance of one student is that of teachers' means, and that inside a teacher as far as the
    means do not hold it yet; Student's t over the teachers.
    """
    n, each = len(per_teacher), len(per_teacher[0])
    between = np.var([np.mean(values) for values in per_teacher], ddof=1)
    inside = np.mean([np.var(values, ddof=1) for values in per_teacher]) if each > 1 else 0.0
    one = between + inside * (1 - 1 / each)
    return student_t.ppf(0.975, n - 1) * np.sqrt(one + between / n)


def accuracy(result, figures):
    """A row per set and approach: ours, its teachers' means, theirs, the difference."""
    out = [["test accuracy, %", "ours", "by teacher", "all students", "official",
            "ours − official", "luck of one, ±", "second", "paper"]]  # fmt: skip
    for dataset, known in figures.items():
        for stage, official in known["official"].items():
            for generators in sorted({c["generators"] for c in result["cells"]}, reverse=True):
                cells = chosen(result, dataset, known["rank"], stage, generators)
                if not cells:
                    continue
                entry = report.interval([c["accuracy"] for c in cells])
                every = [100 * v for c in cells for v in c["accuracy"]]
                others = [known[source].get(stage) for source in ("second", "paper")]
                name = LABELS[stage] + (f", {generators} generators" if stage == "kegnet" else "")
                out.append([
                    f"{dataset}, rank {known['rank']}: {name}", report.cell(entry),
                    report.by_teacher([c["accuracy"] for c in cells]),
                    f"{min(every):.1f} to {max(every):.1f}", f"{100 * official:.1f}",
                    f"{100 * (entry['mean'] - official):+.1f}",
                    f"{100 * luck([c['accuracy'] for c in cells]):.1f}",
                    *(f"{100 * other:.1f}" if other else "" for other in others),
                ])  # fmt: skip
    return out


def network_epochs(cell):
    """Epochs of all members of a stack together; a student stops 50 epochs after its best."""
    if cell["stage"] in ("teacher", "generators"):
        return cell["epochs"] * len(cell["kept_epoch"])
    return sum(min(max(kept + PATIENCE, LEAST), cell["epochs"]) for kept in cell["kept_epoch"])


def times(result, figures):
    """Seconds of one network's epoch, ours (a stack shares its time) and theirs, and the ratio."""
    out = [["wall seconds of a network's epoch", "ours", "official", "ours / official"]]
    for dataset, known in figures.items():
        for stage, theirs in known.get("seconds", {}).items():
            cells = chosen(result, dataset, known["rank"], stage)
            ours = np.mean([c["seconds"] / network_epochs(c) for c in cells])
            other = theirs["seconds"] / theirs["epochs"]
            row = [f"{dataset}: {stage}", f"{ours:.3f}", f"{other:.3f}", f"{ours / other:.3f}"]
            out.append(row)
    return out


def pages(result, name, readme):
    """What is generated from the result called name: file name -> text."""
    figures = json.loads(FIGURES.read_text())
    figures.pop("about")
    teachers = len({c["teacher"] for c in result["cells"]})
    students = max(len(c["kept_epoch"]) for c in result["cells"])
    note = (
        f"protocol official-quirks; teachers: {teachers}, students of each: {students}; ± is half "
        "a 95% t interval over the teachers' means; official and second: one teacher, one student; "
        "luck of one: half the 95% interval in which such a single run would differ from ours"
    )
    tables = [made(result, figures) for made in (accuracy, times)]
    return report.one_page(name, "Beside the authors' program", note, tables, readme)


if __name__ == "__main__":
    report.benchmark("beside-official", collect, pages)
