"""Time of one training step here, in PyTorch and in JAX, in one run, A, B, A, B, ...

    pip install torch jax   # for the comparison only, never dependencies
    OPENBLAS_NUM_THREADS=1 python benchmarks/bench_steps.py [--rounds 15] [--steps 40]
    OPENBLAS_NUM_THREADS=1 python benchmarks/bench_steps.py --growth

Every contender does the whole step: draws its batch, gradient, Adam, float32, one thread. In a
round each runs ``steps`` steps, so that a slow spell of the machine meets all; printed are medians
over the rounds of the process's CPU time, by network, and of ratios taken round by round.
PyTorch and JAX run in the same process, so the heap that `hold_heap` keeps serves them as well.
What is not installed is left out. OPENBLAS_CORETYPE=Haswell shows another kernel of the products.
``--growth`` has instead our students' step as stack, rank, width and depth grow, with its memory.
"""

import argparse
import importlib
import os
import statistics
import time
import tracemalloc
from dataclasses import replace

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
if hasattr(os, "sched_setaffinity"):  # one core for all: no flag keeps XLA from using the others
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

import numpy as np
from threadpoolctl import threadpool_info

from kegnet_np import losses, sampling, train, tucker
from kegnet_np.generator import decoder, extraction_epoch, generator
from kegnet_np.models import MLP
from kegnet_np.network import Network
from kegnet_np.train import Schedule, Training

D, K, Z, B = 16, 10, 10, 256  # Pendigits; the generator's batch
STUDENT_BATCH, STACK = 64, 5


def our_generators(steps, stack=STACK):
    """One joint step of generators and decoders, as `generator.extract` does it."""
    G, dec = generator(Z, K, D), decoder(D, Z)
    rngs = sampling.seeded(0, "bench", stack)
    theta, state = (
        np.concatenate([getattr(Network.random(model, rngs), key) for model in (G, dec)], axis=-1)
        for key in ("theta", "state")
    )
    training = Training(theta, state, rngs, Schedule(1e-4, B, 1))
    M = Network.random(MLP(D, K), np.random.default_rng(0))
    run_epoch = extraction_epoch(G, dec, M, batch=B, steps=steps)
    return lambda: run_epoch(training)


def our_students(steps, stack=STACK, rank=5, dropout=True, width=100, depth=11):
    """One step of Tucker students, as `student.distill` does it."""
    rngs = sampling.seeded(0, "bench", stack)
    teacher = Network.random(MLP(D, K, (width,) * depth), rngs[0])
    start = tucker.compress(teacher, rank).stack(stack)
    model = start.model if dropout else replace(start.model, dropout=0.0)
    training = Training(start.theta, start.state, rngs, Schedule(1e-4, STUDENT_BATCH, 1))
    x = rngs[0].standard_normal((steps * STUDENT_BATCH, D), np.float32)
    batches = train.pool_batches(x, losses.softmax(x[..., :K]), STUDENT_BATCH)
    run_epoch = train.classifier_epoch(model, losses.kl, batches)
    return lambda: run_epoch(training)


def bare_products(steps):
    """Only the matrix products of a generator's step, forward and backward."""
    rng = np.random.default_rng(0)

    def chain(widths, weights_too, inputs_too=True):
        made = []
        for i, (n, m) in enumerate(zip(widths, widths[1:], strict=False)):
            x, W, g = (rng.standard_normal(s, np.float32) for s in ((B, n), (n, m), (B, m)))
            made += [(x, W)] + [(g, W.T)] * (i > 0 or inputs_too) + [(x.T, g)] * weights_too
        return made

    products = chain([D] + [100] * 11 + [K], False) + chain([D, 120, 120, 120, Z], True)
    products += chain([Z + K, 120, 120, D], True, inputs_too=False)
    return lambda: [np.matmul(a, b) for _ in range(steps) for a, b in products]


def contenders(n):
    """name -> (what runs n steps, networks trained by a step); what is installed."""
    made = {
        "generators: kegnet_np, stack of 5": (our_generators(n), STACK),
        "generators: kegnet_np, one": (our_generators(n, 1), 1),
        "generators: matrix products alone": (bare_products(n), 1),
        "students: kegnet_np, stack of 5": (our_students(n), STACK),
        "students: kegnet_np, no dropout": (our_students(n, dropout=False), STACK),
        "students: kegnet_np, rank 1, no dropout": (our_students(n, rank=1, dropout=False), STACK),
    }
    rows = np.random.default_rng(1).standard_normal((n * STUDENT_BATCH, D), np.float32)
    student = (n, D, K, STUDENT_BATCH, (5,))
    stack = (n, STACK, D, K, STUDENT_BATCH, (5,))
    if torch := optional("torch"):
        t = importlib.import_module("steps_torch")
        torch.set_num_threads(1)
        generators = (n, D, K, Z, B)
        made |= {
            "generators: PyTorch, lean": (t.generator_step(*generators), 1),
            "generators: PyTorch, fused Adam": (t.generator_step(*generators, fused=True), 1),
            "generators: PyTorch, as official": (
                t.generator_step(*generators, official=True, dropout=True), 1),
            "students: PyTorch": (t.student_step(*student), 1),
            "students: PyTorch, fused Adam": (t.student_step(*student, fused=True), 1),
            "students: PyTorch, stack by bmm": (t.stack_step(*stack), STACK),
            "students: torch.compile of that": (t.stack_step(*stack, compiled=True), STACK),
            "students: the same, no dropout": (
                t.stack_step(*stack, dropout=False, compiled=True), STACK),
        }  # fmt: skip
    if optional("jax"):
        j = importlib.import_module("steps_jax")
        made |= {
            "generators: JAX jit, stack of 5": (j.generator_step(n, STACK, D, K, Z, B), STACK),
            "students: JAX jit": (j.student_step(*stack, True, rows), STACK),
            "students: JAX jit, no dropout": (j.student_step(*stack, False, rows), STACK),
        }
    return made


def optional(name):
    """A package that need not be there."""
    try:
        return importlib.import_module(name)
    except ImportError:
        print(f"{name} is not installed: left out")


RATIOS = (  # ours, another's
    ("generators: kegnet_np, stack of 5", "generators: JAX jit, stack of 5"),
    ("generators: kegnet_np, stack of 5", "generators: PyTorch, lean"),
    ("generators: kegnet_np, stack of 5", "generators: PyTorch, fused Adam"),
    ("generators: kegnet_np, stack of 5", "generators: PyTorch, as official"),
    ("generators: kegnet_np, stack of 5", "generators: matrix products alone"),
    ("students: kegnet_np, no dropout", "students: JAX jit, no dropout"),
    ("students: kegnet_np, no dropout", "students: the same, no dropout"),
    ("students: kegnet_np, stack of 5", "students: JAX jit"),
    ("students: kegnet_np, stack of 5", "students: torch.compile of that"),
    ("students: kegnet_np, stack of 5", "students: PyTorch, stack by bmm"),
    ("students: kegnet_np, stack of 5", "students: PyTorch"),
    ("students: kegnet_np, stack of 5", "students: PyTorch, fused Adam"),
    ("students: kegnet_np, rank 1, no dropout", "students: kegnet_np, no dropout"),
)


def compare(rounds, n):
    """Print the table of medians and that of ratios."""
    runs, times = contenders(n), {}
    for r in range(rounds + 1):
        for name, (run, networks) in list(runs.items()):
            try:
                start = time.process_time()
                run()
            except Exception as error:  # torch.compile, say, without a compiler
                print(f"{name}: left out ({str(error).splitlines()[0][:60]})")
                del runs[name]
                continue
            if r:  # the first round warms up, and compiles
                ms = (time.process_time() - start) / n / networks * 1e3
                times.setdefault(name, []).append(ms)
    for name, ms in times.items():
        print(f"{name:42} {statistics.median(ms):8.3f} ms   [{min(ms):.3f}, {max(ms):.3f}]")
    for ours, other in RATIOS:
        if other in times:
            ratios = [a / b for a, b in zip(times[ours], times[other], strict=True)]
            spread = f"[{min(ratios):.2f}, {max(ratios):.2f}]"
            print(f"{ours:40} / {other:36} {statistics.median(ratios):6.2f}  {spread}")


def growth(rounds):
    """Print the students' step, no dropout, one thing growing at a time."""
    usual = {"stack": 5, "rank": 5, "width": 100, "depth": 11}
    grids = {"stack": (1, 2, 5, 20, 50, 128, 512), "rank": (1, 2, 5, 10, 20, 50),
             "width": (50, 100, 200, 400), "depth": (3, 11, 22)}  # fmt: skip
    print(f"{'':10} {'':>5} {'ms a network':>14} {'MB in a step, all networks':>28}")
    for what, values in grids.items():
        runs = {}
        for value in values:
            size = usual | {what: value}
            n = max(2, 200 // size["stack"])
            runs[value] = our_students(n, dropout=False, **size), n * size["stack"], []
        for r in range(rounds + 1):
            for run, steps, ms in runs.values():
                start = time.process_time()
                run()
                if r:
                    ms.append((time.process_time() - start) / steps * 1e3)
        for value, (run, _, ms) in runs.items():
            tracemalloc.start()
            run()
            peak = tracemalloc.get_traced_memory()[1] / 2**20
            tracemalloc.stop()
            print(f"{what:10} {value:5} {statistics.median(ms):14.3f} {peak:28.1f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--growth", action="store_true")
    args = parser.parse_args()
    train.hold_heap()
    blas = " ".join(f"{b['internal_api']} {b.get('architecture')}" for b in threadpool_info())
    print(f"numpy {np.__version__}, {blas}; CPU time")
    growth(min(args.rounds, 5)) if args.growth else compare(args.rounds, args.steps)


if __name__ == "__main__":
    main()
