"""What do the parameters buy that the lean Tucker form frees? Beside the paper's, at equal sizes.

Both forms get their ranks by the same trials within the same budget, start from fitted layers and
learn on the same noise; the paper's spends D² + K² parameters on factors that add no function.
"""

from functools import partial

from . import grid
from .jobs import Job
from .text import span

PROTOCOL, SAMPLES = "beyond", "normal"
SIZES = {"pendigits": 12.0, "letter": 4.14, "digits": 6.41}
FORMS = {"paper": "the paper's form", "": "lean"}  # variant -> the row's name
VARIANTS = {"paper": {"lean": False}}
COLUMNS = ["student", "parameters", "test accuracy, %", "by teacher",
           "less the paper's form, paired", "ranks, first layer to last, by teacher"]
note = partial(grid.note, about=f"{SAMPLES} noise; ")


def jobs_of(seeds: range) -> list[Job]:
    """Students of both forms on every set, for teachers of these seeds."""
    return [Job(dataset, seed, "distill", "tucker", SAMPLES, compression=c, variant=variant)
            for dataset, c in SIZES.items() for seed in seeds for variant in FORMS]


def tables(result: dict) -> list[list[list[str]]]:
    """A row per data set and form."""
    out = [COLUMNS]
    for dataset, c in SIZES.items():
        for variant, name in FORMS.items():
            job, base = ({"does": "distill", "dataset": dataset, "variant": v}
                         for v in (variant, "paper"))
            cells = grid.cells_of(result, **job)
            starts = grid.cells_of(result, **job | {"does": "compress"})
            ranks = "; ".join(",".join(map(str, start["ranks"])) for start in starts)
            out.append([f"{dataset}, {c:g}x: {name}", span([c["n_params"] for c in cells]),
                        *grid.compared(result, job, base), ranks])
    return [out]
