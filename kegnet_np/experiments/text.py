"""Tables as text, Markdown and LaTeX: rows of strings, the first one the header."""

from collections.abc import Sequence

import numpy as np


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


def to_text(table: list[list[str]]) -> str:
    """Columns aligned with spaces."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])])
             for row in table]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def percent(entry: dict) -> str:
    """A mean ± sd in percent."""
    spread = "" if entry["sd"] is None else f" ± {100 * entry['sd']:.2f}"
    return f"{100 * entry['mean']:.2f}{spread}"


def to_markdown(table: list[list[str]]) -> str:
    """A pipe table."""
    rule = ["---", *["---:"] * (len(table[0]) - 1)]
    return "\n".join("| " + " | ".join(row) + " |" for row in [table[0], rule, *table[1:]])


def to_latex(table: list[list[str]], above: int) -> str:
    """A booktabs tabular with a rule below the first ``above`` rows of its body."""
    lines = [" & ".join(row) + r" \\" for row in table]
    for mark, command in (("%", r"\%"), ("±", r"$\pm$"), ("−", "$-$"), ("_", r"\_")):
        lines = [line.replace(mark, command) for line in lines]
    head, body = lines[0], lines[1:]
    body.insert(above, r"\midrule")
    return "\n".join([r"\begin{tabular}{l" + "r" * (len(table[0]) - 1) + "}", r"\toprule", head,
                      r"\midrule", *body, r"\bottomrule", r"\end{tabular}"])
