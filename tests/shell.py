"""The command line as the tests use it: run a command here, see what it says and what it writes."""

import io
import os
import re
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np

import kegnet_np
from kegnet_np.interface.cli import main

# For a command in another process: the same package, wherever it is started.
os.environ["LOKY_MAX_CPU_COUNT"] = "1"  # a command that is told no --jobs has one process
ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(kegnet_np.__file__).parents[1])}

# A run of a second: three small networks, a few epochs, members that stop at different ones.
TINY = """
ranks = 1
generators = 2
students = 3
hidden = 8
depth = 2
latent = 3
teacher_lr = 0.01
teacher_batch = 16
teacher_epochs = 12
teacher_patience = 2
teacher_min_epochs = 3
generator_lr = 0.001
generator_batch = 16
generator_epochs = 4
generator_steps = 3
student_lr = 0.01
student_batch = 16
student_epochs = 5
noise_epochs = 8
student_patience = 1
student_min_epochs = 2
pool_per_generator = 64
noise_pool = 64
held_out = 200
"""


READ = "kegnet: read "  # how the line begins that says what was read of a table
DONE = re.compile(r"kegnet: [^:]+: \d+ s")  # and one that says how far a run is


def kegnet(*arguments, read=False) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command; without what was read and what is done, unless
    they are asked for."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            code = main([str(a) for a in arguments])
        except SystemExit as stop:
            code = stop.code
    lines = err.getvalue().splitlines(keepends=True)
    return code, out.getvalue(), "".join(
        line for line in lines if read or not (line.startswith(READ) or DONE.match(line)))


def accepted(*arguments) -> str:
    """Stdout of a command that must succeed and have nothing to say on stderr."""
    code, out, err = kegnet(*arguments)
    assert (code, err) == (0, ""), err
    return out


def refused(folder, *arguments) -> str:
    """What a command says that must fail by one line on stderr and leave the folder as it was."""
    before = contents(folder)
    code, out, err = kegnet(*arguments)
    assert (code, out) == (2, ""), err
    assert err.startswith(f"kegnet {arguments[0]}: error: ") and err.endswith("\n")
    assert err.count("\n") == 1, err
    assert contents(folder) == before
    return err


def contents(folder) -> dict:
    """Every path below a folder with the time it was written, and the bytes of the files."""
    paths = sorted(Path(folder).rglob("*"))
    return {
        p.relative_to(folder).as_posix(): (p.stat().st_mtime_ns, p.is_file() and p.read_bytes())
        for p in paths
    }


def write_table(path, names=("ant", "bee", "cat"), rows=400, features=4, seed=0) -> Path:
    """A CSV file with a header and a blob of rows for each class."""
    rng = np.random.default_rng(seed)
    y = np.arange(rows) % len(names)
    x = rng.normal(size=(rows, features)) + 1.5 * rng.normal(size=(len(names), features))[y]
    lines = [",".join([*(f"f{j}" for j in range(features)), "kind"])]
    lines += [",".join([*(f"{v:.4f}" for v in row), names[k]]) for row, k in zip(x, y, strict=True)]
    Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return Path(path)
