"""What samples look like beside real inputs, to the teacher and as a cloud of points.

Accuracy says which samples teach better; these numbers say in what they differ. They need real
inputs, so they explain a result and never choose one.
"""

import numpy as np
from scipy.spatial import cKDTree

from .. import losses
from ..network import Network

AMBIGUOUS = 0.9  # a teacher that is less sure than this of its answer is near a boundary
MEASURES = {
    "confidence": "teacher's confidence, mean",
    "ambiguous": "share of ambiguous samples",
    "balance": "balance of the teacher's answers",
    "correlation": "absolute correlation of two features, mean",
    "likeness": "likeness of the correlations to the real ones",
    "dimensions": "effective dimensions",
    "distance": "distance from a real row to the nearest sample"}


def describe(x: np.ndarray, teacher: Network, real: np.ndarray) -> dict:
    """The `MEASURES` of samples x (N, D) for a teacher, one network, beside real rows (N', D):

    confidence, ambiguous : the teacher's largest probability, mean and share of it below 0.9.
    balance : entropy of the teacher's answers by log K; 1 when all K classes are equally frequent.
    correlation : mean absolute correlation over pairs of features, constant ones left out.
    likeness : Pearson's correlation between the samples' and the real rows' feature correlations.
    dimensions : (Σλ)² / Σλ² of the covariance's eigenvalues λ; D for a round cloud.
    distance : mean Euclidean distance from a real row to its nearest sample; it falls with N.
    """
    D, K = teacher.model.features, teacher.model.classes
    for name, rows in (("x", x), ("real", real)):
        if rows.ndim != 2 or len(rows) < 2 or rows.shape[1] != D:
            raise ValueError(f"{name} has shape {rows.shape}, expected (N, {D}), N >= 2")
    p = losses.softmax(teacher.predict(x))  # (N, K)
    seen = np.unique(p.argmax(-1), return_counts=True)[1] / len(x)  # shares of classes answered
    varied = (x.std(0) > 1e-6) & (real.std(0) > 1e-6)
    above = np.triu_indices(int(varied.sum()), 1)  # pairs of features
    ours, theirs = (_correlation(rows[:, varied])[above] for rows in (x, real))
    eigenvalues = np.linalg.eigvalsh(np.cov(x.T.astype(np.float64)))
    return {
        "confidence": float(p.max(-1).mean()),
        "ambiguous": float((p.max(-1) < AMBIGUOUS).mean()),
        "balance": float(-(seen * np.log(seen)).sum() / np.log(K)),
        "correlation": float(np.abs(ours).mean()),
        "likeness": float(_correlation(np.stack([ours, theirs], axis=1))[0, 1]),
        "dimensions": float(eigenvalues.sum() ** 2 / (eigenvalues**2).sum()),
        "distance": float(cKDTree(x).query(real)[0].mean())}


def _correlation(x: np.ndarray) -> np.ndarray:
    return np.atleast_2d(np.corrcoef(x.astype(np.float64), rowvar=False))
