"""What knowledge is distilled? The questions of Ojha et al. (2023), put to tables.

Students of the same start, rows and budget: without a teacher (independent), by KL, Hint and CRD.
The teacher is the unit; a difference is from the independent student of the same start, paired.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from .. import metrics
from ..network import Network
from . import grid, upbringing
from .devices import on
from .jobs import Found, Job, Made
from .measures import MEASURES, Bench
from .pipeline import stage
from .statistics import interval, paired
from .text import cell
from .upbringing import OwnJob, snapshots, taught

WAYS = {"independent": "independent", "kl": "KL", "hint": "Hint", "crd": "CRD"}
CONTROLS = ("smoothed", "kl, stopped", "hint, stopped", "crd, stopped")  # App. 11.1 and 11.2
OF_PENS = ("rotation", "jitter", "domain")
TAUGHT = {"rotation": ("rotated", "plain"), "jitter": ("jittered", "plain"), "domain": ("turned",),
          "cue": ("cue",), "bias": ("biased",)}  # what teachers saw, of the others plain rows
UP, NONE = ("+", "+", "+"), ("", "", "")  # where the paper has none, or nearly none
FINDINGS = {  # the paper's direction for KL, Hint and CRD, by probe, teacher and measure
    ("right", "plain", "accuracy"): UP,
    ("looks", "plain", "W"): UP,
    ("looks", "plain", "W, x ⊙ s"): UP,
    ("fooled", "plain", "fooled"): UP,
    ("fooled", "plain", "fooled, less by a foreign teacher's"): UP,
    ("consensus", "plain", "consensus"): UP,
    ("consensus", "plain", "on T's errors"): UP,
    ("boundary", "plain", "IoU, planes of rows"): UP,
    ("boundary", "plain", "IoU, planes of noise"): NONE,
    ("representation", "plain", "CKA, middle layers"): NONE,
    ("representation", "plain", "CKA, last layers"): NONE,
    ("rotation", "rotated", "20°"): UP,
    ("rotation", "plain", "20°"): NONE,
    ("jitter", "jittered", "σ = 10"): UP,
    ("jitter", "plain", "σ = 10"): NONE,
    ("domain", "turned", "accuracy, turned"): UP,
    ("cue", "cue", "right / (right + cue)"): UP,
    ("bias", "biased", "gap"): UP}


@dataclass(frozen=True)
class ProbeJob(OwnJob):
    """A measure, ``way``, of a teacher of a ``variant`` and its students."""

    @property
    def what(self) -> str:
        """A short name."""
        return f"probe-{self.way}"

    @cached_property
    def needs(self) -> dict[str, Job]:
        """A teacher, a foreign one, and students in every way."""
        teacher = OwnJob(self.dataset, self.teacher, "teach", variant=self.variant)
        foreign = replace(teacher, teacher=self.foreign, variant="plain")
        ways = [*WAYS, *(("smoothed",) if self.variant == "plain" else ())]
        made = {"teach": teacher, "foreign": foreign} | {way: self.student(way) for way in ways}
        if self.variant != "cue":  # who has no teacher is the same beside all of them
            made["independent"] = self.student("independent", variant="plain")
        return made


def jobs_of(datasets: Sequence[str], probes: Sequence[str], seeds: Sequence[int]) -> list[Job]:
    """A measure of every probe for each teacher; those of pens for Pendigits alone."""
    if unknown := [name for name in probes if name not in MEASURES]:
        raise ValueError(f"--probes has {unknown[0]!r}, expected some of {', '.join(MEASURES)}")
    made: list[Job] = []
    for dataset in datasets:
        asked = [name for name in probes if name not in OF_PENS or dataset == "pendigits"]
        if not asked:
            raise ValueError(f"--probes {','.join(probes)} are of pens: pass --dataset pendigits, "
                             "or other probes")
        made += [ProbeJob(dataset, seed, "probe", variant=variant, way=name, foreign=other)
                 for seed, other in zip(seeds, foreigners(seeds), strict=True) for name in asked
                 for variant in TAUGHT.get(name, ("plain",))]
    return made


def foreigners(seeds: Sequence[int]) -> list[int]:
    """For each teacher the next one's seed; a single teacher gets another beside it."""
    return [*seeds[1:], seeds[0] if len(seeds) > 1 else seeds[0] + 1]


def work(job, settings, data, found: Found, part) -> Made:
    """Do a job: the networks, and a header of JSON values. Runs in a worker."""
    if job.does != "probe":
        return upbringing.work(job, settings, data, found, part)
    with stage(job.what), on("cpu"):
        data, own = taught(job.variant, data, job.teacher, of_student=True), settings.own
        T, foreign = (found[name].member(0) for name in ("teach", "foreign"))
        traces = {way: snapshots(found[way], own.students) for way in found
                  if way in upbringing.ALL_WAYS}
        students = {way: trace[-1] for way, trace in traces.items()}
        if job.variant == "plain":
            for way in ("kl", "hint", "crd"):
                students[f"{way}, stopped"] = stopped(traces[way], students["independent"], data)
        bench = Bench(data, T, students["independent"], foreign, own.rows, own.triplets,
                      job.teacher)
        if job.way == "looks":  # the next independent student stands for a student
            Ind = students["independent"]
            students["independent"] = Network(Ind.model, np.roll(Ind.theta, 1, axis=0))
        measure, made = MEASURES[job.way], dict[str, dict[str, list[float]]]()
        for way, stack in {**students, "teacher": T.stack()}.items():
            if way == "teacher" and job.way == "looks":
                continue
            for name, found_there in measure(bench, stack).items():
                made.setdefault(name, {})[way] = np.round(found_there.mean, 5).tolist()
        if "by a foreign teacher's" in made:
            made["fooled, less by a foreign teacher's"] = {
                way: np.subtract(values, made["by a foreign teacher's"][way]).round(5).tolist()
                for way, values in made["fooled"].items()}
        return [students["independent"]], {"measured": made, "seconds": 0.0, "data": {
            "name": data.name}}


def stopped(trace: list[Network], independent: Network, data) -> Network:
    """Students at the last epoch looked at where they are no better on the validation rows than the
    independent ones: no more accurate, and taught (App. 11.1)."""
    def score(network):
        return metrics.accuracy(network.predict(data.x_val), data.y_val)

    level, scores = score(independent), np.stack([score(stack) for stack in trace])  # (E, S)
    last = [max(np.flatnonzero(column <= top), default=0)
            for column, top in zip(scores.T, level, strict=True)]
    return Network(trace[0].model, np.stack([trace[e].theta[s] for s, e in enumerate(last)]))


def values(result: dict, dataset: str, finding, way: str) -> list[list[float]]:
    """For each teacher the students' values of a measure; [] if it was not asked for."""
    probe, variant, name = finding
    cells = grid.cells_of(result, does="probe", dataset=dataset, way=probe, variant=variant)
    return [c["measured"][name][way] for c in cells if way in c["measured"].get(name, {})]


def verdict(entry: dict, expected: str) -> str:
    """Whether a difference has the paper's direction, as far as its interval tells."""
    if not entry or entry["half"] is None or not expected:
        return ""
    low, high = entry["mean"] - entry["half"], entry["mean"] + entry["half"]
    found = "+" if low > 0 else "-" if high < 0 else ""
    return ("same" if found == expected else "opposite") if found else "unclear"


def rows(result: dict, dataset: str) -> list[list[str]]:
    """A row for each finding: teacher, independent, then what each way adds, and the verdicts."""
    out = [[f"{dataset}: probe (teacher): measure, %", "teacher", "independent",
            *(f"{label} − independent" for label in list(WAYS.values())[1:])]]
    for finding, expected in FINDINGS.items():
        if not (base := values(result, dataset, finding, "independent")):
            continue
        line = [f"{finding[0]} ({finding[1]}): {finding[2]}",
                cell(interval(own) if (own := values(result, dataset, finding, "teacher")) else {}),
                cell(interval(base))]
        for way, sign in zip(list(WAYS)[1:], expected, strict=True):
            entry = paired(values(result, dataset, finding, way), base)
            line.append(f"{cell(entry, sign='+')} {verdict(entry, sign)}".strip())
        out.append(line)
    return out


def controls(result: dict, dataset: str) -> list[list[str]]:
    """The appendix's controls less the independent student, on plain teachers."""
    out = [[f"{dataset}: control − independent, %", "smoothed labels",
            *(f"{WAYS[way.partition(',')[0]]}, stopped" for way in CONTROLS[1:])]]
    for finding in (f for f in FINDINGS if f[1] == "plain" and f[0] not in OF_PENS):
        if base := values(result, dataset, finding, "independent"):
            entries = (paired(values(result, dataset, finding, way), base) for way in CONTROLS)
            out.append([f"{finding[0]}: {finding[2]}", *(cell(e, sign="+") for e in entries)])
    return out


def _sets(result: dict) -> list[str]:
    return list(dict.fromkeys(grid.values_of(result, "dataset", does="probe")))


def tables(result: dict) -> list[list[list[str]]]:
    """What was found, beside the paper's direction, and the controls, for each data set."""
    made = [table(result, dataset) for dataset in _sets(result) for table in (rows, controls)]
    return [table for table in made if len(table) > 1]


def note(result: dict) -> str:
    """What the numbers are."""
    measured, settings = grid.cells_of(result, does="probe"), grid.said(result)
    students = next(iter(measured[0]["measured"].values()))["independent"]
    return (f"{settings + '; ' if settings else ''}"
            f"teachers: {len({c['teacher'] for c in measured})}, students of each in every way: "
            f"{len(students)}; ± is half a 95% t interval over the teachers' means, of paired "
            "differences; last epoch; same, opposite: "
            "the interval excludes zero on the paper's side or the other")


def figure(result: dict):
    """A row of differences from the independent student for each finding, by way to distil."""
    from . import plots

    sets = _sets(result)
    figure, axes = plots.row_of_axes(len(sets), 6.5 * len(sets), 6.0, "")
    for ax, dataset in zip(axes, sets, strict=True):
        found = [f for f in FINDINGS if values(result, dataset, f, "independent")]
        for i, (way, label) in enumerate(list(WAYS.items())[1:]):
            entries = [paired(values(result, dataset, f, way),
                              values(result, dataset, f, "independent")) for f in found]
            at = np.arange(len(found)) + (i - 1) * 0.25
            ax.errorbar([100 * e["mean"] for e in entries], at, fmt="o", ms=4, label=label,
                        xerr=[100 * (e["half"] or 0) for e in entries])
        ax.axvline(0, color="grey", lw=0.8)
        ax.set(title=dataset, xlabel="points above the independent student", yticks=range(
            len(found)), yticklabels=[f"{f[2]} ({f[1]} teacher)" for f in found])
        ax.invert_yaxis()
        ax.legend()
    return figure
