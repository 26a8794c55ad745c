"""What is a little metadata worth to a student, and what does it reveal? Pendigits at 12 times.

Students with the ranks that were chosen without data, under the same settings, on samples that one
entry of `beyond.metadata` describes; beside them students on noise and on real inputs.
"""

from functools import partial

from ..beyond import metadata
from . import grid, pipeline
from .jobs import REAL, Job

PROTOCOL, DATASET, COMPRESSION = "beyond", "pendigits", 12.0
SAMPLES = ("normal", "normal+noised", *metadata.REVEALS, REAL)
note = partial(grid.note, about=f"{DATASET} at {COMPRESSION:g} times; ")


def jobs_of(seeds: range) -> list[Job]:
    """Students on every kind of samples, for teachers of these seeds."""
    return [Job(DATASET, seed, "distill", "tucker", names, compression=COMPRESSION)
            for seed in seeds for names in SAMPLES]


def work(job, settings, data, found, part):
    """`pipeline.work`, where metadata is that of the data at hand."""
    known = metadata.samplers_of(metadata.describe(data), data.mean, data.scale)
    return pipeline.work(job, settings, data, found, part, own=known)


def tables(result: dict) -> list[list[list[str]]]:
    """A row per kind of samples: accuracy, by teacher, what it adds to noise, what it reveals."""
    added = "less normal noise, paired"
    out = [["students see", "test accuracy, %", "by teacher", added, "reveals"]]
    reveals = {REAL: "every row", **metadata.REVEALS}
    for name in SAMPLES:
        job, base = ({"does": "distill", "samples": n} for n in (name, "normal"))
        out.append([name, *grid.compared(result, job, base), reveals.get(name, "nothing")])
    return [out]
