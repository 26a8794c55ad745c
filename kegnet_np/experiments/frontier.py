"""How far can compression go with no data? Accuracy against parameters, by sampler.

For every teacher and compression the ranks are chosen once, on normal noise, and the students of
all samplers start from there. Beside them real inputs, the ceiling, and the plain rival: an
ordinary smaller MLP, which sees the samples of the last sampler.
"""

from collections.abc import Mapping, Sequence
from itertools import product
from math import inf

from ..beyond import samplers as named
from ..beyond.ranks import n_params
from ..models import MLP
from . import grid
from .jobs import REAL, Job
from .run import SCORES
from .text import span

PAPER = {  # accuracy in percent and compression, as reported (Yoo et al., 2019, Table 2)
    "shuttle": (94.21, 8.17), "pendigits": (82.62, 8.07), "letter": (77.73, 4.13)}
WITHIN = (1, 3)  # points below the teacher
LABELS = {REAL: "real inputs (ceiling)", "mlp": "smaller MLP, {samples}"}  # others: "{samples}"
note = grid.note


def jobs_of(models: Mapping[str, MLP], compressions: Mapping[str, Sequence[float]],
            samplers: Sequence[str], teachers: int, seed: int) -> list[Job]:
    """The jobs of a frontier.

    models : of the teachers, and compressions : of data sets. Those beyond rank 1 everywhere are
        left to the smaller MLP.
    """
    kinds = [*(("tucker", names) for names in (*samplers, REAL)), ("mlp", samplers[-1])]
    for names in samplers:
        named.parts(names)
    made = []
    for dataset, M in models.items():
        given = list(compressions[dataset])
        if not given or min(given) <= 1 or len(set(given)) < len(given):
            raise ValueError(f"compressions is {given}, expected different numbers above 1")
        for teacher, c in product(range(seed, seed + teachers), given):
            possible = M.layout.size / c >= n_params(M, (1,))
            made += [Job(dataset, teacher, "distill", form, names, compression=c)
                     for form, names in kinds if possible or form == "mlp"]
    return made


def _kinds(result: dict) -> dict[str, dict[str, str]]:
    """Kinds of students by a short name, the ceiling and the rival last: fields of their jobs."""
    kinds = {"mlp" if c["form"] == "mlp" else c["samples"]:
             {key: c[key] for key in ("does", "form", "samples")}
             for c in grid.cells_of(result, does="distill")}
    order = sorted(kinds, key=lambda name: (name == "mlp", name == REAL))
    return {name: kinds[name] for name in order}


def _labels(kinds: dict) -> list[str]:
    return [LABELS.get(name, name).format(**kind) for name, kind in kinds.items()]


def _sets(result: dict) -> list[str]:
    return list(dict.fromkeys(grid.values_of(result, "dataset", does="distill")))


def _sizes(result: dict, **wanted) -> list[float]:
    return sorted({*grid.values_of(result, "compression", **wanted | {"does": "distill"})})


def _curve(result: dict, dataset: str, kind: dict) -> dict[float, dict]:
    """By compression the `interval` of the accuracy of a kind of students; may be empty."""
    at = kind | {"dataset": dataset}
    return {c: grid.entry(result, at | {"compression": c}) for c in _sizes(result, **at)}


def rows(result: dict, dataset: str, key: str = "accuracy") -> list[list[str]]:
    """Header, and a row per compression: parameters, then a cell per sampler, ceiling and rival."""
    kinds = _kinds(result)
    out = [[f"{dataset}: {SCORES[key]}, %", "parameters", *_labels(kinds)]]
    for c in _sizes(result, dataset=dataset):
        at = {"dataset": dataset, "compression": c}
        counts = grid.values_of(result, "n_params", does="distill", **at)
        cells = (grid.shown(result, kind | at, key=key) for kind in kinds.values())
        out.append([f"{c:g}x", span(counts), *cells])
    return out


def differences(result: dict) -> list[list[str]]:
    """A row per data set and compression: differences of accuracy, paired by teacher, of the other
    samplers and the first one, of real inputs and the smaller MLP and the last one."""
    kinds = _kinds(result)
    seen = [name for name in kinds if name not in LABELS]
    pairs = [(name, seen[0]) for name in seen[1:]]
    pairs += [(REAL, seen[-1]), ("mlp", seen[-1]), ("mlp", REAL)] if seen else []
    out = [["paired differences of accuracy", *map(" − ".join, pairs)]]
    for dataset in _sets(result):
        for c in _sizes(result, dataset=dataset, form="tucker"):
            at = {"dataset": dataset, "compression": c}
            less = (grid.shown(result, kinds[a] | at, kinds[b] | at) for a, b in pairs)
            out.append([f"{dataset}, {c:g}x", *less])
    return out


def within(result: dict) -> list[list[str]]:
    """The largest compression up to which every mean is within so many points of the teacher."""
    kinds = _kinds(result)
    out = [["largest compression within", *_labels(kinds)]]
    for dataset, points in product(_sets(result), WITHIN):
        least = grid.entry(result, {"dataset": dataset, "does": "teach"})["mean"] - points / 100
        out.append([f"{dataset}: {points} point{'s' * (points > 1)} of the teacher"])
        for kind in kinds.values():
            curve = _curve(result, dataset, kind)
            far = min((c for c in curve if curve[c]["mean"] < least), default=inf)
            out[-1].append(["none", *(f"{c:g}x" for c in curve if c < far)][-1])
    return out


def chosen(result: dict) -> list[list[str]]:
    """The ranks chosen, by data set, compression and teacher."""
    out = [["data set", "compression", "teacher", "parameters", "ranks, first layer to last", "s"]]
    for c in grid.cells_of(result, does="compress"):
        out.append([c["dataset"], f"{c['compression']:g}x", str(c["teacher"]),
                    f"{c['n_params']:,}", ", ".join(map(str, c["ranks"])), f"{c['seconds']:.0f}"])
    return out


def tables(result: dict) -> list[list[list[str]]]:
    """All tables: accuracy and agreement by set, differences, largest compressions, the ranks."""
    by_set = [rows(result, d, key) for key in ("accuracy", "agreement") for d in _sets(result)]
    return [*by_set, differences(result), within(result), chosen(result)]


def figure(result: dict):
    """Accuracy against parameters, an axis per data set, a line per sampler with intervals."""
    from matplotlib.ticker import NullLocator

    from .plots import row_of_axes

    datasets, kinds = _sets(result), _kinds(result)
    fig, axes = row_of_axes(len(datasets), max(3.4 * len(datasets), 5), 3.6, "test accuracy, %")
    for ax, dataset in zip(axes, datasets, strict=True):
        teacher = {"dataset": dataset, "does": "teach"}
        n_M = grid.cells_of(result, **teacher)[0]["n_params"]
        for i, (name, label) in enumerate(zip(kinds, _labels(kinds), strict=True)):
            curve = _curve(result, dataset, kinds[name])
            means, halves = ([100 * (found[key] or 0) for found in curve.values()]
                             for key in ("mean", "half"))
            style = {REAL: "k--", "mlp": "C7:"}.get(name, f"C{i}-")
            ax.errorbar([n_M / c for c in curve], means, halves, fmt=style, marker="o", ms=3,
                        capsize=2, lw=1.2, label=label)
        ax.axhline(100 * grid.entry(result, teacher)["mean"], color="0.5", lw=1, label="teacher")
        ax.set(xscale="log", xlabel="parameters", title=dataset)
        counts = [n_M / c for c in _sizes(result, dataset=dataset)]
        ax.set_xticks(counts, [f"{n:,.0f}" for n in counts], size=7)
        if dataset in PAPER:
            accuracy, c = PAPER[dataset]
            ax.plot(n_M / c, accuracy, "r*", ms=9, label="KegNet, as reported")
            counts.append(n_M / c)
        ax.set(xlim=(0.7 * min(counts), 1.4 * max(counts)), ylim=(max(0, ax.get_ylim()[0]), 101))
        ax.xaxis.set_minor_locator(NullLocator())
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center",
               ncols=2 if len(datasets) == 1 else 3, fontsize=8)
    return fig
