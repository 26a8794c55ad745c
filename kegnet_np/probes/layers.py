"""Hidden layers and planes: are representation and boundary alike? (Ojha et al., 2023)"""

import numpy as np

from .. import ops
from ..activations import ACTIVATIONS, identity
from ..models import MLP
from ..network import Network
from ..sampling import one_hot
from .knowledge import Estimate, answers


def outputs(model: MLP, p, x, masks=None) -> list:
    """Every layer's output (..., B, H), the hidden ones before dropout, then the logits.

    p, masks : as in `MLP.apply`, whose single operation shows no hidden layers; with masks dropout
    is on.
    """
    outs, depth = [], len(model.widths)
    for i, (*factors, last) in enumerate(model.factors):
        f = ACTIVATIONS[model.activation] if i < depth else identity
        for name in factors:  # of a Tucker form, lean or the paper's
            x = ops.dense(x, p[name], 0.0)
        outs.append(ops.dense(x, p[last], p[f"b{i}"], f))
        x = outs[-1] if masks is None or i == depth else ops.dropout(outs[-1], masks[i])
    return outs


def activations(network: Network, x: np.ndarray) -> list[np.ndarray]:
    """The hidden layers' outputs, first to last, (..., N, H) each, of x (N, D)."""
    return outputs(network.model, network.p, x)[:-1]


def cka(a: np.ndarray, b: np.ndarray) -> Estimate:
    """Linear CKA of layers a (..., N, H) and b (..., N, H'), centred (App. 11.6; linear: ours):

        CKA = ‖aᵀb‖² / (‖aᵀa‖ ‖bᵀb‖) = Σ q_ab / √(Σ q_aa Σ q_bb),  q_ab(i) = a_i aᵀb b_iᵀ

    Each Σ moves with an example by twice its q. The example's value is therefore, to first order,
    CKA (1 − N q_aa / Σ q_aa − N q_bb / Σ q_bb) + 2 N q_ab / √(Σ q_aa Σ q_bb). NaN if a or b is
    constant. Give many more rows than H and H': of few, CKA is too high.
    """
    if a.shape[-2] != b.shape[-2]:
        raise ValueError(f"b has {b.shape[-2]} rows, expected {a.shape[-2]}, as a has")
    a, b = (v - v.mean(-2, keepdims=True) for v in (np.float64(a), np.float64(b)))
    ab, aa, bb = (((u @ (u.mT @ v)) * v).sum(-1) for u, v in ((a, b), (a, a), (b, b)))  # (..., N)
    of_a, of_b = (np.where((q > 0).any(-1), q.sum(-1), np.nan)[..., None] for q in (aa, bb))
    N, root = a.shape[-2], np.sqrt(of_a * of_b)
    value = ab.sum(-1, keepdims=True) / root
    return Estimate(value * (1 - N * aa / of_a - N * bb / of_b) + 2 * N * ab / root)


def planes(x: np.ndarray, rng: np.random.Generator, triplets: int = 50, grid: int = 50,
           beyond: float = 0.1) -> np.ndarray:
    """Points of planes through three random rows of x (N, D) each: (triplets, grid², D).

    x₁ + α (x₂ − x₁) + β (x₃ − x₁), α and β in ``grid`` equal steps from −``beyond`` to
    1 + ``beyond`` (Table 1; the grid is ours). Of noise x they are noise planes.
    """
    if len(x) < 3 or triplets < 1 or grid < 2:
        raise ValueError(f"x has {len(x)} rows, triplets is {triplets} and grid {grid}: expected "
                         "at least 3 rows, 1 triplet, a grid of 2")
    drawn = np.stack([x[rng.choice(len(x), 3, replace=False)] for _ in range(triplets)])
    first, second, third = drawn.swapaxes(0, 1)[:, :, None]  # (triplets, 1, D)
    side = np.linspace(-beyond, 1 + beyond, grid, dtype=x.dtype)
    alpha, beta = (v.reshape(-1, 1) for v in np.meshgrid(side, side))  # (grid², 1)
    return first + alpha * (second - first) + beta * (third - first)


def boundary(teacher: Network, student: Network, on: np.ndarray) -> dict[str, Estimate]:
    """How alike two networks cut `planes` (T, P, D) into classes (Table 1), each plane a value.

    agreement : the share of pixels with the same class. iou : pixels where both show a class by
        pixels where either does, the mean over the classes that either shows (ours).
    """
    shares, ious, K = [], [], teacher.model.classes
    for x in on:
        s, t = (one_hot(answers(network, x), K) for network in (student, teacher))  # (..., P, K)
        both = (s * t).sum(-2)
        either = s.sum(-2) + t.sum(-2) - both  # (..., K)
        shares.append(both.sum(-1) / len(x))
        ious.append((both / np.maximum(either, 1)).sum(-1) / (either > 0).sum(-1))
    return {"agreement": Estimate(np.stack(shares, -1)), "iou": Estimate(np.stack(ious, -1))}
