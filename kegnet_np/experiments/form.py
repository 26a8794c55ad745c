"""Depth or Tucker form: what makes a small student a good one? Pendigits at 16 times, on noise.

Students of other forms with no more parameters, at random starts, on the same samples, under the
same settings as Tucker students that start from their teacher.
"""

from functools import partial

from . import grid
from .jobs import Job
from .text import span

PROTOCOL, DATASET, COMPRESSION, SAMPLES = "beyond", "pendigits", 16.0, "normal"
FORMS = {  # form and hidden layers (0: the usual) -> the row's name
    ("mlp", 0): "MLP, 3 layers", ("mlp", 1): "MLP, 1 layer", ("mlp", 11): "MLP, 11 layers",
    ("tucker", 3): "Tucker, 3 layers", ("tucker", 0): "Tucker, 11 layers, from the teacher"}
COLUMNS = ["student's form, hidden layers", "width", "parameters", "test accuracy, %",
           "by teacher", "less the MLP of 3 layers, paired"]
note = partial(grid.note, about=f"{DATASET} at {COMPRESSION:g} times, {SAMPLES} noise; ")


def jobs_of(seeds: range) -> list[Job]:
    """Students of every form, for teachers of these seeds."""
    return [Job(DATASET, seed, "distill", form, SAMPLES, compression=COMPRESSION, layers=layers)
            for seed in seeds for form, layers in FORMS]


def tables(result: dict) -> list[list[list[str]]]:
    """A row per form, the best first."""
    rows, rival = [], {"does": "distill", "form": "mlp", "layers": 0}
    for (form, layers), name in FORMS.items():
        job = {"does": "distill", "form": form, "layers": layers}
        cells = grid.cells_of(result, **job)
        size = [str(cells[0]["widths"][0]), span([c["n_params"] for c in cells])]
        rows.append([name, *size, *grid.compared(result, job, rival)])
    return [[COLUMNS, *sorted(rows, key=lambda row: -float(row[3].split()[0]))]]
