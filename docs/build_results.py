"""What is generated from results/*.json: ``python docs/build_results.py`` makes it anew.

That is a block of docs/results.md for each result, with all its tables and what their numbers are;
a summary in README.md; the figures beside the results; and the table of docs/protocols.md. No
number in a block is typed by hand.
"""

import json
from importlib import import_module
from pathlib import Path
from typing import Any

from kegnet_np.experiments.text import to_markdown

ROOT = Path(__file__).resolve().parents[1]
RESULTS = sorted((ROOT / "results").glob("*.json"))
DOCUMENT, PROTOCOLS, README = (
    ROOT / name for name in ("docs/results.md", "docs/protocols.md", "README.md")
)
SUMMARY, SMALL = "fair", "frontier-tuned"  # results that the README has a few rows of
ROWS = ("teacher", "normal", "kegnet", "real")  # and the paired difference of two
PAIRED = "kegnet − normal, paired"


def read(path: Path) -> tuple[dict, Any]:
    """A result, and the module of the question it answers."""
    result = json.loads(path.read_text(encoding="utf-8"))
    return result, import_module(f"kegnet_np.experiments.{result['question']}")


def block(path: Path) -> str:
    """All of a result: what its numbers are, then table by table."""
    result, question = read(path)
    return "\n\n".join([f"{question.note(result)}.", *map(to_markdown, question.tables(result))])


def summary() -> str:
    """A few rows of one result, for the README."""
    from kegnet_np.experiments.run import LABELS

    result, question = read(ROOT / "results" / f"{SUMMARY}.json")
    head, *rows = question.rows(result, "accuracy")
    by_name = {row[0]: row for row in rows}
    chosen = [by_name[LABELS[name]] for name in ROWS] + [by_name[PAIRED]]
    return f"{to_markdown([head, *chosen])}\n\n{question.note(result)}."


def small() -> str:
    """A row per data set, a column per compression, of the first kind of students, for README."""
    result, question = read(ROOT / "results" / f"{SMALL}.json")
    rows: list[list[str]] = []
    sizes: list[list[str]] = []
    sets = [c["dataset"] for c in result["cells"] if c["does"] == "teach"]
    for dataset in dict.fromkeys(sets):
        head, taught, *sizes = question.rows(result, dataset)
        cells = [row[2] if j else f"{row[2]} ({row[0]})" for j, row in enumerate(sizes)]
        rows.append([f"{dataset}: {head[2]}", taught[2], *cells])
    names = ["test accuracy, %", "teacher", "the paper's size", *(row[0] for row in sizes[1:])]
    return f"{to_markdown([names, *rows])}\n\n{question.note(result)}."


def presets() -> str:
    """A row for each setting that a protocol changes, a column for each protocol."""
    from kegnet_np.experiments import protocols, settings

    usual = settings.make({"protocol": "paper"}).flat()
    changed = {key for preset in protocols.PROTOCOLS.values() for key in preset}
    rows = [["setting", *protocols.PROTOCOLS]]
    for key in (key for key in usual if key in changed):
        row = [_shown(usual[key])]  # of "paper"
        for preset in list(protocols.PROTOCOLS.values())[1:]:
            value = preset.get(key, usual[key])
            row.append("" if value == usual[key] else _shown(value))
        rows.append([f"`--{key.replace('_', '-')}`", *row])
    return to_markdown(rows)


def _shown(value) -> str:
    return ("off", "on")[value] if isinstance(value, bool) else str(value)


def with_block(text: str, name: str, content: str) -> str:
    """``text`` with what stands between the comments "name" and "end name" replaced."""
    first, last = f"<!-- {name} -->", f"<!-- end {name} -->"
    if text.count(first) != 1 or text.count(last) != 1:
        raise ValueError(f"the text has no one pair of comments {first} and {last}; put them in")
    before, _, rest = text.partition(first)
    return f"{before}{first}\n\n{content}\n\n{last}{rest.partition(last)[2]}"


def pages() -> dict[Path, str]:
    """The texts that have blocks, with those that the numbers give."""
    blocks = [(DOCUMENT, f"results/{path.stem}", block(path)) for path in RESULTS]
    blocks += [(README, "results/summary", summary()), (README, "results/small", small())]
    blocks += [(PROTOCOLS, "protocols", presets())]
    made = {path: path.read_text(encoding="utf-8") for path in (DOCUMENT, PROTOCOLS, README)}
    for path, name, content in blocks:
        made[path] = with_block(made[path], name, content)
    return made


def main() -> None:
    """Write the texts and the figures."""
    from kegnet_np.experiments import plots

    for path, text in pages().items():
        path.write_bytes(text.encode())
    for path in RESULTS:
        result, question = read(path)
        if hasattr(question, "figure"):
            plots.save(question.figure(result), path.with_suffix(".png"))


if __name__ == "__main__":
    main()
