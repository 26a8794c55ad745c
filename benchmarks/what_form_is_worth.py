"""Depth or Tucker form: what makes a small student a good one? Pendigits at 16 times, on noise.

    kegnet frontier --datasets pendigits --compressions 16 --samplers normal --teachers 3 \\
        --out frontiers/p16
    python benchmarks/what_form_is_worth.py frontiers/p16    # without: only the pages again

For every teacher of the folder students of other forms with no more parameters, at random starts,
on the same sampler, under the same settings; beside them the folder's own Tucker students, which
start from their teacher, and its smaller MLPs. Writes results/form.json, and from it
results/form.md and the block of README.md.
"""

import json
from dataclasses import replace

import numpy as np

import data_loaders
from kegnet_np import checkpoint, ranks, report, samplers, stages, table, train
from kegnet_np.models import Classifier

DATASET, COMPRESSION, SAMPLER = "pendigits", 16.0, "normal"
BESIDE = {"Tucker, 11 layers, from the teacher": "normal", "MLP, 3 layers": "mlp-normal"}
COLUMNS = ["student's form, hidden layers", "width", "parameters", "test accuracy, %",
           "by teacher", "less the MLP of 3 layers, paired"]  # fmt: skip


def forms(M, budget):
    """Students of other forms within the budget: name -> model."""
    shallow = replace(M, depth=3)
    return {
        "Tucker, 3 layers": replace(shallow, ranks=(ranks.largest_rank(shallow, budget),)),
        "MLP, 11 layers": ranks.smaller_mlp(M, budget, depth=11),
        "MLP, 1 layer": ranks.smaller_mlp(M, budget, depth=1),
    }


def of_teacher(folder, settings, teacher):
    """The cells of one teacher: test accuracy of the students of every form."""
    job = table.Job(DATASET, teacher, "ranks", 0, COMPRESSION)
    config, data = table.config_of(job, settings), data_loaders.load(DATASET)
    (need,) = job.needs()

    def load(job):
        return checkpoint.load(folder / "cells" / f"{job.name}.npz", "table")

    M, theta_M = Classifier(data.features, data.classes), load(need)[0]["theta"]
    sampler, cells = samplers.make(SAMPLER, M, theta_M), []
    for form, model in forms(M, int(M.layout.size / COMPRESSION)).items():
        theta_0 = stages.random_starts(config, model, form)
        done = stages.distill(config, form, M, theta_M, model, theta_0, sampler, watch=False)
        logits = train.predict(model, done.kept_theta, None, data.x_test)
        scores = train.accuracy(logits, data.y_test).tolist()
        cells.append({"teacher": teacher, "form": form, "accuracy": scores,
                      "width": model.hidden, "n_params": model.layout.size})  # fmt: skip
        print(teacher, form, np.round(scores, 3), flush=True)
    rival = ranks.smaller_mlp(M, int(M.layout.size / COMPRESSION))
    for form, stage in BESIDE.items():
        header = load(replace(job, stage=stage))[1]
        cells.append({"teacher": teacher, "form": form, "accuracy": header["accuracy"],
                      "width": (M if stage == SAMPLER else rival).hidden,
                      "n_params": header["n_params"]})  # fmt: skip
    return cells


def compute(folder):
    """All cells of the folder's teachers."""
    described = json.loads((folder / "config.json").read_text())
    named = [name.split("-") for name in described["grid"]]
    teachers = [int(name[1]) for name in named if name[0] == DATASET and name[-1] == "teacher"]
    cells = [c for t in teachers for c in of_teacher(folder, described["settings"], t)]
    return {"settings": described["settings"], "cells": cells}


def rows(result):
    """A row per form, the best first."""
    found = {}
    for cell in result["cells"]:
        found.setdefault(cell["form"], []).append(cell)
    rival = [c["accuracy"] for c in found["MLP, 3 layers"]]
    made = []
    for form, cells in found.items():
        scores, counts = [c["accuracy"] for c in cells], [c["n_params"] for c in cells]
        less = report.cell(report.paired(scores, rival), sign="+") if scores != rival else ""
        mean = report.interval(scores)
        row = [form, str(cells[0]["width"]), report.span(counts), report.cell(mean),
               report.by_teacher(scores), less]  # fmt: skip
        made.append((mean["mean"], row))
    return [COLUMNS, *(row for _, row in sorted(made, key=lambda pair: -pair[0]))]


def pages(result, name, readme):
    """What is generated from the result called name: file name -> text."""
    note = f"{DATASET} at {COMPRESSION:g} times, {SAMPLER} noise; {report.note(result)}"
    return report.one_page(name, "What form is worth", note, [rows(result)], readme)


if __name__ == "__main__":
    report.benchmark("form", compute, pages)
