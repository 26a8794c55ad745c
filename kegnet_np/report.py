"""What a finished table says: means, intervals, paired differences; text, LaTeX, figure.

Everything is made from the dict that ``table.json`` holds; no number is typed by hand.
``python -m kegnet_np.report NAME`` makes the pages of ``results/NAME.json`` anew.
"""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from scipy.stats import t as student_t
from threadpoolctl import threadpool_limits

from .checkpoint import write_text
from .experiment import LABELS
from .plots import new_figure, save

KEYS = {"accuracy": "test accuracy", "balanced": "balanced accuracy", "agreement": "agreement"}
PAIRS = (("kegnet", "tucker"), ("kegnet", "uniform"), ("kegnet", "normal"), ("real", "normal"))


def interval(per_teacher: Sequence[Sequence[float]]) -> dict:
    """Mean, sd and the half-width of a 95% Student t interval of nested seeds.

    Parameters
    ----------
    per_teacher : for each teacher its students' values. The teacher is the unit: with two or
        more, sd and interval are those of the teachers' means; with one, of its students', and
        then the interval says nothing of other teachers.

    Returns
    -------
    {mean, sd, half, n}: sd and half are None for a single value, n counts the units.
    """
    if not per_teacher or not all(len(values) for values in per_teacher):
        raise ValueError("per_teacher is empty, expected a list of values for each teacher")
    means = [float(np.mean(values)) for values in per_teacher]
    units = means if len(means) > 1 else [float(v) for v in per_teacher[0]]
    n = len(units)
    if n == 1:
        return {"mean": means[0], "sd": None, "half": None, "n": 1}
    sd = float(np.std(units, ddof=1))
    half = float(student_t.ppf(0.975, n - 1) * sd / n**0.5)
    return {"mean": float(np.mean(means)), "sd": sd, "half": half, "n": n}


def columns(result: dict) -> list[tuple[str, int]]:
    """The table's columns, (data set, rank), in the order of the grid."""
    return list(dict.fromkeys((c["dataset"], c["rank"]) for c in result["cells"] if c["rank"]))


def values_of(result: dict, dataset: str, rank: int, stage: str, key: str) -> list[list[float]]:
    """For each teacher the values of its students; the teacher itself has no rank."""
    rank = 0 if stage == "teacher" else rank
    return [
        c[key] for c in result["cells"]
        if (c["dataset"], c["rank"], c["stage"]) == (dataset, rank, stage)
    ]  # fmt: skip


def paired(a: Sequence[Sequence[float]], b: Sequence[Sequence[float]]) -> dict:
    """`interval` of a less b, taken teacher by teacher and student by student."""
    return interval([np.subtract(x, y).tolist() for x, y in zip(a, b, strict=True)])


def differences(result: dict, dataset: str, rank: int, a: str, b: str, key="accuracy") -> dict:
    """`interval` of approach a less approach b, paired by teacher and student.

    "tucker" has one value per teacher, which is taken from each of its students.
    """
    return paired(*(values_of(result, dataset, rank, stage, key) for stage in (a, b)))


def cell(entry: dict, digits: int = 1, sign: str = "") -> str:
    """An `interval` in percent, "mean ± half-width"."""
    mean = f"{100 * entry['mean']:{sign}.{digits}f}"
    return mean if entry["half"] is None else f"{mean} ± {100 * entry['half']:.{digits}f}"


def span(counts: Sequence[int]) -> str:
    """The least and the most of some counts, or the one."""
    ends = dict.fromkeys((min(counts), max(counts)))
    return " to ".join(f"{count:,}" for count in ends)


def by_teacher(per_teacher: Sequence[Sequence[float]]) -> str:
    """Each teacher's mean in percent."""
    return ", ".join(f"{100 * np.mean(values):.1f}" for values in per_teacher)


def rows(result: dict, key: str) -> list[list[str]]:
    """Header and a row per approach, then a row per paired difference, as strings."""
    names = columns(result)
    out = [[KEYS[key] + ", %"] + [f"{dataset}, rank {rank}" for dataset, rank in names]]
    for stage, label in LABELS.items():
        cells = [cell(interval(values_of(result, *name, stage, key))) for name in names]
        out.append([label, *cells])
    for a, b in PAIRS:
        cells = [cell(differences(result, *name, a, b, key), sign="+") for name in names]
        out.append([f"{a} − {b}, paired", *cells])
    return out


def note(result: dict) -> str:
    """What the numbers are: protocol, seeds, selection, interval.

    Cells without a stage, as benchmarks make them, are all of students.
    """
    trained = [c for c in result["cells"] if c.get("stage", "real") == "real"]
    teachers, students = len({c["teacher"] for c in trained}), len(trained[0]["accuracy"])
    unit = "the teachers' means" if teachers > 1 else "one teacher's students"
    settings = ", ".join(f"{k} {v}" for k, v in result["settings"].items())
    return (
        f"{settings}; teachers: {teachers}, students of each: {students}; "
        f"± is half a 95% t interval over {unit}"
    )


def seconds(result: dict) -> list[list[str]]:
    """Header and a row per approach: the mean time of a job, all its students together."""
    names = columns(result)
    out = [["seconds a job"] + [f"{dataset}, rank {rank}" for dataset, rank in names]]
    for stage in ("teacher", "generators", "uniform", "normal", "kegnet", "real"):
        out.append([stage])
        for dataset, rank in names:
            rank = 0 if stage == "generators" else rank
            times = values_of(result, dataset, rank, stage, "seconds")
            out[-1].append(f"{np.mean(times):.1f}")
    return out


def to_markdown(table: list[list[str]]) -> str:
    """A pipe table."""
    rule = ["---", *["---:"] * (len(table[0]) - 1)]
    return "\n".join("| " + " | ".join(row) + " |" for row in [table[0], rule, *table[1:]])


def to_latex(table: list[list[str]]) -> str:
    """A booktabs tabular."""
    def line(row):
        text = " & ".join(row)
        for mark, command in (("%", r"\%"), ("±", r"$\pm$"), ("−", "$-$"), ("_", r"\_")):
            text = text.replace(mark, command)
        return text + r" \\"

    body = [line(row) for row in table[1:]]
    body.insert(len(LABELS), r"\midrule")
    return "\n".join([
        r"\begin{tabular}{l" + "r" * (len(table[0]) - 1) + "}", r"\toprule", line(table[0]),
        r"\midrule", *body, r"\bottomrule", r"\end{tabular}",
    ])  # fmt: skip


def figure(result: dict):
    """Accuracy by approach with intervals, every teacher as a dot, teacher and ceiling as lines."""
    names = columns(result)
    fig = new_figure(3.3 * len(names), 3.2)
    axes = fig.subplots(1, len(names), squeeze=False)[0]
    shown = ("tucker", "uniform", "normal", "kegnet")
    for ax, name in zip(axes, names, strict=True):
        for i, stage in enumerate(shown):  # a dot with its interval; beside it every teacher
            per_teacher = values_of(result, *name, stage, "accuracy")
            entry = interval(per_teacher)
            ax.errorbar(
                i, 100 * entry["mean"], 100 * (entry["half"] or 0), fmt="o", capsize=4,
                label="mean, 95% interval" if i == 0 else None,
            )  # fmt: skip
            means = [100 * np.mean(values) for values in per_teacher]
            place, name_once = np.full(len(means), i + 0.18), "one teacher" if i == 0 else None
            ax.plot(place, means, ".", color="0.5", ms=4, label=name_once)
        for stage, style, colour in (("teacher", "-", "black"), ("real", "--", "seagreen")):
            mean = 100 * interval(values_of(result, *name, stage, "accuracy"))["mean"]
            label = "teacher" if stage == "teacher" else "real inputs (ceiling)"
            ax.axhline(mean, ls=style, color=colour, lw=1, label=label)
        ax.set_xticks(range(len(shown)), ["Tucker\nonly", "uniform", "normal", "KegNet"])
        ax.set(title=f"{name[0]}, rank {name[1]}", ylim=(None, 101.5))
        ax.set_xlim(-0.5, len(shown) - 0.5)
        ax.set_ylim(max(ax.get_ylim()[0], 0), None)
    axes[0].set_ylabel("test accuracy, %")
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return fig


def document(result: dict) -> str:
    """All tables of a result as a Markdown page."""
    tables = [to_markdown(t) for t in (*(rows(result, key) for key in KEYS), seconds(result))]
    title = f"# Protocol {result['settings']['protocol']}"
    cells = result["cells"]
    whole = sum(c["seconds"] for c in cells) / len({c["teacher"] for c in cells}) / 60
    time = f"All jobs of one teacher together: {whole:.0f} minutes of one core, in the mean."
    return "\n\n".join([title, note(result) + ".", *tables, time])


def with_block(text: str, name: str, block: str) -> str:
    """``text`` with what stands between the comments "name" and "end name" replaced."""
    first, last = f"<!-- {name} -->", f"<!-- end {name} -->"
    if text.count(first) != 1 or text.count(last) != 1:
        raise ValueError(f"text has no one pair of comments {first} and {last}; put them in")
    before, _, rest = text.partition(first)
    return f"{before}{first}\n{block}\n{last}{rest.partition(last)[2]}"


def pages(result: dict, name: str, readme: str) -> dict[str, str]:
    """What is generated from ``results/name.json``: file name -> text, README.md included."""
    accuracy = rows(result, "accuracy")
    block = f"\n{to_markdown(accuracy)}\n\n{note(result)} (all of it: `results/{name}.md`).\n"
    return {
        f"results/{name}.md": document(result) + "\n",
        f"results/{name}.tex": to_latex(accuracy) + "\n",
        "README.md": with_block(readme, f"results/{name}", block),
    }


def main(names: Sequence[str], pages: Callable = pages, figure: Callable | None = figure) -> None:
    """Write everything that is generated from ``results/*.json``, in the repository's root.

    pages, figure : those of this module, or of another that renders such results.
    """
    for name in names:
        path = Path("results", f"{name}.json")
        result = json.loads(path.read_text(encoding="utf-8"))
        readme = Path("README.md").read_text(encoding="utf-8")
        for file, text in pages(result, name, readme).items():
            write_text(file, text)
        if figure:
            save(figure(result), path.with_suffix(".png"))


def one_page(
    name: str, title: str, note: str, tables: Sequence[list[list[str]]], readme: str
) -> dict[str, str]:
    """A benchmark's pages: its tables and a note, in ``results/name.md`` and in README.md."""
    shown = "\n\n".join(map(to_markdown, tables))
    return {
        f"results/{name}.md": f"# {title}\n\n{note}.\n\n{shown}\n",
        "README.md": with_block(readme, f"results/{name}", f"\n{shown}\n\n{note}.\n"),
    }


def benchmark(name: str, compute: Callable, pages: Callable) -> None:
    """A benchmark's command line: results/name.json from folders, if any are named; its pages."""
    if folders := [Path(argument) for argument in sys.argv[1:]]:
        with threadpool_limits(1, user_api="blas"):
            made = compute(*folders)
        write_text(Path("results", f"{name}.json"), json.dumps(made, indent=1) + "\n")
    main([name], pages, None)


if __name__ == "__main__":
    main(sys.argv[1:])
