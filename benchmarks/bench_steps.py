"""Time of one training step here and in PyTorch, in one run, A, B, A, B, ...

    pip install torch   # for the comparison only, never a dependency
    OPENBLAS_NUM_THREADS=1 python benchmarks/bench_steps.py [--rounds 15] [--steps 60]

Every contender does the whole step: draws its batch, gradient, Adam, float32, one BLAS thread.
In a round each runs ``steps`` steps, so that a slow spell of the machine meets all; printed are
the medians over the rounds, and the median of the ratios taken round by round with their range.
PyTorch runs in the same process, so the heap that `hold_heap` keeps serves it as well.
"""

import argparse
import os
import statistics
import time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from kegnet_np import losses, sampling, train, tucker
from kegnet_np.generator import decoder, extraction_epoch, generator
from kegnet_np.models import MLP
from kegnet_np.network import Network
from kegnet_np.train import Schedule, Training

D, K, Z, B = 16, 10, 10, 256  # Pendigits; the generator's batch
STUDENT_BATCH, STUDENTS, POOL = 64, 5, 6400


# --- kegnet_np -----------------------------------------------------------------------------------


def our_generator_step(steps):
    """One joint step of one generator and decoder, as `generator.extract` does it."""
    G, dec = generator(Z, K, D), decoder(D, Z)
    rngs = sampling.seeded(0, "bench")
    (g, state_g), (d, state_d) = G.init(rngs[0]), dec.init(rngs[0])
    theta, state = np.concatenate([g, d])[None], np.concatenate([state_g, state_d])[None]
    training = Training(theta, state, rngs, Schedule(1e-4, B, 1))
    M = Network.random(MLP(D, K), rngs[0])
    run_epoch = extraction_epoch(G, dec, M, batch=B, steps=steps)
    return lambda: run_epoch(training)


def our_student_step(steps):
    """One step of each of five Tucker students in a stack, as `student.distill` does it."""
    rngs = sampling.seeded(0, "bench", STUDENTS)
    start = tucker.compress(Network.random(MLP(D, K), rngs[0]), 5).stack(STUDENTS)
    training = Training(start.theta, start.state, rngs, Schedule(1e-4, STUDENT_BATCH, 1))
    N = steps * STUDENT_BATCH
    x = np.stack([rng.standard_normal((N, D), np.float32) for rng in rngs])
    batches = train.pool_batches(x, losses.softmax(x[..., :K]), STUDENT_BATCH)
    run_epoch = train.classifier_epoch(start.model, losses.kl, batches)
    return lambda: run_epoch(training)


def bare_products(steps):
    """Only the matrix products of a generator step, forward and backward."""
    rng = np.random.default_rng(0)

    def draw(rows, columns):
        return rng.standard_normal((rows, columns), np.float32)

    def chain(widths, weights_too):
        layers = list(zip(widths, widths[1:], strict=False))
        made = []
        for i, (n, m) in enumerate(layers):
            made += [(draw(B, n), draw(n, m)), (draw(B, m), draw(m, n).copy().T.copy().T)]
            if weights_too:
                made.append((draw(B, n).T, draw(B, m)))
            if weights_too == "first" and i == 0:
                del made[-2]  # the inputs of the generator need no gradient
        return made

    products = chain([D] + [100] * 11 + [K], False)
    products += chain([Z + K, 120, 120, D], "first") + chain([D, 120, 120, 120, Z], True)

    def run():
        for _ in range(steps):
            for a, b in products:
                np.matmul(a, b)

    return run


# --- PyTorch -------------------------------------------------------------------------------------


def torch_mlp(dense):
    layers = []
    for i, (n, m) in enumerate(MLP(D, K).sizes):
        layers += [dense(i, n, m)] + [nn.ELU(), nn.Dropout(0.15)] * (m == 100)
    return nn.Sequential(*layers)


def torch_normalised(inputs, outputs, depth, adjust):
    layers, n = [], inputs
    for _ in range(depth):
        layers += [nn.Linear(n, 120), nn.ELU(), nn.BatchNorm1d(120)]
        n = 120
    layers += [nn.Linear(n, outputs)] + [nn.BatchNorm1d(outputs, affine=False)] * adjust
    return nn.Sequential(*layers)


def torch_generator_step(steps, official=False, dropout=False):
    """The same mathematics; ``official`` with the work that the official program adds to it.

    That program also leaves the teacher in training mode: ``dropout``, a row of its own.
    """
    M = torch_mlp(lambda i, n, m: nn.Linear(n, m)).train(dropout)
    M.requires_grad_(official)
    G, dec = torch_normalised(Z + K, D, 2, True), torch_normalised(D, Z, 3, False)
    adam = torch.optim.Adam([*G.parameters(), *dec.parameters()], 1e-4)

    def step():
        labels, z = torch.randint(K, (B,)), torch.randn(B, Z)
        x = G(torch.cat([z, F.one_hot(labels, K).float()], 1))
        parts = [F.cross_entropy(M(x), labels), F.mse_loss(dec(x), z)]
        loss = parts[0] + parts[1]
        if official:
            d_z = (z[:, None] - z[None]).square().mean(2)
            d_x = (x[:, None] - x[None]).abs().mean(2)
            parts.append(torch.exp(-(d_z * d_x).mean()))
            loss = loss + 0 * parts[2]
        adam.zero_grad()
        loss.backward()
        adam.step()
        if official:
            [part.item() for part in parts]

    return lambda: [step() for _ in range(steps)]


class TorchTucker(nn.Sequential):
    def __init__(self, n, r_in, r_out, m):
        super().__init__(
            nn.Linear(n, r_in, bias=False), nn.Linear(r_in, r_out, bias=False), nn.Linear(r_out, m)
        )


def torch_student_step(steps):
    pairs = MLP(D, K).rank_pairs((5,))
    S = torch_mlp(lambda i, n, m: TorchTucker(n, *pairs[i], m))
    adam = torch.optim.Adam(S.parameters(), 1e-4)
    x = torch.randn(steps * STUDENT_BATCH, D)
    target = torch.softmax(x[:, :K], 1)

    def run():
        for rows in torch.randperm(len(x)).split(STUDENT_BATCH):
            logits = F.log_softmax(S(x[rows]), 1)
            loss = F.kl_div(logits, target[rows], reduction="batchmean")
            adam.zero_grad()
            loss.backward()
            adam.step()

    return run


# --- the table -----------------------------------------------------------------------------------


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=60)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    train.hold_heap()
    n = args.steps
    contenders = {  # name: (what runs, networks trained by a step)
        "generator step: kegnet_np": (our_generator_step(n), 1),
        "generator step: PyTorch, lean": (torch_generator_step(n), 1),
        "generator step: PyTorch, as official": (torch_generator_step(n, True, True), 1),
        "... but for its teacher's dropout": (torch_generator_step(n, True), 1),
        "generator step: matrix products alone": (bare_products(n), 1),
        "student step: kegnet_np, stack of 5": (our_student_step(n), STUDENTS),
        "student step: PyTorch": (torch_student_step(n), 1),
    }
    times = {name: [] for name in contenders}
    for r in range(args.rounds + 1):
        for name, (run, networks) in contenders.items():
            start = time.perf_counter()
            run()
            if r:  # the first round warms up
                times[name].append((time.perf_counter() - start) / n / networks * 1e3)
    print(f"numpy {np.__version__}, torch {torch.__version__}, {args.rounds} rounds of {n} steps")
    for name, ms in times.items():
        print(f"{name:40} {statistics.median(ms):8.3f} ms   [{min(ms):.3f}, {max(ms):.3f}]")
    ours, lean, official, calm, products, students, torch_student = times.values()
    for label, a, b, bound in (
        ("generator: ours / lean PyTorch", ours, lean, "at most 0.85"),
        ("generator: ours / as official", ours, official, "at most 0.3"),
        ("... but for its teacher's dropout", ours, calm, ""),
        ("generator: ours / matrix products", ours, products, ""),
        ("student: ours, each of 5 / PyTorch", students, torch_student, "at most 0.2"),
    ):
        ratios = [x / y for x, y in zip(a, b, strict=True)]
        spread = f"[{min(ratios):.3f}, {max(ratios):.3f}]"
        print(f"{label:40} {statistics.median(ratios):8.3f}      {spread} {bound}")


if __name__ == "__main__":
    main()
