"""The tutorials' notebooks: made from their sources, in good form, and what their code gives now.

A tutorial is executed here as a plain program in a fresh process, with its exercises solved, so
that no notebook software is needed. ``make tutorials`` makes the notebooks.
"""

import ast
import contextlib
import importlib.util
import io
import json
import linecache
import os
import re
import subprocess
import sys
import traceback
import types
import warnings
from base64 import b64decode
from functools import cache
from pathlib import Path

import pytest

import data_loaders

ROOT = Path(__file__).resolve().parents[1]
TUTORIALS = ROOT / "tutorials"
SOURCES = sorted(TUTORIALS.glob("[0-9][0-9]_*.py"))
REFRESH = "make it anew: python tutorials/execute.py tutorials/"
LINES, PRINTED_LINES, PIXELS = 15, 20, 700  # of a code cell, of its output, of a figure's width
COLUMNS = 54  # of an output, on a phone
ALL_SECONDS = 12 * 60  # what the tutorials may take together
WRONG = ["-123.25", "'abc'", "lambda *a: 0.0", "lambda *a: a[0]", "(0, 0)"]  # of any exercise
EXERCISE = re.compile(r"\banswer_(\d+_\d+)\b")
SOLUTION = re.compile(
    r"<details>\s*<summary>Solution (\d+\.\d+)</summary>.*```python\n(.*?)```.*</details>",
    re.DOTALL,
)

tutorial = pytest.mark.parametrize("source", SOURCES, ids=[path.stem for path in SOURCES])


def load_execute():
    spec = importlib.util.spec_from_file_location("execute", TUTORIALS / "execute.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


execute = load_execute()


def notebook(source) -> dict:
    path = source.with_suffix(".ipynb")
    assert path.exists(), f"{path.name} is missing; {REFRESH}{source.name}"
    return json.loads(path.read_text(encoding="utf-8"))


def code_cells(cells):
    return [cell for cell in cells if cell.kind == "code"]


def solutions(cells) -> dict[str, str]:
    """The solutions' code by the exercise's number, such as 1_2."""
    texts = (cell.source for cell in cells if cell.kind == "markdown")
    return {n.replace(".", "_"): code for text in texts for n, code in SOLUTION.findall(text)}


def is_answer(cell) -> bool:
    return cell.source.startswith("# Exercise ")


# --- to run a source, in another process ----------------------------------------------------------


def run_cells(sources: list[str]) -> list[str]:
    """What each cell prints, run one after another in one namespace, as a kernel does."""
    from matplotlib import pyplot

    warnings.filterwarnings("ignore", "FigureCanvasAgg is non-interactive")  # pyplot.show()
    sys.excepthook = traceback.print_exception  # knows the cells' lines
    module = sys.modules["__main__"] = types.ModuleType("__main__")
    texts = []
    for i, source in enumerate(sources):
        name = f"<cell {i}>"  # for tracebacks and inspect.getsource
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        with contextlib.redirect_stdout(io.StringIO()) as out:
            exec(compile(source, name, "exec"), module.__dict__)
        pyplot.close("all")
        texts.append(out.getvalue())
    return texts


def run_in_fresh_process(sources: list[str]) -> list[str]:
    threads = dict.fromkeys(["OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"], "1")
    paths = os.pathsep.join(map(str, (ROOT, TUTORIALS, Path(__file__).parent)))
    new = {"PYTHONPATH": paths, "MPLBACKEND": "agg", "PYTHONIOENCODING": "utf-8", **threads}
    program = "import json, sys, test_tutorials as t; texts = t.run_cells(json.load(sys.stdin))"
    done = subprocess.run(
        [sys.executable, "-c", program + "; print(json.dumps(texts))"], input=json.dumps(sources),
        cwd=TUTORIALS, env=os.environ | new, capture_output=True, encoding="utf-8",
    )
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return json.loads(done.stdout)


def run_solved(cells) -> tuple[list[str | None], dict[str, str], dict[str, list[str]]]:
    """Run the code with the solutions as answers.

    Returns what every cell of the source printed (None for text and exercises), what every check
    said of the solution, and what it said of wrong answers.
    """
    answers, sources, kept, right, wrong = solutions(cells), [], [], {}, {}
    for i, cell in enumerate(cells):
        if cell.kind != "code":
            continue
        found = EXERCISE.search(cell.source)
        if not found:
            kept.append((i, len(sources)))
            sources.append(cell.source)
        elif is_answer(cell):
            sources.append(f"{cell.source}\n{answers[found[1]]}")
        else:
            answer = found[0]
            right[found[1]] = len(sources)
            sources += [cell.source, f"right_one = {answer}"]
            wrong[found[1]] = range(len(sources), len(sources) + len(WRONG))
            sources += [f"{answer} = {value}\n{cell.source}" for value in WRONG]
            sources.append(f"{answer} = right_one")
    texts = run_in_fresh_process(sources)
    fresh = [None] * len(cells)
    for i, j in kept:
        fresh[i] = texts[j]
    said_of_wrong = {n: [texts[j] for j in found] for n, found in wrong.items()}
    return fresh, {n: texts[j] for n, j in right.items()}, said_of_wrong


# --- the form -------------------------------------------------------------------------------------


@tutorial
def test_the_notebook_is_made_from_this_very_source(source):
    cells, made = execute.read(source), notebook(source)
    message = f"{source.stem}.ipynb is not of this source; {REFRESH}{source.name}"
    assert execute.differences(cells, made["cells"], [None] * len(cells)) == [], message
    assert made["metadata"]["kegnet_np"]["source"] == execute.digest(source), message
    assert set(made["metadata"]) == {"kegnet_np", "kernelspec", "language_info"}
    assert [cell["id"] for cell in made["cells"]] == [f"cell-{i}" for i in range(len(cells))]
    assert made["metadata"]["kernelspec"]["display_name"] == "Python 3"


@tutorial
def test_outputs_are_there_in_order_short_and_clean(source):
    cells = [cell for cell in notebook(source)["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    figures = 0
    for cell in cells:
        where = f"in the cell that begins {cell['source'][0]!r}"
        for output in cell["outputs"]:
            assert output["output_type"] != "error", where
            assert output.get("name") != "stderr", where
            if output["output_type"] != "stream":
                assert "image/png" in output["data"], f"a value is shown, not printed, {where}"
                png = b64decode("".join(output["data"]["image/png"]))
                width = int.from_bytes(png[16:20], "big")
                assert width <= PIXELS, f"a figure {width} pixels wide {where}"
                figures += 1
        text = execute.printed(cell)
        assert len(text.splitlines()) <= PRINTED_LINES, where
        assert all(len(line) <= COLUMNS for line in text.splitlines()), where
        assert not re.search(r"(^|[\s'\"])/(home|root|Users|tmp|work|mnt)/", text), where
    assert figures >= 1


@tutorial
def test_it_opens_ends_and_asserts_as_every_tutorial_does(source):
    cells = execute.read(source)
    first, last = cells[0].source, cells[-1].source
    assert cells[0].kind == "markdown" and first.startswith("# ")
    for words in ("What you will do", "What you will learn", "What you need", "Runs in about"):
        assert words in first, words
    assert "What you can now explain" in "".join(cell.source for cell in cells[-2:]), last[:80]
    for cell in code_cells(cells):
        lines = len(cell.source.splitlines())
        assert 1 <= lines <= LINES, f"{lines} lines in the cell that begins {cell.source[:60]!r}"
        ast.parse(cell.source)
    assert any(
        isinstance(node, ast.Assert)
        for cell in code_cells(cells)
        for node in ast.walk(ast.parse(cell.source))
    )


@tutorial
def test_it_has_three_exercises_each_with_an_open_answer_a_check_and_a_solution(source):
    cells = execute.read(source)
    answers = [cell for cell in code_cells(cells) if is_answer(cell)]
    numbers = [EXERCISE.search(cell.source)[1] for cell in answers]
    tutorial_number = int(source.name[:2])
    assert numbers == [f"{tutorial_number}_{i}" for i in (1, 2, 3)]
    assert sorted(solutions(cells)) == numbers
    for n, cell in zip(numbers, answers, strict=True):
        assert cell.source.startswith(f"# Exercise {n.replace('_', '.')}: your answer")
        assert f"answer_{n} = None" in cell.source
        checks = [c for c in code_cells(cells) if f'check("{n.replace("_", ".")}"' in c.source]
        assert len(checks) == 1 and EXERCISE.search(checks[0].source)[1] == n
        assert cells.index(checks[0]) > cells.index(cell)
        assert f"answer_{n} =" in solutions(cells)[n] or f"def answer_{n}(" in solutions(cells)[n]


@tutorial
def test_the_seconds_it_promises_are_about_those_it_took(source):
    promised = re.search(r"Runs in about (\d+) seconds?", execute.read(source)[0].source)
    took = notebook(source)["metadata"]["kegnet_np"]["seconds"]
    assert took / 3 - 3 <= int(promised[1]) <= 3 * took + 3, f"it took {took} s"


def test_together_they_take_less_than_twelve_minutes():
    seconds = [notebook(source)["metadata"]["kegnet_np"]["seconds"] for source in SOURCES]
    assert sum(seconds) < ALL_SECONDS, seconds


# --- what their code gives now --------------------------------------------------------------------


@cache
def why_no_pendigits() -> str:
    """Why the set cannot be had here; empty if it can."""
    try:
        data_loaders.load("pendigits")
    except (OSError, ValueError) as error:
        return str(error) or type(error).__name__
    return ""


@tutorial
def test_it_runs_its_checks_take_the_solutions_and_its_outputs_are_not_stale(source):
    cells = execute.read(source)
    fresh, right, wrong = run_solved(cells)
    assert right and all(text.endswith(": right.\n") for text in right.values()), right
    for number, texts in wrong.items():
        for value, text in zip(WRONG, texts, strict=True):
            assert "not yet" in text, f"{value} passes as the answer to exercise {number}: {text}"
    if 'load("pendigits")' in source.read_text(encoding="utf-8") and (why := why_no_pendigits()):
        pytest.skip(f"ran on the digits, outputs not compared: {why}")
    stale = execute.differences(cells, notebook(source)["cells"], fresh)
    assert not stale, "\n".join([*stale, REFRESH + source.name])


# --- the tools themselves -------------------------------------------------------------------------

MADE_UP = '''# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A title
#
# Words, and $x_1 = 2$.

# %%
import math


def root(a):
    return math.sqrt(a)


# %%
print(f"{root(2):.3f} of 1,250 rows\\n  and -0.01")

# %% tags=["varies"]
print("3 seconds")

# %%
# Exercise 9.1: your answer
answer_9_1 = None

# %%
from exercises import check

check("9.1", answer_9_1, lambda a: abs(a * a - 9) < 1e-9 and a > 0, "square it")

# %% [markdown]
# <details><summary>Solution 9.1</summary>
#
# The root.
#
# ```python
# answer_9_1 = root(9)
# ```
#
# </details>
'''
PRINTED = ["", "1.414 of 1,250 rows\n  and -0.01\n", "3 seconds\n", "", "Exercise 9.1: open.\n"]


@pytest.fixture
def made_up(tmp_path):
    """A source's path, its cells and the cells of its notebook."""
    path = tmp_path / "09_made_up.py"
    path.write_text(MADE_UP, encoding="utf-8")
    cells, texts = execute.read(path), iter(PRINTED)
    stored = [
        {"cell_type": cell.kind, "source": cell.source.splitlines(keepends=True),
         "metadata": {"tags": cell.tags} if cell.tags else {}}
        for cell in cells
    ]
    for cell in stored:
        if cell["cell_type"] == "code":
            cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": [next(texts)]}]
    return path, cells, stored


def test_a_source_is_cut_into_its_cells(made_up, tmp_path):
    _, cells, _ = made_up
    kinds = ["markdown", "code", "code", "code", "code", "code", "markdown"]
    assert [cell.kind for cell in cells] == kinds
    assert cells[0].source == "# A title\n\nWords, and $x_1 = 2$."
    assert cells[1].source.endswith("math.sqrt(a)") and cells[3].tags == ["varies"]


def test_a_stale_output_is_found_and_a_solution_is_run(made_up):
    _, cells, stored = made_up
    fresh, right, wrong = run_solved(cells)
    assert [text is None for text in fresh] == [True, False, False, False, True, True, True]
    assert right == {"9_1": "Exercise 9.1: right.\n"}
    assert len(wrong["9_1"]) == len(WRONG) and all("not yet" in text for text in wrong["9_1"])
    assert execute.differences(cells, stored, fresh) == []

    def stale_after(old, new):
        text = PRINTED[1].replace(old, new)
        assert text != PRINTED[1]
        stored[2]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": [text]}]
        return bool(execute.differences(cells, stored, fresh))

    for old, new in ("1.414", "1.43"), ("-0.01", "0.00"), ("1,250", "1249"), ("\n  ", "\n "):
        assert not stale_after(old, new), new  # another BLAS, another width
    for old, new in ("1.414", "1.60"), ("-0.01", "0.02"), ("1,250", "1,150"), ("of", "in"):
        assert stale_after(old, new), new
    stored[2]["outputs"] = []
    assert execute.differences(cells, stored, fresh)


def test_a_changed_cell_and_a_missing_one_are_found(made_up):
    _, cells, stored = made_up
    nothing = [None] * len(cells)
    for change in (
        {"source": ["# Another title"]},
        {"cell_type": "raw"},
        {"metadata": {"tags": ["varies"]}},
    ):
        altered = [stored[0] | change, *stored[1:]]
        assert execute.differences(cells, altered, nothing) == ["cell 0 differs from its source"]
    assert "has 6 cells, its source has 7" in execute.differences(cells, stored[1:], nothing)[0]


@pytest.mark.parametrize("code", ["assert 1 == 2", "import sys; print('noise', file=sys.stderr)"])
def test_an_error_and_noise_on_stderr_are_failures(code):
    with pytest.raises(AssertionError, match="assert 1 == 2|noise"):
        run_in_fresh_process(["a = 1", code])


def test_a_notebook_is_the_same_file_whenever_it_is_made(made_up, monkeypatch):
    pytest.importorskip("nbclient", reason="needs the extra notebooks")
    path, cells, _ = made_up
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    first, second = execute.execute(path), execute.execute(path)
    made = json.loads(first)
    differ = [a for a, b in zip(first.splitlines(), second.splitlines(), strict=True) if a != b]
    assert all('"seconds"' in line for line in differ), differ
    assert made["metadata"]["kegnet_np"]["source"] == execute.digest(path)
    fresh = [*run_solved(cells)[0]]
    assert execute.differences(cells, made["cells"], fresh) == []
