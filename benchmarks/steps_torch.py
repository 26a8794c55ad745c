"""The same training steps in PyTorch: eager, with its fused Adam, in a stack by bmm, compiled."""

import torch
from torch import nn
from torch.nn import functional as F

from kegnet_np.models import MLP

torch.manual_seed(0)


def _mlp(D, K, dense, dropout=0.15):
    layers = []
    for i, (n, m) in enumerate(MLP(D, K).sizes):
        layers += [dense(i, n, m)] + [nn.ELU(), nn.Dropout(dropout)] * (m == 100)
    return nn.Sequential(*layers)


def _normalised(inputs, outputs, depth, adjust):
    layers, n = [], inputs
    for _ in range(depth):
        layers += [nn.Linear(n, 120), nn.ELU(), nn.BatchNorm1d(120)]
        n = 120
    layers += [nn.Linear(n, outputs)] + [nn.BatchNorm1d(outputs, affine=False)] * adjust
    return nn.Sequential(*layers)


def generator_step(steps, D, K, Z, B, *, official=False, dropout=False, fused=False):
    """The same mathematics; ``official`` with the work that the official program adds to it.

    That program also leaves the teacher in training mode: ``dropout``.
    """
    M = _mlp(D, K, lambda i, n, m: nn.Linear(n, m)).train(dropout)
    M.requires_grad_(official)
    G, dec = _normalised(Z + K, D, 2, True), _normalised(D, Z, 3, False)
    adam = torch.optim.Adam([*G.parameters(), *dec.parameters()], 1e-4, fused=fused)

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


class _Tucker(nn.Sequential):
    def __init__(self, n, r_in, r_out, m):
        super().__init__(
            nn.Linear(n, r_in, bias=False), nn.Linear(r_in, r_out, bias=False), nn.Linear(r_out, m)
        )


def _batches(N, D, K, batch, S=()):
    """A pool of rows and their targets, gone through in a new random order."""
    x = torch.randn(N, D)
    target = torch.softmax(x[:, :K], 1)
    for rows in torch.stack([torch.randperm(N) for _ in range(max(S, default=1))]).split(batch, 1):
        rows = rows if S else rows[0]
        yield x[rows], target[rows]


def student_step(steps, D, K, batch, ranks, *, fused=False):
    """One Tucker student, with dropout, as a reader would write it."""
    pairs = MLP(D, K).rank_pairs(ranks)
    S = _mlp(D, K, lambda i, n, m: _Tucker(n, *pairs[i], m))
    adam = torch.optim.Adam(S.parameters(), 1e-4, fused=fused)

    def run():
        for x, target in _batches(steps * batch, D, K, batch):
            loss = F.kl_div(F.log_softmax(S(x), 1), target, reduction="batchmean")
            adam.zero_grad()
            loss.backward()
            adam.step()

    return run


def stack_step(steps, stack, D, K, batch, ranks, *, dropout=True, compiled=False):
    """A stack of Tucker students by batched products, with the fused Adam; also compiled."""
    model = MLP(D, K)
    p = []
    for (n, m), (r_in, r_out) in zip(model.sizes, model.rank_pairs(ranks), strict=True):
        for shape in ((n, r_in), (r_in, r_out), (r_out, m), (1, m)):
            p.append((0.1 * torch.randn(stack, *shape)).requires_grad_())
    adam = torch.optim.Adam(p, 1e-4, fused=True)

    def loss_of(x, target):
        for i in range(0, len(p), 4):
            x = torch.baddbmm(p[i + 3], x @ p[i] @ p[i + 1], p[i + 2])
            if i + 4 < len(p):
                x = F.elu(x)
                x = F.dropout(x, 0.15) if dropout else x
        each = F.kl_div(F.log_softmax(x, 2), target, reduction="none").sum(2).mean(1)
        return each.sum()

    loss_of = torch.compile(loss_of) if compiled else loss_of

    def run():
        for x, target in _batches(steps * batch, D, K, batch, (stack,)):
            adam.zero_grad()
            loss_of(x, target).backward()
            adam.step()

    return run
