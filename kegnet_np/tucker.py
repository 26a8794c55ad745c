"""The Tucker form of a dense layer: how the student starts (Yoo et al., 2019)."""

import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .backend import to_host
from .models import MLP
from .network import Network


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


def compress(teacher: Network, ranks: int | Sequence[int] = 5) -> Network:
    """The student before training: the teacher's dense layers in Tucker form, biases kept.

    Parameters
    ----------
    teacher : one network, a plain MLP.
    ranks : one rank for all layers, or one per dense layer (a shorter list repeats its last);
        each applies to the layer's modes of hidden width. The paper has 5 for Shuttle, 10 for
        Letter, and for Pendigits 10 in its text and 5 in its ratio.

    Returns
    -------
    The student, theta (P',), in the type of the teacher's.
    """
    model, teacher = tucker_form(teacher.model, ranks), teacher.moved(to_host)  # small, and once
    arrays: dict[str, np.ndarray] = {}
    for i, (rank_in, rank_out) in enumerate(model.rank_pairs(model.ranks or ())):
        U_in, core, U_out = decompose(teacher.p[f"W{i}"], rank_in, rank_out)
        arrays |= {f"U_in{i}": U_in, f"core{i}": core, f"U_out{i}": U_out}
        arrays[f"b{i}"] = teacher.p[f"b{i}"]
    return Network(model, model.layout.pack(arrays, teacher.theta.dtype)).moved()


def tucker_form(model: MLP, ranks: int | Sequence[int]) -> MLP:
    """The model with all its dense layers in Tucker form."""
    if model.ranks is not None:
        raise ValueError("teacher is in Tucker form already: compress a plain classifier")
    return replace(model, ranks=(ranks,) if isinstance(ranks, (int, np.integer)) else tuple(ranks))
