"""How far can compression go with no data? Accuracy against parameters, by sampler.

The grid of `table` with compressions in place of ranks: for every teacher and compression the
ranks are chosen once, on normal noise, and the students of all samplers start from there. Beside
them real inputs, the ceiling, and the plain rival: an ordinary smaller MLP.
"""

import sys
from collections.abc import Mapping, Sequence

from matplotlib.ticker import NullLocator

from . import report
from .models import Classifier
from .plots import new_figure
from .ranks import n_params
from .sampling import needs_generators
from .table import MLP, Job, is_mlp

COMPRESSIONS = (2.0, 4.0, 8.0, 12.0, 16.0, 24.0, 40.0)
SAMPLERS = ("normal", "kegnet", "normal+noised")
PAPER = {  # accuracy in percent and compression, as reported (Yoo et al., 2019, Table 2)
    "shuttle": (94.21, 8.17), "pendigits": (82.62, 8.07), "letter": (77.73, 4.13),
}  # fmt: skip
WITHIN = (1, 3)  # points below the teacher


def waves(
    models: Mapping[str, Classifier], compressions: Mapping[str, Sequence[float]],
    samplers: Sequence[str], teachers: int, seed: int,
) -> list[list[Job]]:  # fmt: skip
    """The jobs in four waves: teachers, generators if a sampler needs them, ranks, students.

    models : the teacher's model for each data set. compressions : for each data set; those beyond
        rank 1 everywhere are left to the smaller MLP, which sees the last of the samplers.
    """
    for dataset in models:
        given = list(compressions[dataset])
        if not given or min(given) <= 1 or len(set(given)) < len(given):
            raise ValueError(f"compressions is {given}, expected different numbers above 1")
    learnt = [names for names in samplers if needs_generators(names)]
    made: list[list[Job]] = [[], [], [], []]
    for dataset, M in models.items():
        for teacher in range(seed, seed + teachers):
            made[0].append(Job(dataset, teacher, "teacher"))
            made[1] += [Job(dataset, teacher, "generators")] if learnt else []
            for c in compressions[dataset]:
                stages = (*samplers, "real", MLP + samplers[-1])
                students = [Job(dataset, teacher, stage, 0, c) for stage in stages]
                if M.layout.size / c < n_params(M, (1,)):
                    students = students[-1:]
                else:
                    made[2].append(Job(dataset, teacher, "ranks", 0, c))
                made[3] += students
    return made


def values_of(result: dict, dataset: str, compression: float, stage: str, key="accuracy") -> list:
    """For each teacher the values of its students; empty if the grid has no such jobs."""
    return [
        c[key] for c in result["cells"]
        if (c["dataset"], c.get("compression"), c["stage"]) == (dataset, compression, stage)
    ]  # fmt: skip


def entry(result: dict, *cell, **key) -> dict:
    """`report.interval` of `values_of`, or empty."""
    values = values_of(result, *cell, **key)
    return report.interval(values) if values else {}


def _axes(result: dict) -> tuple[list[str], list[float], list[str]]:
    cells = [c for c in result["cells"] if c.get("compression") and c["stage"] != "ranks"]
    keys = ("dataset", "compression", "stage")
    datasets, sizes, stages = (list(dict.fromkeys(c[key] for c in cells)) for key in keys)
    return datasets, sorted(sizes), stages


def _label(stage: str) -> str:
    if stage == "real":
        return "real inputs (ceiling)"
    return f"smaller MLP, {stage.removeprefix(MLP)}" if is_mlp(stage) else stage


def _pairs(stages: Sequence[str]) -> list[tuple[str, str]]:
    """Other samplers with the first one; real inputs and the smaller MLP with the last one."""
    samplers = [s for s in stages if s != "real" and not is_mlp(s)]
    if not samplers:
        return []
    first, last = samplers[0], samplers[-1]
    (mlp,) = set(stages) - {"real", *samplers}
    return [(s, first) for s in samplers[1:]] + [("real", last), (mlp, last), (mlp, "real")]


def rows(result: dict, dataset: str, key: str = "accuracy") -> list[list[str]]:
    """Header, and a row per compression: parameters, then a cell per sampler, ceiling and rival."""
    _, sizes, stages = _axes(result)
    out = [[f"{dataset}: {report.KEYS[key]}, %", "parameters"]]
    out[0] += [_label(stage) for stage in stages]
    for c in sizes:
        counts = [
            e["n_params"] for e in result["cells"]
            if (e["dataset"], e.get("compression")) == (dataset, c) and e["stage"] != "ranks"
        ]  # fmt: skip
        if counts:
            cells = [entry(result, dataset, c, stage, key=key) for stage in stages]
            row = [f"{c:g}x", report.span(counts)]
            out.append(row + [report.cell(e) if e else "" for e in cells])
    return out


def paired(result: dict) -> list[list[str]]:
    """A row per data set and compression: differences of accuracy, paired by teacher."""
    datasets, sizes, stages = _axes(result)
    pairs = _pairs(stages)
    short = {stage: "mlp" if is_mlp(stage) else stage for stage in stages}
    out = [["paired differences of accuracy"] + [f"{short[a]} − {short[b]}" for a, b in pairs]]
    for dataset, c in ((dataset, c) for dataset in datasets for c in sizes):
        out.append([f"{dataset}, {c:g}x"])
        for pair in pairs:
            both = [values_of(result, dataset, c, stage) for stage in pair]
            there = all(both)  # or the grid has no such jobs
            out[-1].append(report.cell(report.paired(*both), sign="+") if there else "")
    return out[:1] + [row for row in out[1:] if any(row[1:])]


def within(result: dict) -> list[list[str]]:
    """The largest compression of the grid whose mean is within 1, within 3 points of the teacher.

    Every smaller compression of the grid must be within, too.
    """
    datasets, sizes, stages = _axes(result)
    out = [["largest compression within"] + [_label(stage) for stage in stages]]
    for dataset in datasets:
        teacher = report.interval(report.values_of(result, dataset, 0, "teacher", "accuracy"))
        for points in WITHIN:
            out.append([f"{dataset}: {points} point{'s' * (points > 1)} of the teacher"])
            for stage in stages:
                best = "none"
                for c in sizes:
                    found = entry(result, dataset, c, stage)
                    if found and found["mean"] < teacher["mean"] - points / 100:
                        break
                    best = f"{c:g}x" if found else best
                out[-1].append(best)
    return out


def chosen(result: dict) -> list[list[str]]:
    """The ranks chosen, by data set, compression and teacher."""
    out = [["data set", "compression", "teacher", "parameters", "ranks, first layer to last", "s"]]
    for c in result["cells"]:
        if c["stage"] == "ranks":
            out.append([c["dataset"], f"{c['compression']:g}x", str(c["teacher"]),
                        f"{c['n_params']:,}", ", ".join(map(str, c["ranks"])),
                        f"{c['seconds']:.0f}"])  # fmt: skip
    return out


def figure(result: dict):
    """Accuracy against parameters, an axis per data set, a line per sampler with intervals."""
    datasets, sizes, stages = _axes(result)
    fig = new_figure(max(3.4 * len(datasets), 5), 3.6)
    for ax, dataset in zip(fig.subplots(1, len(datasets), squeeze=False)[0], datasets, strict=True):
        n_M = next(c["n_params"] for c in result["cells"]
                   if (c["dataset"], c["stage"]) == (dataset, "teacher"))  # fmt: skip
        for i, stage in enumerate(stages):
            found = [(n_M / c, entry(result, dataset, c, stage)) for c in sizes]
            found = [(n, e) for n, e in found if e]
            half = [100 * (e["half"] or 0) for _, e in found]
            style = "k--" if stage == "real" else "C7:" if is_mlp(stage) else f"C{i}-"
            ax.errorbar([n for n, _ in found], [100 * e["mean"] for _, e in found], half,
                        fmt=style, marker="o", ms=3, capsize=2, lw=1.2,
                        label=_label(stage))  # fmt: skip
        teacher = report.interval(report.values_of(result, dataset, 0, "teacher", "accuracy"))
        ax.axhline(100 * teacher["mean"], color="0.5", lw=1, label="teacher")
        if dataset in PAPER:
            accuracy, c = PAPER[dataset]
            ax.plot(n_M / c, accuracy, "r*", ms=9, label="KegNet, as reported")
        ax.set(xscale="log", xlabel="parameters", title=dataset)
        ax.set_ylim(max(0, ax.get_ylim()[0]), 101)
        shown = [n_M / c for c in sizes if any(entry(result, dataset, c, s) for s in stages)]
        ax.set_xticks(shown, [f"{n:,.0f}" for n in shown], size=7)
        shown += [n_M / PAPER[dataset][1]] if dataset in PAPER else []
        ax.set_xlim(0.7 * min(shown), 1.4 * max(shown))
        ax.xaxis.set_minor_locator(NullLocator())
    fig.axes[0].set_ylabel("test accuracy, %")
    fig.legend(*fig.axes[0].get_legend_handles_labels(), loc="outside lower center",
               ncols=2 if len(datasets) == 1 else 3, fontsize=8)  # fmt: skip
    return fig


def tables(result: dict) -> list[list[list[str]]]:
    """All tables: accuracy and agreement by set, differences, largest compressions, the ranks."""
    by_set = [rows(result, d, key) for d in _axes(result)[0] for key in ("accuracy", "agreement")]
    return [*by_set, paired(result), within(result), chosen(result)]


def pages(result: dict, name: str, readme: str) -> dict[str, str]:
    """What is generated from ``results/name.json``: file name -> text, README.md included."""
    made = [report.to_markdown(table) for table in tables(result)]
    page = "\n\n".join(["# The frontier", report.note(result) + ".", *made]) + "\n"
    first = [rows(result, d) for d in _axes(result)[0]]
    last = f"{report.note(result)} (all of it, with the ranks: `results/{name}.md`)."
    shown = map(report.to_markdown, (*first, paired(result), within(result)))
    block = "\n" + "\n\n".join([*shown, last]) + "\n"
    return {
        f"results/{name}.md": page, "README.md": report.with_block(readme, f"results/{name}", block)
    }  # fmt: skip


if __name__ == "__main__":
    report.main(sys.argv[1:], pages, figure)
