"""Time of an outer epoch of KDGAN here and in PyTorch loops, in one run, A, B, A, B, ...

    pip install torch   # for the comparison only, never a dependency
    OPENBLAS_NUM_THREADS=1 python benchmarks/bench_kdgan.py [--rounds 15]

The shapes are those of Pendigits: 20 passes of D, 10 of T and 10 of C over 256 rows, batch 64, 20
labels a row, dropout, Adam with weight decay, float32, one thread; one game, and five side by side.
PyTorch's loops do nothing beside the mathematics:
- lean, concrete samples: its usual Adam and dropout; a label is the largest of a concrete sample;
- lean, multinomial: labels by `torch.multinomial`;
- fused Adam: the same with it;
- ours: one flat vector for the fused Adam, masks and labels drawn as here.
Five games are a stack by bmm, or in turn. First PyTorch plays without dropout on the same random
numbers as here, with either Adam: the losses must agree. Then medians over the rounds of the
process's CPU time, and the median and quartiles of ratios taken round by round.
"""

import argparse
import statistics
import time
from dataclasses import replace
from itertools import product

import numpy as np
from bench_steps import STACK, D, K, optional  # which also sees to one core and one thread

from kegnet_np import sampling, train
from kegnet_np.kdgan import game
from kegnet_np.kdgan.rules import Rules
from kegnet_np.models import MLP
from kegnet_np.network import Network
from kegnet_np.train import Schedule

M, BATCH, LR, TOLERANCE = 256, 64, 5e-4, 1e-9
RULES = Rules(alpha=0.3, beta=1.0, gamma=1e-4)
if torch := optional("torch"):
    F = torch.nn.functional


def problem(games, dtype=np.float32, dropout=0.15):
    """Rows and labels of each game, and stacks of C, T and D, all at random."""
    rng = np.random.default_rng(1)
    models = [MLP(D, K, (32,), dropout=dropout)] + [MLP(D, K, dropout=dropout)] * 2
    x, labels = rng.standard_normal((games, M, D)).astype(dtype), rng.integers(K, size=(games, M))
    made = [Network.random(m, sampling.seeded(i, "bench", games)) for i, m in enumerate(models)]
    return (x, labels), [replace(network, theta=network.theta.astype(dtype)) for network in made]


def ours(games, rules=RULES, **options):
    """A function that plays an epoch and gives the training."""
    (x, labels), networks = problem(games, **options)
    return lambda: game.play((x, labels), *networks, rules, validation=(x[0, :1], labels[0, :1]),
                             schedule=Schedule(LR, BATCH, 1), seed=3, purpose="bench")[-1]


class Lean:
    """Games in PyTorch: one on plain matrices, or a stack by bmm.

    labels : how they are drawn: "concrete", "multinomial" or, as here, "shares". fused : the Adam.
    flat : one vector for Adam, and masks as here. order(), uniform(n, B) : other draws.
    """

    def __init__(self, rows, networks, rules=RULES, *, labels, fused=False, flat=False, order=None,
                 uniform=None):
        S = len(rows[0])
        self.lead, self.rules, self.flat = (S,) * (S > 1), rules, flat
        self.prepared, self.shares = getattr(self, f"prepare_{labels}"), getattr(self, labels)
        self.models, self.p, self.adams = [network.model for network in networks], [], []
        for network in networks:
            p = [torch.tensor(a).view(*self.lead, *a.shape[1:])
                 for a in network.p.arrays.values()]
            learnt, sizes = p, [a.numel() for a in p]
            if flat:
                learnt = [torch.cat([a.ravel() for a in p])]
                p = [part.view_as(a) for part, a in zip(learnt[0].split(sizes), p, strict=True)]
                learnt[0].grad = torch.zeros_like(learnt[0])
                for a, grad in zip(p, learnt[0].grad.split(sizes), strict=True):
                    a.grad = grad.view_as(a)
            self.p.append([a.requires_grad_() for a in p])
            self.adams.append(torch.optim.Adam(learnt, LR, weight_decay=game.DECAY, fused=fused))
        self.x = torch.tensor(rows[0]).view(*self.lead, M, D)
        self.y = F.one_hot(torch.tensor(rows[1]), K).to(self.x.dtype).view(*self.lead, M, K)
        self.order = order or (lambda: torch.rand(*self.lead, M).argsort(-1))
        self.uniform = uniform or (lambda n, B: torch.rand(n, *self.lead, B, 1))

    def prepare_concrete(self, a):
        return a

    def concrete(self, a, n):
        """The shares of n labels: the largest of a + Gumbel noise."""
        scores = a - torch.empty(n, *a.shape).exponential_().log_()
        return (scores == scores.amax(-1, keepdim=True)).to(a.dtype).mean(0)

    def prepare_multinomial(self, a):
        return a.softmax(-1)

    def multinomial(self, p, n):
        labels = torch.multinomial(p.reshape(-1, K), n, replacement=True)
        share = torch.full(labels.shape, 1 / n)
        return torch.zeros(len(labels), K).scatter_add_(1, labels, share).view_as(p)

    def prepare_shares(self, a):
        cumulative = a.softmax(-1).cumsum(-1)
        cumulative[..., -1] = 1
        return cumulative

    def shares(self, cumulative, n):
        below = (self.uniform(n, cumulative.shape[-2]) < cumulative).sum(0).to(cumulative.dtype)
        return torch.diff(below, dim=-1, prepend=torch.zeros_like(below[..., :1])) / n

    def masks(self, model, x):
        """All of a step's, of 16 bits a unit, as `MLP.draw_masks` does it."""
        sizes = [x[..., 0].numel() * width for width in model.widths]
        words = torch.empty(-(-sum(sizes) // 4), dtype=torch.int64).random_(-(2**63), None)
        kept = words.view(torch.int16)[: sum(sizes)] >= round(model.dropout * 2**16) - 2**15
        masks = kept.float().mul_(1 / (1 - model.dropout)).split(sizes)
        return [mask.view(*x.shape[:-1], -1) for mask in masks]

    def logits(self, i, x, train=False):
        p, model, linear = self.p[i], self.models[i], torch.baddbmm if self.lead else torch.addmm
        drop = train and model.dropout
        masks = self.masks(model, x) if drop and self.flat else None
        for k in range(len(model.widths)):
            x = F.elu(linear(p[2 * k + 1], x, p[2 * k]))
            x = x * masks[k] if masks else F.dropout(x, drop) if drop else x
        return linear(p[-1], x, p[-2])

    @torch.no_grad() if torch else lambda f: f
    def answers(self, i):
        return self.logits(i, self.x)

    def turn(self, i, loss):
        """A player's passes; loss gives what is differentiated, and the loss's value."""
        values, games = [], torch.arange(len(self.x))[:, None]
        for _ in range(self.rules.passes[i]):
            for at in self.order().split(BATCH, -1):
                rows = (games, at) if self.lead else at
                differentiated, value = loss(self.logits(i, self.x[rows], True), rows)
                self.adams[i].zero_grad(set_to_none=not self.flat)
                differentiated.sum().backward()
                self.adams[i].step()
                values.append(value.detach())
        return torch.stack(values).mean(0)

    def epoch(self):
        """The mean losses of D, T and C."""
        alpha, n = self.rules.alpha, self.rules.draws
        of_c, of_t = (self.prepared(self.answers(i)) for i in (0, 1))

        def discriminate(d, rows):
            y_c, y_t = self.shares(of_c[rows], n), self.shares(of_t[rows], n)
            negative = alpha * y_c + (1 - alpha) * y_t
            each = self.y[rows] * F.logsigmoid(d) + negative * F.logsigmoid(-d)
            loss = -each.sum(-1).mean(-1)
            return loss, loss

        means = [self.turn(2, discriminate)]
        r = F.logsigmoid(-self.answers(2))
        for i, share, weight in ((1, 1 - alpha, self.rules.gamma), (0, alpha, self.rules.beta)):
            other = self.answers(1 - i).softmax(-1)

            def improve(a, rows, share=share, weight=weight, other=other):
                log_p = F.log_softmax(a, -1)
                apart = weight * F.kl_div(log_p, other[rows], reduction="none").sum(-1).mean(-1)
                if self.rules.estimator == "exact":
                    loss = share * (log_p.exp() * r[rows]).sum(-1).mean(-1) + apart
                    return loss, loss
                y = self.shares(self.prepared(a.detach()), n)
                reward = (y * r[rows]).sum(-1, keepdim=True)
                weight = y * (r[rows] - reward) * (n / (n - 1))
                score = (weight * log_p).sum(-1).mean(-1)
                return share * score + apart, share * reward.mean((-2, -1)) + apart.detach()

            means.append(self.turn(i, improve))
        return torch.stack(means)


def deviation(games, estimator, flat):
    """The largest difference of a loss after an epoch on the same random numbers, without dropout,
    in float64: in float32 a label near an edge of its interval may round to its neighbour."""
    rules, rngs = replace(RULES, estimator=estimator), sampling.seeded(3, "bench", games)
    exactly, lead = {"dtype": np.float64, "dropout": 0.0}, (games,) * (games > 1)
    (x, labels), networks = problem(games, **exactly)

    def order():
        return torch.tensor(sampling.stacked(lambda g: g.permutation(M), rngs)).view(*lead, M)

    def uniform(n, B):
        drawn = np.stack([rng.random((n, B, 1)) for rng in rngs], axis=-3)
        return torch.tensor(drawn).view(n, *lead, B, 1)

    at = np.arange(games)[:, None], order().view(games, M).numpy()
    theirs = Lean((x[at], labels[at]), networks, rules, labels="shares", fused=flat, flat=flat,
                  order=order, uniform=uniform)
    history = ours(games, rules, **exactly)().history
    mine = [[row[key] for row in history] for key in ("d_loss", "t_loss", "loss")]
    return abs(theirs.epoch().view(3, games).numpy() - mine).max()


WAYS: dict[str, dict] = {
    "lean, concrete samples": {"labels": "concrete"},
    "lean, multinomial": {"labels": "multinomial"},
    "fused Adam": {"labels": "multinomial", "fused": True},
    "ours": {"labels": "shares", "fused": True, "flat": True},
}


def contenders():
    """name -> what plays an epoch of all its games."""
    made = {f"{S}: kegnet_np": ours(S) for S in (1, STACK)}
    for how, way in WAYS.items() if torch else ():
        singles = [Lean(*problem(1), **way) for _ in range(STACK)]
        made[f"1: PyTorch, {how}"] = singles[0].epoch
        made[f"{STACK}: PyTorch, {how}, in turn"] = lambda of=singles: [one.epoch() for one in of]
        made[f"{STACK}: PyTorch, {how}, by bmm"] = Lean(*problem(STACK), **way).epoch
    return made


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    args = parser.parse_args()
    train.hold_heap()
    print(f"numpy {np.__version__}, torch {torch and torch.__version__}; CPU time of an epoch")
    if torch:
        torch.set_num_threads(1)
        torch.manual_seed(0)
    for case in product((1, STACK), ("exact", "score"), (False, True)) if torch else ():
        apart = deviation(*case)
        print("{}: {}, {}losses differ by {:.0e} at the most".format(
            *case[:2], "one vector, " if case[2] else "", apart))
        if not apart < TOLERANCE:
            raise SystemExit("not the same mathematics")
    runs = contenders()
    times = {name: [] for name in runs}
    for r in range(args.rounds + 1):
        for name, run in runs.items():
            start = time.process_time()
            run()
            if r:  # the first round warms up
                times[name].append(time.process_time() - start)
    print(f"{'games: contender':44} {'seconds':>8}   kegnet_np / this")
    for name, t in sorted(times.items()):
        ratios = [a / b for a, b in zip(times[f"{name[0]}: kegnet_np"], t, strict=True)]
        low, ratio, high = np.quantile(ratios, (0.25, 0.5, 0.75))
        print(f"{name:44} {statistics.median(t):8.3f}   {ratio:.2f}   [{low:.2f}, {high:.2f}]")


if __name__ == "__main__":
    main()
