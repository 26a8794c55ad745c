"""What is a little metadata worth to a student, and what does it reveal? Pendigits at 12 times.

    kegnet frontier --datasets pendigits --compressions 8.08,12 --teachers 3 --out frontiers/p
    python benchmarks/what_metadata_is_worth.py frontiers/p    # without: only the pages again

For every teacher of the folder, students with the ranks that were chosen there without data, under
the same settings, on samples that one entry of `kegnet metadata` describes; beside them the
folder's own students on noise and on real inputs. Writes results/metadata.json, and from it
results/metadata.md and the block of README.md.
"""

import json
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

import data_loaders
from kegnet_np import checkpoint, metadata, report, samplers, stages, table, train
from kegnet_np.models import Classifier

DATASET, COMPRESSION, BESIDE = "pendigits", 12.0, ("normal", "normal+noised", "real")


def compute(folder):
    """Test accuracy by teacher and by what the samples are made from."""
    described = json.loads((folder / "config.json").read_text())
    data, cells = data_loaders.load(DATASET), []
    with tempfile.TemporaryDirectory() as place:
        file = Path(place, "metadata.json")
        metadata.save(file, data)
        known = metadata.load(file, data.mean, data.scale)
    for name in described["grid"]:
        if not (name.startswith(f"{DATASET}-") and name.endswith(f"-{COMPRESSION:g}x-ranks")):
            continue
        job = table.Job(DATASET, int(name.split("-")[1]), "ranks", 0, COMPRESSION)
        config = table.config_of(job, described["settings"])
        (need,) = job.needs()
        theta_M, start = (
            checkpoint.load(folder / "cells" / f"{j.name}.npz", "table")[0] for j in (need, job)
        )
        M, theta_M = Classifier(data.features, data.classes), theta_M["theta"]
        student = replace(M, ranks=tuple(start["ranks"].tolist()))
        for entry in known:
            sampler = samplers.make(entry, M, theta_M, described=known)
            done = stages.distill(config, entry, M, theta_M, student, start["theta"][0], sampler)
            logits = train.predict(student, done.kept_theta, None, data.x_test)
            scores = train.accuracy(logits, data.y_test).tolist()
            cells.append({"teacher": job.teacher, "samples": entry, "accuracy": scores})
            print(job.teacher, entry, np.round(scores, 3), flush=True)
        for stage in BESIDE:
            path = folder / "cells" / f"{replace(job, stage=stage).name}.npz"
            scores = checkpoint.load(path, "table")[1]["accuracy"]
            cells.append({"teacher": job.teacher, "samples": stage, "accuracy": scores})
    return {"settings": described["settings"], "cells": cells}


def rows(result):
    """A row per kind of samples: accuracy, by teacher, what it adds to noise, what it reveals."""
    def of(name):
        return [c["accuracy"] for c in result["cells"] if c["samples"] == name]

    added = "less normal noise, paired"
    out = [["students see", "test accuracy, %", "by teacher", added, "reveals"]]
    for name in (*BESIDE[:2], *metadata.REVEALS, BESIDE[2]):
        gains = report.paired(of(name), of("normal"))
        paired = "" if name == "normal" else report.cell(gains, sign="+")
        revealed = "every row" if name == "real" else metadata.REVEALS.get(name, "nothing")
        mean = report.cell(report.interval(of(name)))
        out.append([name, mean, report.by_teacher(of(name)), paired, revealed])
    return out


def pages(result, name, readme):
    """What is generated from the result called name: file name -> text."""
    note = f"{DATASET} at {COMPRESSION:g} times; {report.note(result)}"
    return report.one_page(name, "What metadata is worth", note, [rows(result)], readme)


if __name__ == "__main__":
    report.benchmark("metadata", compute, pages)
