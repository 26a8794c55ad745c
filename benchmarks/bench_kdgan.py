"""Time of an outer epoch of KDGAN here and in a lean PyTorch loop, in one run, A, B, A, B, ...

    pip install torch   # for the comparison only, never a dependency
    OPENBLAS_NUM_THREADS=1 python benchmarks/bench_kdgan.py [--rounds 11]

The shapes are those of Pendigits: an outer epoch is 20 passes of D, 10 of T and 10 of C over 256
rows, batch 64, 20 labels a row, dropout, Adam with weight decay, float32, one thread. First both
play an epoch from the same parameters on the same random numbers, without dropout: the printed
difference of the parameters says whether the mathematics is the same. Then medians over the rounds
of the CPU time a game, and of ratios taken round by round, for a stack of 1, 5 and 34 (a search).
"""

import argparse
import os
import statistics
import time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from kegnet_np import sampling, train
from kegnet_np.kdgan import game
from kegnet_np.kdgan.rules import Rules
from kegnet_np.models import MLP
from kegnet_np.network import Network
from kegnet_np.train import Schedule

D, K, M, BATCH, LR = 16, 10, 256, 64, 5e-4
RULES = Rules(alpha=0.5, beta=1.0, gamma=1e-4)
MODELS = [MLP(D, K, (32,)), MLP(D, K), MLP(D, K)]  # C, T, D


def players(stack, dropout):
    """A stack of each, at random parameters."""
    models = [MLP(m.features, m.classes, m.widths, dropout=dropout) for m in MODELS]
    return [Network.random(model, sampling.seeded(i, "bench", stack))
            for i, model in enumerate(models)]


def problem(stack):
    """Rows of each game, and validation rows (one: its score is not what is timed)."""
    rng = np.random.default_rng(1)
    x = rng.standard_normal((stack, M, D)).astype(np.float32)
    labels = rng.integers(K, size=(stack, M))
    return (x, labels), (x[0, :1], labels[0, :1])


def ours(stack, epochs, dropout=0.15):
    """A function that plays ``epochs`` epochs of a stack of games."""
    C, T, D = players(stack, dropout)
    rows, validation = problem(stack)
    schedule = Schedule(LR, BATCH, epochs, epochs)
    return lambda: game.play(rows, C, T, D, RULES, schedule=schedule, validation=validation,
                             seed=3, purpose="bench")


def module(network):
    """The PyTorch module of a network, a stack of one."""
    layers, p = [], network.model.layout.views(network.theta[0])
    for i, (n, m) in enumerate(network.model.sizes):
        layer = nn.Linear(n, m)
        layer.weight.data, layer.bias.data = (
            torch.tensor(a.copy()) for a in (p[f"W{i}"].T, p[f"b{i}"][0]))
        layers += [layer, nn.ELU(), nn.Dropout(network.model.dropout)]
    return nn.Sequential(*layers[:-2])


class Lean:
    """One game in PyTorch. order() and noise(n, B) draw what is random, but dropout."""

    def __init__(self, networks, rows, order, noise):
        self.nets = [module(network) for network in networks]
        self.adams = [torch.optim.Adam(net.parameters(), LR, weight_decay=game.DECAY, fused=True)
                      for net in self.nets]
        self.x, self.y = torch.tensor(rows[0][0]), F.one_hot(torch.tensor(rows[1][0]), K).float()
        self.order, self.noise = order, noise

    @torch.no_grad()
    def answers(self, i):
        net = self.nets[i].eval()
        a = net(self.x)
        net.train()
        return a

    def turn(self, i, loss):
        for _ in range(RULES.passes[i]):
            for at in self.order().split(BATCH):
                self.adams[i].zero_grad()
                loss(self.nets[i](self.x[at]), at).backward()
                self.adams[i].step()

    def drawn(self, a, noise):
        scores = a + noise
        return (scores == scores.amax(-1, keepdim=True)).to(a.dtype)

    def epoch(self):
        alpha, n = RULES.alpha, RULES.draws
        a_c, a_t = self.answers(0), self.answers(1)

        def discriminate(d, at):
            noise = self.noise(2 * n, len(at))
            y_c = self.drawn(a_c[at], noise[:n]).mean(0)
            y_t = self.drawn(a_t[at], noise[n:]).mean(0)
            negative = alpha * y_c + (1 - alpha) * y_t
            return -(self.y[at] * F.logsigmoid(d) + negative * F.logsigmoid(-d)).sum(1).mean()

        self.turn(2, discriminate)
        d = self.answers(2)
        for i, share, weight in ((1, 1 - alpha, RULES.gamma), (0, alpha, RULES.beta)):
            other = self.answers(1 - i).softmax(1)

            def improve(a, at, share=share, weight=weight, other=other):
                y = self.drawn(a.detach(), self.noise(n, len(at)))
                reward = (y * F.logsigmoid(-d[at])).sum(-1)
                advantage = (reward - reward.mean(0)) / (n - 1)
                log_p = F.log_softmax(a, 1)
                score = ((y * advantage[..., None]).sum(0) * log_p).sum(1).mean()
                return share * score + weight * F.kl_div(log_p, other[at], reduction="batchmean")

            self.turn(i, improve)


def gumbel(n, rows):
    """Noise as a lean loop draws it."""
    return -torch.empty(n, rows, K).exponential_().log()


def difference():
    """The largest difference of a parameter after an epoch on the same random numbers."""
    rows, validation = problem(1)
    networks = players(1, dropout=0.0)
    rngs = sampling.seeded(3, "bench", 1)
    at = rngs[0].permutation(M)
    lean = Lean(networks, [a[:, at] for a in rows], lambda: torch.tensor(rngs[0].permutation(M)),
                lambda n, B: torch.tensor(game.estimators.gumbel(rngs, (n, B, K))[:, 0]))
    lean.epoch()
    *_, done = ours(1, 1, dropout=0.0)()
    theirs = [module(Network(network.model, theta)) for network, theta in zip(
        networks, game.split(done.theta, [n.model.layout for n in networks]), strict=True)]
    pairs = [(a, b) for i in range(3) for a, b in zip(
        lean.nets[i].parameters(), theirs[i].parameters(), strict=True)]
    moved = [(a, b) for i in range(3) for a, b in zip(
        lean.nets[i].parameters(), module(networks[i]).parameters(), strict=True)]
    return [max((a - b).abs().max().item() for a, b in some) for some in (pairs, moved)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--stacks", type=int, nargs="*", default=(1, 5, 34))
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    train.hold_heap()
    print(f"numpy {np.__version__}, torch {torch.__version__}; CPU time of one game's outer epoch")
    print("largest difference of a parameter {:.1e}, largest move {:.1e}".format(*difference()))
    lean = Lean(players(1, 0.15), problem(1)[0], lambda: torch.randperm(M), gumbel)
    runs = {"PyTorch, lean": (lean.epoch, 1)}
    runs |= {f"kegnet_np, stack of {s}": (ours(s, 1), s) for s in args.stacks}
    times = {name: [] for name in runs}
    for r in range(args.rounds + 1):
        for name, (run, games) in runs.items():
            start = time.process_time()
            run()
            if r:  # the first round warms up
                times[name].append((time.process_time() - start) / games * 1e3)
    for name, ms in times.items():
        ratios = [a / b for a, b in zip(ms, times["PyTorch, lean"], strict=True)]
        print(f"{name:24} {statistics.median(ms):8.1f} ms   [{min(ms):.1f}, {max(ms):.1f}]   ratio "
              f"{statistics.median(ratios):.2f}   [{min(ratios):.2f}, {max(ratios):.2f}]")


if __name__ == "__main__":
    main()
