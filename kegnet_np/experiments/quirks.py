"""What is each habit of the official program worth? Pendigits at rank 5, one given up at a time.

Students under the protocol "official-quirks", then the same with one setting as the protocol
"paper" has it, and with as many samples for KegNet as for noise; and the protocol "paper" itself,
which gives up all of them but the pools.
"""

from functools import partial
from typing import Any

from . import grid
from .jobs import Job

PROTOCOL, DATASET, RANK = "official-quirks", "pendigits", 5
BOTH = ("normal", "kegnet")
CHANGES: dict[str, tuple[str, dict[str, Any], tuple[str, ...]]] = {
    # variant: (the row's name, its settings, the students it concerns)
    "": (f"protocol {PROTOCOL}", {}, BOTH),
    "evaluation-mode": (
        "… generators learn from the teacher without dropout", {"teacher_dropout": False},
        ("kegnet",)),
    "synthetic": ("… epoch selected on held-out samples", {"selection": "synthetic"}, BOTH),
    "training-statistics": (
        "… all splits standardised by the training rows", {"own_statistics": False}, BOTH),
    "shuffled": ("… students' pool shuffled", {"shuffle": True}, BOTH),
    "equal-pools": (
        "… 6,400 generated samples, as of noise", {"pool_per_generator": 1280}, ("kegnet",)),
    "paper": ("protocol paper: all of these but the last", {"protocol": "paper"}, BOTH)}
VARIANTS = {variant: settings for variant, (_, settings, _) in CHANGES.items()}
note = partial(grid.note, about=f"{DATASET}, rank {RANK}; ")


def jobs_of(seeds: range) -> list[Job]:
    """The students that each change concerns, for teachers of these seeds."""
    return [Job(DATASET, seed, "distill", "tucker", names, rank=RANK, variant=variant)
            for seed in seeds
            for variant, (_, _, students) in CHANGES.items() for names in students]


def tables(result: dict) -> list[list[list[str]]]:
    """A row per change: the accuracy of each kind of students, and what the change adds."""
    out = [["test accuracy, %"]]
    for names in BOTH:
        out[0] += [f"Tucker + {names}", "by teacher", "paired with the first row"]
    for variant, (row, *_) in CHANGES.items():
        out.append([row])
        for names in BOTH:  # cells stay empty where a change does not concern them
            job, base = ({"does": "distill", "samples": names, "variant": v} for v in (variant, ""))
            out[-1] += grid.compared(result, job, base)
    return [out]
