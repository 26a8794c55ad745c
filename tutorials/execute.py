"""Make the tutorials' notebooks: run each percent source from scratch, store what comes out.

    python tutorials/execute.py [--check] [tutorials/01_gradients.py ...]

It needs the extra ``notebooks``; what `tests/test_tutorials.py` shares with it needs jupytext only.
A cell tagged "varies" prints times, or what training gives on this machine: it is not compared.
"""

import argparse
import hashlib
import json
import os
import re
import sys
import time
from pathlib import Path
from typing import NamedTuple

import jupytext

HERE = Path(__file__).resolve().parent
NUMBER = re.compile(r"[-+−]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:e[-+]?\d+)?")
RELATIVE, ABSOLUTE = 0.05, 0.02  # what another machine's BLAS may change in a printed number


class Cell(NamedTuple):
    kind: str  # "code" or "markdown"
    source: str
    tags: list[str]


def read(path: Path) -> list[Cell]:
    """The cells of a percent source."""
    cells = jupytext.read(path, fmt="py:percent").cells
    return [Cell(c.cell_type, c.source, c.metadata.get("tags", [])) for c in cells]


def digest(path: Path) -> str:
    """A short hash of a source's text: a notebook keeps that of the source it was made from."""
    return hashlib.sha256(path.read_text(encoding="utf-8").encode()).hexdigest()[:16]


def printed(cell: dict) -> str:
    """What a notebook's code cell printed."""
    return "".join("".join(output.get("text", "")) for output in cell["outputs"])


def same_text(stored: str, fresh: str) -> bool:
    """Equal up to white space, and up to numbers that another BLAS gives a little differently."""
    if NUMBER.sub("#", stored).split() != NUMBER.sub("#", fresh).split():
        return False
    pairs = zip(NUMBER.findall(stored), NUMBER.findall(fresh), strict=True)
    numbers = ([float(n.replace(",", "").replace("−", "-")) for n in pair] for pair in pairs)
    return all(abs(a - b) <= max(RELATIVE * max(abs(a), abs(b)), ABSOLUTE) for a, b in numbers)


def differences(cells: list[Cell], stored: list[dict], fresh: list[str | None]) -> list[str]:
    """How a notebook's cells differ from the source's; fresh[i] None: do not compare that text."""
    if len(cells) != len(stored):
        return [f"the notebook has {len(stored)} cells, its source has {len(cells)}"]
    found = []
    for i, (cell, old, text) in enumerate(zip(cells, stored, fresh, strict=True)):
        if cell != (old["cell_type"], "".join(old["source"]), old["metadata"].get("tags", [])):
            found.append(f"cell {i} differs from its source")
        elif text is not None and "varies" not in cell.tags and not same_text(printed(old), text):
            found.append(f"cell {i} is stale. It has\n{printed(old)}and its code prints\n{text}")
    return found


def execute(path: Path) -> str:
    """The .ipynb of a source, with outputs. A cell's error is nbclient's CellExecutionError."""
    import nbformat
    from nbclient import NotebookClient

    notebook, start = nbformat.v4.new_notebook(), time.perf_counter()
    for i, (kind, source, tags) in enumerate(read(path)):
        new = nbformat.v4.new_code_cell if kind == "code" else nbformat.v4.new_markdown_cell
        notebook.cells.append(new(source, id=f"cell-{i}", metadata={"tags": tags} if tags else {}))
    NotebookClient(notebook, timeout=600, kernel_name="python3", extra_arguments=["--log-level=40"],
                   record_timing=False, coalesce_streams=True).execute(cwd=HERE)
    notebook.metadata = {  # only this: what a kernel says of itself differs between machines
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
        "kegnet_np": {"seconds": round(time.perf_counter() - start), "source": digest(path)},
    }
    return nbformat.writes(notebook) + "\n"


def main() -> int:
    """Execute the named sources, or all; the exit code is the number of stale notebooks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare with the stored notebooks")
    parser.add_argument("sources", nargs="*", type=Path, help="default: all of this folder")
    options, n_stale = parser.parse_args(), 0
    os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1",
                      PYTHONPATH=str(HERE.parent), PYDEVD_DISABLE_FILE_VALIDATION="1")
    for path in options.sources or sorted(HERE.glob("[0-9][0-9]_*.py")):
        text, target = execute(path), path.with_suffix(".ipynb")
        print(f"{path.name}: {json.loads(text)['metadata']['kegnet_np']['seconds']} s", flush=True)
        if options.check:
            old, new = json.loads(target.read_text(encoding="utf-8")), json.loads(text)
            fresh = [printed(c) if c["cell_type"] == "code" else None for c in new["cells"]]
            n_stale += bool(found := differences(read(path), old["cells"], fresh))
            print("".join(f"{line}\n" for line in found), end="")
        else:
            target.write_bytes(text.encode())
    return n_stale


if __name__ == "__main__":
    sys.exit(main())
