"""What passes from a teacher when no data does? Start by samples, and the endpoints of the probes.

Students in Tucker form, from the teacher's weights or at random, learn the teacher's answers alone:
to nothing, noise, KegNet's samples, real inputs. Steps are the same for all, and the queries, as
many as there are training rows; but of "20 x" each sample is fresh. Predictions were written before
(docs/experiments.md). The teacher is the unit.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ..network import Network
from . import grid, measures, upbringing
from .devices import on
from .jobs import REAL, Found, Job, Made
from .measures import Bench
from .pipeline import stage
from .probes import foreigners
from .statistics import interval, paired
from .text import cell
from .upbringing import TIMES, OwnJob, snapshots

STARTS = {"weights": "Tucker of T", "random": "random"}
VARIANTS = ("plain", "rotated", "biased")  # teachers whose students are compared
SETS: dict[str, tuple[str, int, str]] = {  # samples, how many times as many, way to distil
    "none": ("", 1, "answers"), "uniform": ("uniform", 1, "answers"),
    "normal": ("normal", 1, "answers"), f"normal, {TIMES} x": ("normal", TIMES, "answers"),
    "KegNet": ("kegnet", 1, "answers"), "real inputs": (REAL, 1, "answers"),
    "real, labels": (REAL, 1, "labelled")}
ENDPOINTS = {  # by name, its unit
    "accuracy": "%", "fooled alike": "points",
    "rotation passed": "% of the teacher's", "IoU, planes of rows": "%",
    "IoU, planes of noise": "%", "gap passed": "points", "W": "%",
    "on T's errors, less chance": "%", "CKA, middle layers": "%", "CKA, last layers": "%"}
PLAIN = (measures.right, measures.looks, measures.fooled, measures.boundary, measures.consensus,
         measures.representation)
Benches = dict[str, Bench]


@dataclass(frozen=True)
class CrossedJob(OwnJob):
    """All endpoints of all students of a teacher."""

    @cached_property
    def needs(self) -> dict[str, Job]:
        """Teachers of the variants, a foreign one, all students."""
        made: dict[str, Job] = {"independent": self.student(
            "independent", form="tucker", variant="plain")}
        for variant in VARIANTS:
            made[f"{variant} teacher"] = OwnJob(
                self.dataset, self.teacher, "teach", variant=variant)
            for start in STARTS:
                for name, (samples, times, way) in SETS.items():
                    made[_key(variant, start, name)] = self.student(
                        way, form="tucker", start=start, samples=samples, times=times,
                        variant=variant)
        foreign = replace(made["plain teacher"], teacher=self.foreign)
        return made | {"foreign": foreign}


def _key(variant: str, start: str, name: str) -> str:
    return f"{variant}, {start}, {name}"


def jobs_of(datasets: Sequence[str], seeds: Sequence[int]) -> list[Job]:
    """The endpoints of each teacher."""
    if wrong := [name for name in datasets if name != "pendigits"]:
        raise ValueError(f"--dataset is {wrong[0]}, but --crossed turns pens: pass pendigits")
    return [CrossedJob(dataset, seed, "probe", foreign=other) for dataset in datasets
            for seed, other in zip(seeds, foreigners(seeds), strict=True)]


def work(job, settings, data, found: Found, part) -> Made:
    """Do a job: the networks, and a header of JSON values. Runs in a worker."""
    if job.does != "probe":
        return upbringing.work(job, settings, data, found, part)
    with stage(job.what), on("cpu"):
        own, foreign = settings.own, found["foreign"].member(0)
        Ind = snapshots(found["independent"], own.students)[-1]
        teachers = {v: found[f"{v} teacher"].member(0) for v in VARIANTS}
        benches = {v: Bench(data, T, Ind, foreign, own.rows, own.triplets, job.teacher)
                   for v, T in teachers.items()}
        measured = {"independent": endpoints(benches, dict.fromkeys(VARIANTS, Ind))}
        stacks = {v: T.stack(own.students) for v, T in teachers.items()}
        measured["teacher"] = endpoints(benches, stacks)
        traces: dict[str, dict[str, list]] = {}
        for start in STARTS:
            for name in SETS:
                seen = [snapshots(found[_key(v, start, name)], own.students) for v in VARIANTS]
                every = [dict(zip(VARIANTS, stacks, strict=True))
                         for stacks in zip(*seen, strict=True)]
                looked_at = every if name == "real inputs" else every[-1:]
                each = [endpoints(benches, stacks) for stacks in looked_at]
                measured[f"{start}, {name}"] = each[-1]
                if name == "real inputs":
                    traces[start] = {key: [of[key] for of in each] for key in ENDPOINTS}
        return [Ind], {"measured": measured, "traces": traces, "seconds": 0.0,
                       "data": {"name": data.name}}


def endpoints(benches: Benches, students: dict[str, Network]) -> dict[str, list[float]]:
    """Every endpoint by member, of the students of the teachers of all variants."""
    bench, S = benches["plain"], students["plain"]
    rest = {name: found.mean for measure in PLAIN for name, found in measure(bench, S).items()}
    less = measures.fooled(bench, bench.independent)
    own, others = (rest[key] - less[key].mean for key in ("fooled", "by a foreign teacher's"))

    def kept(network):
        return measures.rotation(bench, network)["20°"].mean

    def gap(network):
        return measures.bias(bench, network)["gap"].mean

    gain = kept(benches["rotated"].T) - kept(bench.T) or np.nan  # a teacher who learnt nothing
    made = rest | {"fooled alike": own - others,
                   "rotation passed": (kept(students["rotated"]) - kept(S)) / gain,
                   "gap passed": gap(students["biased"]) - gap(S)}
    return {name: np.round(made[name], 5).tolist() for name in ENDPOINTS}


def values(result: dict, name: str, endpoint: str) -> list[list[float]]:
    """For each teacher the students' values of an endpoint; name : "START, SET" or another."""
    return [c["measured"][name][endpoint] for c in grid.cells_of(result, does="probe")]


def beyond(result: dict, start: str, name: str, endpoint: str) -> list[list[float]]:
    """An endpoint less that of students on real inputs stopped at the same accuracy, by teacher:
    interpolated between the start and the epochs that were looked at, and held at the ends."""
    made = []
    for c in grid.cells_of(result, does="probe"):
        at, level = (_path(c, start, key) for key in ("accuracy", endpoint))
        order, cells = np.argsort(at), c["measured"][f"{start}, {name}"]
        usual = np.interp(cells["accuracy"], at[order], level[order])
        made.append((cells[endpoint] - usual).tolist())
    return made


def _path(c: dict, start: str, endpoint: str) -> np.ndarray:
    """The students' mean at the start and at every epoch looked at, on real inputs."""
    return np.mean([c["measured"][f"{start}, none"][endpoint], *c["traces"][start][endpoint]], 1)


def rows(result: dict, start: str) -> list[list[str]]:
    """A row for each endpoint, a column for each transfer set."""
    out = [[f"from {STARTS[start]}", *SETS]]
    for endpoint, unit in ENDPOINTS.items():
        found = (interval(values(result, f"{start}, {name}", endpoint)) for name in SETS)
        out.append([f"{endpoint}, {unit}", *map(cell, found)])
    return out


def references(result: dict) -> list[list[str]]:
    """The teacher's own endpoints and the independent student's."""
    both = ("teacher", "independent")
    return [["beside", *both], *(
        [endpoint, *(cell(interval(values(result, name, endpoint))) for name in both)]
        for endpoint in ENDPOINTS)]


NOISE = "normal"
PAIRS = ((NOISE, "KegNet"), (NOISE, "real inputs"), (f"normal, {TIMES} x", "real inputs"))


def differences(result: dict) -> list[list[str]]:
    """Paired differences between transfer sets, as they are and beyond what accuracy explains."""
    out = [["paired difference", *(f"{STARTS[start]}: {a} − {b}{at}" for start in STARTS
                                   for a, b in PAIRS for at in ("", ", at equal accuracy"))]]
    for endpoint in ENDPOINTS:
        line = [endpoint]
        for start in STARTS:
            for a, b in PAIRS:
                names = f"{start}, {a}", f"{start}, {b}"
                raw = paired(*(values(result, name, endpoint) for name in names))
                matched = paired(*(beyond(result, start, name, endpoint) for name in (a, b)))
                line += [cell(raw, sign="+"), "" if endpoint == "accuracy" else
                         cell(matched, sign="+")]
        out.append(line)
    return [list(column) for column in zip(*out, strict=True)]


def increments(result: dict) -> list[list[str]]:
    """What learning adds to the Tucker form of the teacher."""
    names = [name for name in SETS if name != "none"]
    out = [["from Tucker of T, less none", *names]]
    for endpoint in ENDPOINTS:
        none = values(result, "weights, none", endpoint)
        found = (paired(values(result, f"weights, {name}", endpoint), none) for name in names)
        out.append([endpoint, *(cell(entry, sign="+") for entry in found)])
    return out


def tables(result: dict) -> list[list[list[str]]]:
    """Endpoints by start and set, increments, differences, references."""
    return [*(rows(result, start) for start in STARTS), increments(result), differences(result),
            references(result)]


def note(result: dict) -> str:
    """What the numbers are."""
    cells, settings = grid.cells_of(result, does="probe"), grid.said(result)
    return (f"{settings + '; ' if settings else ''}pendigits; teachers: {len(cells)}, students of "
            f"each kind: {len(cells[0]['measured']['independent']['accuracy'])}; ± is half a 95% t "
            "interval over the teachers' means; last epoch; at equal accuracy: less students on "
            "real inputs of the same start, stopped where they were as accurate")


def figure(result: dict):
    """Every endpoint against accuracy: a point for each set, the path of real inputs as a line."""
    from . import plots

    figure = plots.new_figure(13, 8.4)
    axes = figure.subplots(3, 3).ravel()
    for ax, (endpoint, unit) in zip(axes, list(ENDPOINTS.items())[1:], strict=True):
        for start, style, colour in (("weights", "-", "C0"), ("random", "--", "C1")):
            x, y = (np.mean([_path(c, start, key) for c in grid.cells_of(result, does="probe")],
                            axis=0) for key in ("accuracy", endpoint))
            ax.plot(100 * x, 100 * y, style, color=colour, lw=1,
                    label=f"{STARTS[start]}: real inputs, by epoch")
            for name, marker in zip(SETS, "xv^osDP", strict=True):
                at = (100 * interval(values(result, f"{start}, {name}", key))["mean"]
                      for key in ("accuracy", endpoint))
                ax.plot(*at, marker, color=colour, ms=6, ls="",
                        label=f"{STARTS[start]}: {name}")
        ax.set(title=endpoint, ylabel=unit, xlabel="test accuracy, %")
    handles = axes[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=4, fontsize=8)
    return figure
