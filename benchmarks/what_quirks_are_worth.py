"""What is each habit of the authors' program worth? Each given up alone, on Pendigits at rank 5.

    python benchmarks/what_quirks_are_worth.py tables/quirks    # without the folder: the pages only

Three teachers with five students each under --protocol official-quirks, then the same with one
setting as the protocol "paper" has it, and with as many samples for KegNet as for noise; the
protocol "paper" itself, which gives up all of them but the pools, is read from results/paper.json.
About an hour on 2 cores; a folder that holds a part is gone on with. Writes results/quirks.json,
and from it results/quirks.md and the block of README.md.
"""

import json
from pathlib import Path

from kegnet_np import inputs, report, table

DATASET, RANK, TEACHERS, JOBS = "pendigits", 5, (2019, 2020, 2021), 2
BASE = "official-quirks"
BOTH = ("normal", "kegnet")
CHANGES = {  # folder: (the row's name, the setting, the students it concerns)
    BASE: (f"protocol {BASE}", {}, BOTH),
    "evaluation-mode": (
        "generators learn from the teacher without dropout", {"teacher_dropout": False},
        ("kegnet",),
    ),
    "synthetic": ("epoch selected on held-out samples", {"selection": "synthetic"}, BOTH),
    "training-statistics": (
        "all splits standardised by the training rows", {"own_statistics": False}, BOTH
    ),
    "shuffled": ("students' pool shuffled", {"shuffle": True}, BOTH),
    "equal-pools": (
        "6,400 generated samples, as of noise", {"pool_per_generator": 1280}, ("kegnet",)
    ),
}  # fmt: skip


def compute(folder):
    """The cells of every row, in a folder of its own each."""
    cells = []
    for name, (_, change, stages) in CHANGES.items():
        jobs = [[table.Job(DATASET, seed, stage) for seed in TEACHERS]
                for stage in ("teacher", "generators")]  # fmt: skip
        jobs.append([table.Job(DATASET, seed, s, RANK) for s in stages for seed in TEACHERS])
        settings = {"protocol": BASE, **change}
        done = table.run(jobs, settings, inputs.load, folder / name, jobs=JOBS, resume=True)
        cells += [{"change": name} | c for c in done["cells"] if c["stage"] in stages]
    every = json.loads(Path("results/paper.json").read_text())["cells"]
    wanted = [c for c in every if (c["dataset"], c["rank"]) == (DATASET, RANK)]
    cells += [{"change": "paper"} | c for c in wanted if c["stage"] in BOTH]
    return {"settings": {"protocol": BASE}, "cells": cells}


def rows(result):
    """A row per change: the accuracy of each kind of students, and what the change adds."""
    out = [["test accuracy, %"]]
    for stage in BOTH:
        out[0] += [f"Tucker + {stage}", "by teacher", "paired with the first row"]
    names = {name: f"… {row}" for name, (row, *_) in CHANGES.items()}
    names |= {BASE: CHANGES[BASE][0], "paper": "protocol paper: all of these but the last"}
    for name, row in names.items():
        out.append([row])
        for stage in BOTH:
            ours, base = (
                [c["accuracy"] for c in result["cells"] if (c["change"], c["stage"]) == key]
                for key in ((name, stage), (BASE, stage))
            )
            if not ours:
                out[-1] += ["", "", ""]
                continue
            paired = "" if name == BASE else report.cell(report.paired(ours, base), sign="+")
            out[-1] += [report.cell(report.interval(ours)), report.by_teacher(ours), paired]
    return out


def pages(result, name, readme):
    """What is generated from the result called name: file name -> text."""
    students = len(result["cells"][0]["accuracy"])
    note = (
        f"{DATASET}, rank {RANK}; teachers: {len(TEACHERS)}, students of each: {students}; "
        "± is half a 95% t interval over the teachers' means"
    )
    return report.one_page(name, "What the quirks are worth", note, [rows(result)], readme)


if __name__ == "__main__":
    report.benchmark("quirks", compute, pages)
