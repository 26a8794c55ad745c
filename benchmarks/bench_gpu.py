"""CPU against GPU: a step of generators and of students, by the size of the stack and the batch.

    pip install ".[gpu-cuda12]"        # or gpu-cuda13
    python benchmarks/bench_gpu.py [--rounds 7] [--steps 20] [--csv bench_gpu.csv]
    python benchmarks/bench_gpu.py --cpu    # the CPU's half, where there is no GPU

Every contender does the whole step, as the verbs do it: draws its batch, gradient, Adam, float32.
Both devices run in each round, so that a slow spell of the machine meets both; printed are medians
over the rounds of wall-clock time by network, the ratio, and the smallest stack from which on the
GPU is faster. The GPU is waited for at the end of each run alone. Without a GPU one line says so,
exit code 2. Where PyTorch is installed it stands beside, eager, on the same device: students as a
stack by bmm, generators one by one, each with the fused Adam.
"""

import argparse
import csv
import statistics
import sys
import time

import numpy as np
from bench_steps import optional  # which also sees to one thread

from kegnet_np import backend, losses, sampling, train, tucker
from kegnet_np.backend import array_module
from kegnet_np.generator import decoder, extraction_epoch, generator
from kegnet_np.models import MLP
from kegnet_np.network import Network
from kegnet_np.train import Schedule, Training

if torch := optional("torch"):
    import steps_torch

D, K, Z = 16, 10, 10  # Pendigits
STACKS = (1, 2, 5, 16, 32, 75, 128, 256, 512)
BATCHES = {"generators": (64, 256, 1024), "students": (64, 256, 1024)}


def teacher():
    """The paper's teacher, with random weights: a step takes as long."""
    return Network.random(MLP(D, K), np.random.default_rng(0))


def generators(stack, batch, steps):
    """One joint step of generators and decoders, as `generator.extract` does it."""
    G, dec, rngs = generator(Z, K, D), decoder(D, Z), sampling.seeded(0, "bench", stack)
    starts = [Network.random(model, rngs) for model in (G, dec)]
    xp = array_module(starts[0].theta)
    theta, state = (
        xp.concatenate([getattr(n, key) for n in starts], axis=-1) for key in ("theta", "state"))
    training = Training(theta, state, rngs, Schedule(1e-4, batch, 1))
    run_epoch = extraction_epoch(G, dec, teacher().moved(), batch=batch, steps=steps)
    return lambda: run_epoch(training)["cls_loss"]


def students(stack, batch, steps):
    """One step of Tucker students of rank 5 on a pool that they share, as in `student.distill`."""
    start, rngs = tucker.compress(teacher(), 5).stack(stack), sampling.seeded(0, "bench", stack)
    training = Training(start.theta, start.state, rngs, Schedule(1e-4, batch, 1))
    x = rngs[0].standard_normal((steps * batch, D), np.float32)
    batches = train.pool_batches(x, losses.softmax(x[..., :K]), batch)
    run_epoch = train.classifier_epoch(start.model, losses.kl, batches)
    return lambda: run_epoch(training)["loss"]


def in_torch(make, stack, batch, steps, device):
    """The same in PyTorch, and how many networks a run trains."""
    torch.set_default_device(device)
    if make is generators:
        return steps_torch.generator_step(steps, D, K, Z, batch, fused=True), 1
    return steps_torch.stack_step(steps, stack, D, K, batch, (5,)), stack


def measure(make, stack, batch, steps, rounds, devices):
    """Milliseconds a step and network, by contender: a number for every round."""
    runs, times = {}, {}
    for device in devices:
        backend.use(device)
        runs[device] = make(stack, batch, steps), stack
    if torch:
        runs["torch"] = in_torch(make, stack, batch, steps, devices[-1])
    for r in range(rounds + 1):
        for name, (run, networks) in runs.items():
            if name in devices:
                backend.use(name)
            start = time.perf_counter()
            done = run()
            if name == "torch":
                if devices[-1] == "cuda":
                    torch.cuda.synchronize()
            elif not np.isfinite(done := backend.to_host(done)).all():  # waits for the GPU
                raise FloatingPointError(f"{make.__name__}, stack {stack}: {done}")
            if r:  # the first round warms up, and compiles
                taken = (time.perf_counter() - start) / steps / networks * 1e3
                times.setdefault(name, []).append(taken)
    return times


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--stacks", type=int, nargs="+", default=STACKS)
    parser.add_argument("--csv", help="file to write, a row for each pair")
    parser.add_argument("--cpu", action="store_true", help="the CPU alone")
    args = parser.parse_args()
    try:
        backend.use("cpu" if args.cpu else "cuda")
    except ValueError as error:
        print(f"bench_gpu: {error}", file=sys.stderr)
        return 2
    train.hold_heap()
    devices, rows = ("cpu",) if args.cpu else ("cpu", "cuda"), []
    print(f"{'':10} {'batch':>5} {'stack':>5} {'CPU':>9} {'GPU':>9} {'PyTorch':>9}  CPU/GPU  "
          f"(ms a network; PyTorch on the {devices[-1]})")
    for make in (generators, students):
        for batch in BATCHES[make.__name__]:
            crossing = None
            for stack in args.stacks:
                times = measure(make, stack, batch, args.steps, args.rounds, devices)
                cpu, gpu, beside = (statistics.median(times.get(name, [np.nan]))
                                    for name in ("cpu", "cuda", "torch"))
                print(f"{make.__name__:10} {batch:5} {stack:5} {cpu:9.4f} {gpu:9.4f} "
                      f"{beside:9.4f} {cpu / gpu:8.2f}", flush=True)
                rows.append([make.__name__, batch, stack, cpu, gpu, beside])
                crossing = (crossing or stack) if gpu < cpu else None
            if not args.cpu:
                print(f"{make.__name__}, batch {batch}: the GPU is faster from a stack of "
                      f"{crossing or 'more than ' + str(max(args.stacks))} on")
    if args.csv:
        with open(args.csv, "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([["what", "batch", "stack", "cpu_ms", "gpu_ms", "torch_ms"],
                                        *rows])
    return 0


if __name__ == "__main__":
    sys.exit(main())
