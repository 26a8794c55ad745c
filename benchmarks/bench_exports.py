"""Time of a student's answer to one row, and to 10,000, in every form that it is written in.

    pip install ".[formats]" onnxruntime    # what is not installed is left out; cc for C
    OPENBLAS_NUM_THREADS=1 python benchmarks/bench_exports.py [--rounds 15]

Pendigits' shapes, float32, raw rows in, probabilities out, one thread. In a round every form
answers, in turn, one row at a time and then 10,000 rows at once, so that a slow spell of the
machine meets all; printed are medians over the rounds of the process's CPU time for a row. C is
called from C, a row at a time, compiled with -O2; flash is that of -Os. ELU students, but for
scikit-learn, which has none: relu there.
"""

import argparse
import shutil
import statistics
import subprocess
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from bench_steps import D, K, optional  # which also sees to one core and one thread

from kegnet_np.io.classifier import Classifier
from kegnet_np.io.formats import c_header, onnx_model, python_file, scikit
from kegnet_np.io.units import of_numbers
from kegnet_np.models import MLP
from kegnet_np.network import Network

NETWORKS = {"a fortieth": (27,) * 3, "a sixteenth": (50,) * 3, "teacher": (100,) * 11}
ONE, MANY = 200, 10_000  # rows, one at a time and at once
PROGRAM = """
#include <stdio.h>
#include <time.h>
#include "student.h"
static float x[%(rows)d][STUDENT_FEATURES], p[STUDENT_CLASSES];
int main(void)
{
    if (fread(x, sizeof x, 1, stdin) != 1) return 1;
    double sum = 0;
    const clock_t start = clock();
    for (int i = 0; i < %(rows)d; i++) { student_predict(x[i], p); sum += p[0]; }
    printf("%%g %%g\\n", (double)(clock() - start) / CLOCKS_PER_SEC / %(rows)d, sum);
    return 0;
}
"""


def student(widths, activation="elu") -> Classifier:
    """A random network with a scaler."""
    rng = np.random.default_rng(1)
    schema = of_numbers(D, K, rng.normal(50, 10, D), rng.uniform(10, 30, D))
    model = MLP(D, K, widths, activation, dropout=0.0)
    return Classifier(Network.random(model, rng), schema)


def contenders(c: Classifier, folder: Path) -> dict:
    """By name a function (rows (N, D) float32) -> the seconds that it took for a row."""
    made = {"NumPy": timed(c.predict_proba)}
    if cc := shutil.which("cc"):
        (folder / "student.h").write_text(c_header.to_c(c))
        for n in (ONE, MANY):
            (folder / f"{n}.c").write_text(PROGRAM % {"rows": n})
            subprocess.run([cc, "-std=c99", "-O2", folder / f"{n}.c", "-o", folder / str(n), "-lm"],
                           check=True)
        made["C"] = lambda x: float(subprocess.run(
            [folder / str(len(x))], input=x.tobytes(), capture_output=True,
            check=True).stdout.split()[0])
    names: dict = {}
    exec(python_file.to_python(c), names)
    made["Python"] = timed(lambda x: [names["predict_proba"](row) for row in x.tolist()])
    if optional("onnx") and (runtime := optional("onnxruntime")):
        options = runtime.SessionOptions()
        options.intra_op_num_threads = 1
        session = runtime.InferenceSession(onnx_model.to_onnx(c).SerializeToString(), options)
        made["onnxruntime"] = timed(lambda x: session.run(None, {"x": x}))
    if optional("sklearn"):
        relu = replace(c, network=replace(c.network, model=replace(
            c.network.model, activation="relu")))
        made["scikit-learn (relu)"] = timed(scikit.to_sklearn(relu).predict_proba)
    return made


def timed(predict):
    """A function that times it: all rows at once if there are many, else one at a time."""
    def run(x):
        start = time.process_time()
        if len(x) == ONE:
            for i in range(ONE):
                predict(x[i : i + 1])
        else:
            predict(x)
        return (time.process_time() - start) / len(x)
    return run


def flash(folder: Path) -> str:
    """Bytes of code and constants, compiled for size."""
    (folder / "size.c").write_text(
        '#include "student.h"\nint f(const float *x, float *p);\n'
        "int f(const float *x, float *p) { return student_predict(x, p); }\n")
    if not (shutil.which("cc") and shutil.which("size")):
        return "?"
    compiled = ["cc", "-std=c99", "-Os", "-c", "size.c", "-o", "size.o"]
    subprocess.run(compiled, cwd=folder, check=True)
    told = subprocess.run(["size", "size.o"], cwd=folder, check=True, capture_output=True)
    return f"{sum(map(int, told.stdout.split()[6:8])):,}"


def main(rounds: int) -> None:
    """Print a table for each network."""
    rng = np.random.default_rng(0)
    for name, widths in NETWORKS.items():
        c = student(widths)
        x = (c.mean + c.scale * rng.standard_normal((MANY, D))).astype(np.float32)
        with tempfile.TemporaryDirectory() as at:
            folder = Path(at)
            who = contenders(c, folder)
            taken: dict = {(key, n): [] for key in who for n in (ONE, MANY)}
            for _ in range(rounds):
                for key, run in who.items():
                    for n in (ONE, MANY):
                        taken[key, n].append(run(x[:n]))
            print(f"\n{name}: {c.form}, {c.network.size:,} parameters; C: {flash(folder)} bytes of "
                  f"flash, {c_header.memory(c).ram} of stack")
        print(f"{'microseconds a row':24}{'one at a time':>16}{f'{MANY:,} at once':>16}")
        for key in who:
            one, many = (1e6 * statistics.median(taken[key, n]) for n in (ONE, MANY))
            print(f"{key:24}{one:16.1f}{many:16.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    main(parser.parse_args().rounds)
