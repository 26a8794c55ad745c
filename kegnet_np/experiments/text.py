"""Tables as text, Markdown and LaTeX: rows of strings, the first one the header."""

from collections.abc import Sequence

import numpy as np


def cell(entry: dict, digits: int = 1, sign: str = "", spread: str = "half") -> str:
    """An `interval` in percent, "mean ± half-width" or ± another spread; "" of an empty one."""
    if not entry:
        return ""
    mean = f"{100 * entry['mean']:{sign}.{digits}f}"
    return mean if entry[spread] is None else f"{mean} ± {100 * entry[spread]:.{digits}f}"


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


def to_markdown(table: list[list[str]]) -> str:
    """A pipe table."""
    rule = ["---", *["---:"] * (len(table[0]) - 1)]
    return "\n".join("| " + " | ".join(row) + " |" for row in [table[0], rule, *table[1:]])


def to_latex(table: list[list[str]], above: int) -> str:
    """A booktabs tabular with a rule below the first ``above`` rows of its body."""
    signs = str.maketrans({"%": r"\%", "±": r"$\pm$", "−": "$-$", "_": r"\_"})
    head, *body = (" & ".join(row).translate(signs) + r" \\" for row in table)
    body.insert(above, r"\midrule")
    return "\n".join([r"\begin{tabular}{l" + "r" * (len(table[0]) - 1) + "}", r"\toprule", head,
                      r"\midrule", *body, r"\bottomrule", r"\end{tabular}"])
