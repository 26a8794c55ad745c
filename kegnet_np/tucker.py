"""The Tucker form of a dense layer: how the student starts (Yoo et al., 2019)."""

import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from . import ops
from .models import Classifier, check_ranks


def decompose(W: np.ndarray, rank_in: int, rank_out: int) -> tuple[np.ndarray, ...]:
    """W (D, H) ≈ U_in core U_out with U_in (D, r), core (r, r'), U_out (r', H).

    For a matrix, Tucker decomposition is the truncated SVD of rank min(r, r'), the best
    approximation of that rank (Eckart and Young, 1936); the tests hold it to that. Where r and r'
    differ, the wider factor is completed by directions that the core sends to zero.

    Parameters
    ----------
    W : (D, H), finite. rank_in, rank_out : r in 1..D, r' in 1..H.

    Returns
    -------
    (U_in, core, U_out) in W's type, computed in float64 by `tensorly.decomposition.tucker`.
    """
    if W.ndim != 2 or not np.isfinite(W).all():
        raise ValueError(f"W has shape {W.shape}, expected a finite matrix (D, H)")
    for name, rank, size in (("rank_in", rank_in, W.shape[0]), ("rank_out", rank_out, W.shape[1])):
        if not 1 <= rank <= size:
            raise ValueError(f"{name} is {rank}, expected 1 to {size}, that mode's size")
    from tensorly.decomposition import tucker  # takes a second to import

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # it tells of every completed factor
        core, (U_in, V_out) = tucker(
            np.asarray(W, np.float64), rank=[rank_in, rank_out], random_state=0
        )
    return tuple(np.ascontiguousarray(a, W.dtype) for a in (U_in, core, V_out.T))


def compress(
    teacher: Classifier, theta: np.ndarray, ranks: int | Sequence[int]
) -> tuple[Classifier, np.ndarray]:
    """The student: every dense layer of the teacher in Tucker form, biases kept.

    Parameters
    ----------
    teacher : a plain classifier; theta (P,) its parameters.
    ranks : one rank for all layers, or one per dense layer (a shorter list repeats its last);
        each applies to the layer's modes of hidden width.

    Returns
    -------
    The student's model and its theta (P',), to start the distillation from.
    """
    student = _student(teacher, ranks)
    p = teacher.layout.views(theta)
    arrays: dict[str, np.ndarray] = {}
    for i, (rank_in, rank_out) in enumerate(student.rank_pairs(student.ranks or ())):
        U_in, core, U_out = decompose(p[f"W{i}"], rank_in, rank_out)
        arrays |= {f"U_in{i}": U_in, f"core{i}": core, f"U_out{i}": U_out, f"b{i}": p[f"b{i}"]}
    return student, student.layout.pack(arrays, theta.dtype)


def fit_layers(
    teacher: Classifier, theta: np.ndarray, ranks: int | Sequence[int], x: np.ndarray
) -> tuple[Classifier, np.ndarray]:
    """The student of `compress`, its factors fitted to activations instead of weights.

    Layer by layer, first to last: let A be the layer's inputs in the teacher for the samples x,
    Y = A W + b its outputs there, B its inputs in the student fitted so far. The layer becomes the
    affine map of rank r that takes B nearest to Y: reduced-rank regression (Izenman, 1975). With a
    subscript c for centred columns,

        H = B_cᵀ B_c + λ (tr / D) I,   C = H⁻¹ B_cᵀ Y_c,   U = top r eigenvectors of Cᵀ H C,
        W' = C U Uᵀ,   b' = ȳ − b̄ W',

    and the singular value decomposition of W' gives the factors. A layer so corrects what the
    layers before it lost, in the directions that the samples fill.

    Parameters
    ----------
    teacher, theta (P,), ranks : as in `compress`. x (N, D) : samples, with N well above the width.

    Returns
    -------
    The student's model and its theta (P',).
    """
    if x.ndim != 2 or x.shape[1] != teacher.features or len(x) < 2 or not np.isfinite(x).all():
        raise ValueError(f"x has shape {x.shape}, expected finite rows (N, {teacher.features})")
    student = _student(teacher, ranks)
    p = teacher.layout.views(theta)
    arrays: dict[str, np.ndarray] = {}
    A = B = x.astype(np.float64)
    for i, (rank_in, rank_out) in enumerate(student.rank_pairs(student.ranks or ())):
        Y = ops.dense(A, p[f"W{i}"].astype(A.dtype), p[f"b{i}"].astype(A.dtype))  # (N, H)
        mean_B, mean_Y = B.mean(0), Y.mean(0)
        W = _reduced_rank(B - mean_B, Y - mean_Y, min(rank_in, rank_out))
        U_in, core, U_out = _factors(W, rank_in, rank_out)
        b = (mean_Y - mean_B @ W)[None]
        arrays |= {f"U_in{i}": U_in, f"core{i}": core, f"U_out{i}": U_out, f"b{i}": b}
        A, B = ops.elu(Y), ops.elu(ops.dense(B, W, b))
    return student, student.layout.pack(arrays, theta.dtype)


RIDGE = 1e-3  # λ: keeps directions that the samples hardly fill from blowing up


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


def _student(teacher: Classifier, ranks: int | Sequence[int]) -> Classifier:
    if teacher.ranks is not None:
        raise ValueError("teacher is in Tucker form already: compress a plain classifier")
    ranks = (ranks,) if isinstance(ranks, (int, np.integer)) else tuple(ranks)
    check_ranks(ranks, teacher.hidden, teacher.depth + 1)
    return replace(teacher, ranks=ranks)
