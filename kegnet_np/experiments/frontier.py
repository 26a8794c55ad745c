"""How far can compression go with no data? Accuracy against parameters, by form and sampler.

For every teacher and compression the ranks are chosen once, on normal noise, and the Tucker
students of all samplers start from there. Beside them real inputs, the ceiling, and plain, smaller
MLPs: of the last sampler, or where forms are asked for of all of them.
"""

from collections.abc import Mapping, Sequence
from itertools import product
from math import inf

import numpy as np

from ..beyond import samplers as named
from ..beyond.ranks import largest_rank, n_params, smaller_mlp
from ..models import MLP
from . import grid, pipeline
from .jobs import REAL, Job
from .run import FORMS, SCORES
from .text import span

PAPER = {  # accuracy in percent and compression, as reported (Yoo et al., 2019, Table 2)
    "shuttle": (94.21, 8.17), "pendigits": (82.62, 8.07), "letter": (77.73, 4.13)}
WITHIN = (1, 3)  # points below the teacher
note = grid.note


def jobs_of(models: Mapping[str, MLP], compressions: Mapping[str, Sequence[float]],
            samplers: Sequence[str], teachers: int, seed: int, forms: Sequence[str] = (),
            also: Sequence[str] = (), lean: bool = True) -> list[Job]:
    """The jobs of a frontier.

    models : of the teachers, and compressions : of data sets. Those beyond rank 1 everywhere are
        left to the MLP.
    forms : "mlp", "tucker", each on all samplers and real inputs (default: Tucker, and the rival).
    also : samplers for the least compression alone. lean : count the lean form.
    """
    if not forms:
        kinds = [*(("tucker", names) for names in (*samplers, REAL)), ("mlp", samplers[-1])]
    else:
        kinds = list(product(forms, (*samplers, *also, REAL)))
    for names in (*samplers, *also):
        named.parts(names)
    if wrong := set(forms) - FORMS.keys():
        raise ValueError(f"forms has {min(wrong)!r}, expected mlp, tucker or both")
    made = []
    for dataset, M in models.items():
        given = list(compressions[dataset])
        if not given or min(given) <= 1 or len(set(given)) < len(given):
            raise ValueError(f"compressions is {given}, expected different numbers above 1")
        for teacher, c in product(range(seed, seed + teachers), given):
            possible = M.layout.size / c >= n_params(M, (1,), lean)
            if not possible and forms and "mlp" not in forms:
                largest_rank(M, int(M.layout.size / c), lean)  # says what is
            if any(form == "mlp" for form, _ in kinds):
                smaller_mlp(M, int(M.layout.size / c))
            made += [Job(dataset, teacher, "distill", form, names, compression=c)
                     for form, names in kinds if (possible or form == "mlp")
                     and (c == min(given) or names not in also)]
    return made


def _kinds(result: dict) -> dict[str, dict[str, str]]:
    """Kinds of students by their label: fields of their jobs. Each form's ceiling comes last; so
    does the plain rival, where only it is an MLP."""
    kinds = {(c["form"], c["samples"]): {key: c[key] for key in ("does", "form", "samples")}
             for c in grid.cells_of(result, does="distill")}
    forms = [form for form, _ in kinds]
    rival = forms.count("mlp") < 2 and "tucker" in forms

    def label(form, samples):
        seen = "real inputs (ceiling)" if samples == REAL else samples
        if rival:
            return seen if form == "tucker" else f"smaller MLP, {samples}"
        return f"{FORMS[form]}, {seen}"

    order = sorted(kinds, key=lambda kind: ((kind[0] == "mlp") == rival, kind[1] == REAL))
    return {label(*kind): kinds[kind] for kind in order}


def _sets(result: dict) -> list[str]:
    return list(dict.fromkeys(grid.values_of(result, "dataset", does="distill")))


def _sizes(result: dict, **wanted) -> list[float]:
    return sorted({*grid.values_of(result, "compression", **wanted | {"does": "distill"})})


def _curve(result: dict, dataset: str, kind: dict, key: str = "accuracy") -> dict[float, dict]:
    """By compression the `interval` of a score of a kind of students; may be empty."""
    at = kind | {"dataset": dataset}
    return {c: grid.entry(result, at | {"compression": c}, key=key) for c in _sizes(result, **at)}


def rows(result: dict, dataset: str, key: str = "accuracy") -> list[list[str]]:
    """Header, the teachers' row, where one class has most of the rows a row of who always answers
    it, and a row per compression: parameters, a cell for every kind."""
    kinds, taught = _kinds(result), {"dataset": dataset, "does": "teach"}
    out = [[f"{dataset}: {SCORES[key]}, %", "parameters", *kinds]]
    counts = span(grid.values_of(result, "n_params", **taught))
    out.append(["teacher", counts, grid.shown(result, taught, key=key)] + [""] * (len(kinds) - 1))
    largest = grid.cells_of(result, **taught)[0].get("majority")
    if largest and key in largest and pipeline.uneven(largest):
        always = f"always answer {largest['answer']}"
        out.append([always, "", f"{100 * largest[key]:.1f}"] + [""] * (len(kinds) - 1))
    for c in _sizes(result, dataset=dataset):
        at = {"dataset": dataset, "compression": c}
        counts = span(grid.values_of(result, "n_params", does="distill", **at))
        cells = (grid.shown(result, kind | at, key=key) for kind in kinds.values())
        out.append([f"{c:g}x", counts, *cells])
    return out


def _pairs(kinds: dict[str, dict]) -> list[tuple[str, str]]:
    """What is less what, by label: of a form the other samplers and the first, real inputs and the
    last; the forms on the same samples; the plain rival and real inputs."""
    pairs, by_kind = [], {(kind["form"], kind["samples"]): name for name, kind in kinds.items()}
    for form in dict.fromkeys(form for form, _ in by_kind):
        first, *others = [s for f, s in by_kind if f == form and s != REAL]
        pairs += [(by_kind[form, names], by_kind[form, first]) for names in others]
        if (form, REAL) in by_kind:
            pairs.append((by_kind[form, REAL], by_kind[form, [first, *others][-1]]))
    both = [names for form, names in by_kind if form == "mlp" and ("tucker", names) in by_kind]
    pairs += [(by_kind["mlp", names], by_kind["tucker", names]) for names in both]
    if len(both) == 1 and REAL not in both and ("tucker", REAL) in by_kind:
        pairs.append((by_kind["mlp", both[0]], by_kind["tucker", REAL]))
    return pairs


def differences(result: dict, key: str = "accuracy") -> list[list[str]]:
    """A row per data set and compression: differences of a score, paired by teacher."""
    kinds = _kinds(result)
    pairs = _pairs(kinds)
    out = [[f"paired differences of {SCORES[key].removeprefix('test ')}", *map(" − ".join, pairs)]]
    for dataset in _sets(result):
        for c in _sizes(result, dataset=dataset):
            at = {"dataset": dataset, "compression": c}
            less = [grid.shown(result, kinds[a] | at, kinds[b] | at, key=key) for a, b in pairs]
            out += [[f"{dataset}, {c:g}x", *less]] if any(less) else []
    return out


def within(result: dict) -> list[list[str]]:
    """The largest compression up to which every mean, of accuracy and of balanced accuracy, is
    within so many points of the teacher."""
    kinds = _kinds(result)
    out = [["largest compression within, in accuracy and balanced accuracy", *kinds]]
    for dataset, points in product(_sets(result), WITHIN):
        out.append([f"{dataset}: {points} point{'s' * (points > 1)} of the teacher"])
        for kind in kinds.values():
            less = [inf]
            for key in ("accuracy", "balanced"):
                taught = grid.entry(result, {"dataset": dataset, "does": "teach"}, key=key)
                curve, least = _curve(result, dataset, kind, key), taught["mean"] - points / 100
                less += [c for c in curve if curve[c]["mean"] < least]
            out[-1].append(["none", *(f"{c:g}x" for c in curve if c < min(less))][-1])
    return out


def chosen(result: dict) -> list[list[str]]:
    """The ranks chosen, by data set, compression and teacher."""
    out = [["data set", "compression", "teacher", "parameters", "ranks, first layer to last", "s"]]
    for c in grid.cells_of(result, does="compress"):
        out.append([c["dataset"], f"{c['compression']:g}x", str(c["teacher"]),
                    f"{c['n_params']:,}", ", ".join(map(str, c["ranks"])), f"{c['seconds']:.0f}"])
    return out


def recipes(result: dict) -> list[list[str]]:
    """What trials chose for each teacher, by data set, compression and kind of students, and the
    seconds of trials and training, means over the teachers."""
    kinds = _kinds(result)
    out = [["data set", "compression", "students", "layers x width, learning rate, batch",
            "trials, s", "training, s"]]
    for dataset in _sets(result):
        for c, (name, kind) in product(_sizes(result, dataset=dataset), kinds.items()):
            cells = grid.cells_of(result, dataset=dataset, compression=c, **kind)
            told = [f"{len(cell['widths'])} x {cell['widths'][0]}, {cell['recipe']['lr']:g}, "
                    f"{cell['recipe']['batch']}" for cell in cells if "recipe" in cell]
            if told:
                means = (np.mean([cell[key] for cell in cells])
                         for key in ("recipe_seconds", "seconds"))
                seconds = map("{:.0f}".format, means)
                out.append([dataset, f"{c:g}x", name, "; ".join(told), *seconds])
    return out


def tables(result: dict) -> list[list[list[str]]]:
    """All tables: the scores by set, differences, of balanced accuracy too where a set is uneven,
    largest compressions, ranks and recipes."""
    uneven = any(pipeline.uneven(c.get("majority")) for c in grid.cells_of(result, does="teach"))
    less = [differences(result, key) for key in ("accuracy", "balanced")[: 1 + uneven]]
    by_set = [rows(result, d, key) for key in SCORES for d in _sets(result)]
    every = [*by_set, *less, within(result), chosen(result), recipes(result)]
    return [table for table in every if len(table) > 1]


def figure(result: dict):
    """Accuracy against parameters, an axis per data set, a line per sampler with intervals."""
    from matplotlib.ticker import NullLocator

    from .plots import row_of_axes

    datasets, kinds = _sets(result), _kinds(result)
    seen = list(dict.fromkeys(kind["samples"] for kind in kinds.values()))
    fig, axes = row_of_axes(len(datasets), max(3.4 * len(datasets), 5), 3.6, "test accuracy, %")
    for ax, dataset in zip(axes, datasets, strict=True):
        teacher = {"dataset": dataset, "does": "teach"}
        n_M = grid.cells_of(result, **teacher)[0]["n_params"]
        for label, kind in kinds.items():
            curve = _curve(result, dataset, kind)
            means, halves = ([100 * (found[key] or 0) for found in curve.values()]
                             for key in ("mean", "half"))
            colour = "k" if kind["samples"] == REAL else f"C{seen.index(kind['samples'])}"
            style = colour + (":" if kind["form"] == "mlp" else "-" if colour != "k" else "--")
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
