"""How far can compression go with no data? Accuracy against parameters, by sampler.

For every teacher and compression the ranks are chosen once, on normal noise, and the students of
all samplers start from there. Beside them real inputs, the ceiling, and the plain rival: an
ordinary smaller MLP, which sees the samples of the last sampler.
"""

from collections.abc import Mapping, Sequence
from itertools import product

from ..beyond import samplers as named
from ..beyond.ranks import n_params
from ..models import MLP
from .grid import cells_of, note, values_of
from .jobs import REAL, Job
from .statistics import interval, paired
from .table import KEYS
from .text import cell, span

__all__ = ["figure", "jobs_of", "note", "tables"]

COMPRESSIONS = (2.0, 4.0, 8.0, 12.0, 16.0, 24.0, 40.0)
SAMPLERS = ("normal", "kegnet", "normal+noised")
PAPER = {  # accuracy in percent and compression, as reported (Yoo et al., 2019, Table 2)
    "shuttle": (94.21, 8.17), "pendigits": (82.62, 8.07), "letter": (77.73, 4.13)}
WITHIN = (1, 3)  # points below the teacher

Kind = dict[str, str]  # of students: fields of their jobs


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
        for teacher in range(seed, seed + teachers):
            for c in given:
                possible = M.layout.size / c >= n_params(M, (1,))
                made += [
                    Job(dataset, teacher, "distill", form, names, compression=c)
                    for form, names in kinds if possible or form == "mlp"]
    return made


def _axes(result: dict) -> tuple[list[str], list[float], list[Kind]]:
    cells = cells_of(result, does="distill")
    kinds = list(dict.fromkeys((c["form"], c["samples"]) for c in cells))
    kinds.sort(key=lambda kind: (kind[0] == "mlp", kind[1] == REAL))
    datasets = list(dict.fromkeys(c["dataset"] for c in cells))
    return (datasets, sorted({c["compression"] for c in cells}),
            [{"does": "distill", "form": form, "samples": names} for form, names in kinds])


def _entry(result: dict, key: str = "accuracy", **wanted) -> dict:
    """The `interval` of jobs with these fields, or empty if the grid has none."""
    values = values_of(result, key, **wanted)
    return interval(values) if values else {}


def _label(kind: Kind) -> str:
    if kind["form"] == "mlp":
        return f"smaller MLP, {kind['samples']}"
    return "real inputs (ceiling)" if kind["samples"] == REAL else kind["samples"]


def rows(result: dict, dataset: str, key: str = "accuracy") -> list[list[str]]:
    """Header, and a row per compression: parameters, then a cell per sampler, ceiling and rival."""
    _, sizes, kinds = _axes(result)
    out = [[f"{dataset}: {KEYS[key]}, %", "parameters", *map(_label, kinds)]]
    for c in sizes:
        found = cells_of(result, dataset=dataset, compression=c, does="distill")
        if found:
            entries = [_entry(result, key, dataset=dataset, compression=c, **k) for k in kinds]
            out.append([f"{c:g}x", span([e["n_params"] for e in found]),
                        *(cell(entry) if entry else "" for entry in entries)])
    return out


def differences(result: dict) -> list[list[str]]:
    """A row per data set and compression: differences of accuracy, paired by teacher, of the other
    samplers and the first one, of real inputs and the smaller MLP and the last one."""
    datasets, sizes, kinds = _axes(result)
    seen = [kind for kind in kinds if kind["form"] == "tucker" and kind["samples"] != REAL]
    pairs = [(kind, seen[0]) for kind in seen[1:]]
    if seen:
        real, mlp = seen[0] | {"samples": REAL}, kinds[-1]
        pairs += [(real, seen[-1]), (mlp, seen[-1]), (mlp, real)]
    short = [["mlp" if kind["form"] == "mlp" else kind["samples"] for kind in p] for p in pairs]
    out = [["paired differences of accuracy", *map(" − ".join, short)]]
    for dataset, c in product(datasets, sizes):
        both = [[values_of(result, dataset=dataset, compression=c, **kind) for kind in pair]
                for pair in pairs]
        cells = [cell(paired(*values), sign="+") if all(values) else "" for values in both]
        out += [[f"{dataset}, {c:g}x", *cells]] if any(cells) else []
    return out


def within(result: dict) -> list[list[str]]:
    """The largest compression up to which every mean is within so many points of the teacher."""
    datasets, sizes, kinds = _axes(result)
    out = [["largest compression within", *map(_label, kinds)]]
    for dataset, points in product(datasets, WITHIN):
        least = _entry(result, dataset=dataset, does="teach")["mean"] - points / 100
        out.append([f"{dataset}: {points} point{'s' * (points > 1)} of the teacher"])
        for kind in kinds:
            best = "none"
            for c in sizes:
                found = _entry(result, dataset=dataset, compression=c, **kind)
                if found and found["mean"] < least:
                    break
                best = f"{c:g}x" if found else best
            out[-1].append(best)
    return out


def chosen(result: dict) -> list[list[str]]:
    """The ranks chosen, by data set, compression and teacher."""
    out = [["data set", "compression", "teacher", "parameters", "ranks, first layer to last", "s"]]
    for c in cells_of(result, does="compress"):
        out.append([c["dataset"], f"{c['compression']:g}x", str(c["teacher"]),
                    f"{c['n_params']:,}", ", ".join(map(str, c["ranks"])), f"{c['seconds']:.0f}"])
    return out


def tables(result: dict) -> list[list[list[str]]]:
    """All tables: accuracy and agreement by set, differences, largest compressions, the ranks."""
    by_set = [rows(result, d, key) for key in ("accuracy", "agreement") for d in _axes(result)[0]]
    return [*by_set, differences(result), within(result), chosen(result)]


def figure(result: dict):
    """Accuracy against parameters, an axis per data set, a line per sampler with intervals."""
    from matplotlib.ticker import NullLocator

    from .plots import row_of_axes

    datasets, sizes, kinds = _axes(result)
    fig, axes = row_of_axes(len(datasets), max(3.4 * len(datasets), 5), 3.6, "test accuracy, %")
    for ax, dataset in zip(axes, datasets, strict=True):
        n_M = cells_of(result, dataset=dataset, does="teach")[0]["n_params"]
        for i, kind in enumerate(kinds):
            entries = {n_M / c: _entry(result, dataset=dataset, compression=c, **kind)
                       for c in sizes}
            found = {n: entry for n, entry in entries.items() if entry}  # may be none of a set
            style = f"C{i}-" if kind["form"] == "tucker" else "C7:"
            ax.errorbar([*found], [100 * entry["mean"] for entry in found.values()],
                        [100 * (entry["half"] or 0) for entry in found.values()],
                        fmt="k--" if kind["samples"] == REAL else style,
                        marker="o", ms=3, capsize=2, lw=1.2, label=_label(kind))
        mean = 100 * _entry(result, dataset=dataset, does="teach")["mean"]
        ax.axhline(mean, color="0.5", lw=1, label="teacher")
        used = {c["compression"] for c in cells_of(result, dataset=dataset, does="distill")}
        shown = [n_M / c for c in sorted(used)]
        ax.set(xscale="log", xlabel="parameters", title=dataset)
        ax.set_xticks(shown, [f"{n:,.0f}" for n in shown], size=7)
        if dataset in PAPER:
            accuracy, c = PAPER[dataset]
            ax.plot(n_M / c, accuracy, "r*", ms=9, label="KegNet, as reported")
            shown.append(n_M / c)
        ax.set(xlim=(0.7 * min(shown), 1.4 * max(shown)), ylim=(max(0, ax.get_ylim()[0]), 101))
        ax.xaxis.set_minor_locator(NullLocator())
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center",
               ncols=2 if len(datasets) == 1 else 3, fontsize=8)
    return fig
