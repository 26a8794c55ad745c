"""Our table under --protocol official-quirks beside the authors' program: accuracy and time.

    python benchmarks/beside_official.py

Reads results/official-quirks.json and the figures of benchmarks/official_figures.json, which are
those of one teacher and one student, and writes results/beside-official.md.
"""

import json
from pathlib import Path

import numpy as np

from kegnet_np import checkpoint, report
from kegnet_np.experiment import LABELS

CLOSE = 0.03


def accuracy(result, figures):
    """A row per set and approach: ours, its teachers' range, theirs, the difference."""
    out = [["test accuracy, %", "ours", "ours, by teacher", "official", "ours − official",
            "second", "paper"]]  # fmt: skip
    for dataset, known in figures.items():
        for stage, official in known["official"].items():
            values = report.values_of(result, dataset, known["rank"], stage, "accuracy")
            entry = report.interval(values)
            others = [known[source].get(stage) for source in ("second", "paper")]
            out.append([
                f"{dataset}, rank {known['rank']}: {LABELS[stage]}", report.cell(entry),
                ", ".join(f"{100 * np.mean(v):.1f}" for v in values), f"{100 * official:.1f}",
                f"{100 * (entry['mean'] - official):+.1f}",
                *(f"{100 * other:.1f}" if other else "" for other in others),
            ])  # fmt: skip
    return out


def times(result, figures):
    """Seconds of one network's epoch, ours (a stack shares its time) and theirs, and the ratio."""
    out = [["seconds of a network's epoch", "ours", "official", "ours / official"]]
    for dataset, known in figures.items():
        for stage, theirs in known.get("seconds", {}).items():
            rank = known["rank"] if stage in ("uniform", "normal") else 0
            cells = [
                c for c in result["cells"]
                if (c["dataset"], c["rank"], c["stage"]) == (dataset, rank, stage)
            ]  # fmt: skip
            members = [len(c["kept_epoch"]) for c in cells]
            ours = np.mean([
                c["seconds"] / c["epochs"] / m for c, m in zip(cells, members, strict=True)
            ])  # fmt: skip
            other = theirs["seconds"] / theirs["epochs"]
            row = [f"{dataset}: {stage}", f"{ours:.3f}", f"{other:.3f}", f"{ours / other:.3f}"]
            out.append(row)
    return out


def page(result, figures):
    """results/beside-official.md."""
    figures = {k: v for k, v in figures.items() if k != "about"}
    return "\n\n".join([
        "# Beside the authors' program",
        report.note(result) + "; official, second: one teacher, one student.",
        report.to_markdown(accuracy(result, figures)), report.to_markdown(times(result, figures)),
    ]) + "\n"  # fmt: skip


if __name__ == "__main__":
    figures = json.loads(Path("benchmarks/official_figures.json").read_text())
    result = json.loads(Path("results/official-quirks.json").read_text())
    checkpoint.write_text("results/beside-official.md", page(result, figures))
