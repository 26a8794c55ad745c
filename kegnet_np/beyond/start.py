"""Where a Tucker student starts: layers fitted to activations instead of weights."""

from collections.abc import Sequence

import numpy as np

from .. import ops
from ..activations import ACTIVATIONS
from ..network import Network
from ..tucker import tucker_form

RIDGE = 1e-3  # λ: keeps directions that the samples hardly fill from blowing up


def fit_layers(teacher: Network, ranks: int | Sequence[int], x: np.ndarray) -> Network:
    """The student of `tucker.compress`, its factors fitted to activations instead of weights.

    Layer by layer, first to last: let A be the layer's inputs in the teacher for the samples x,
    Y = A W + b its outputs there, B its inputs in the student fitted so far. The layer becomes the
    affine map of rank r that takes B nearest to Y: reduced-rank regression (Izenman, 1975). With a
    subscript c for centred columns,

        H = B_cᵀ B_c + λ (tr / D) I,   C = H⁻¹ B_cᵀ Y_c,   U = top r eigenvectors of Cᵀ H C,
        W' = C U Uᵀ,   b' = ȳ − b̄ W',

    and the singular value decomposition of W' gives the factors. A layer so corrects what those
    before it lost, in the directions that the samples x (N, D) fill, N well above the width.
    """
    D = teacher.model.features
    if x.ndim != 2 or x.shape[1] != D or len(x) < 2 or not np.isfinite(x).all():
        raise ValueError(f"x has shape {x.shape}, expected finite rows (N, {D})")
    model, p = tucker_form(teacher.model, ranks), teacher.p
    f = ACTIVATIONS[model.activation]
    arrays: dict[str, np.ndarray] = {}
    A = B = x.astype(np.float64)
    for i, (rank_in, rank_out) in enumerate(model.rank_pairs(model.ranks or ())):
        Y = ops.dense(A, p[f"W{i}"].astype(A.dtype), p[f"b{i}"].astype(A.dtype))  # (N, H)
        mean_B, mean_Y = B.mean(0), Y.mean(0)
        W = _reduced_rank(B - mean_B, Y - mean_Y, min(rank_in, rank_out))
        U_in, core, U_out = _factors(W, rank_in, rank_out)
        b = (mean_Y - mean_B @ W)[None]
        arrays |= {f"U_in{i}": U_in, f"core{i}": core, f"U_out{i}": U_out, f"b{i}": b}
        A, B = f(Y), ops.dense(B, W, b, f)
    return Network(model, model.layout.pack(arrays, teacher.theta.dtype))


def _reduced_rank(B: np.ndarray, Y: np.ndarray, rank: int) -> np.ndarray:
    H = B.T @ B
    H += (RIDGE * np.trace(H) / len(H) + np.finfo(float).tiny) * np.eye(len(H))
    C = np.linalg.solve(H, B.T @ Y)  # (D, H)
    U = np.linalg.eigh(C.T @ H @ C)[1][:, ::-1][:, :rank]  # eigh sorts upwards
    return C @ U @ U.T


def _factors(W: np.ndarray, rank_in: int, rank_out: int) -> tuple[np.ndarray, ...]:
    """W (D, H) of rank min(r, r') exactly, as (D, r), (r, r'), (r', H)."""
    U, s, Vt = np.linalg.svd(W)
    core = np.zeros((rank_in, rank_out))
    np.fill_diagonal(core, s[: min(rank_in, rank_out)])
    return U[:, :rank_in], core, Vt[:rank_out]
