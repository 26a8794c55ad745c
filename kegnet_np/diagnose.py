"""What samples look like beside real inputs, to the teacher and as a cloud of points.

Accuracy says which samples teach better; these numbers say in what they differ. They need real
inputs, so they explain a result and never choose one.
"""

import numpy as np
from scipy.spatial import cKDTree

from . import losses, train
from .models import Classifier

AMBIGUOUS = 0.9  # a teacher that is less sure than this of its answer is near a boundary
MEASURES = {
    "confidence": "teacher's confidence, mean",
    "ambiguous": "share of ambiguous samples",
    "balance": "balance of the teacher's answers",
    "correlation": "absolute correlation of two features, mean",
    "likeness": "likeness of the correlations to the real ones",
    "dimensions": "effective dimensions",
    "distance": "distance from a real row to the nearest sample",
}


def describe(x: np.ndarray, M: Classifier, theta_M: np.ndarray, real: np.ndarray) -> dict:
    """The `MEASURES` of samples x (N, D) for a teacher theta_M (P,), beside real rows (N', D).

    Returns
    -------
    confidence : mean over the samples of the teacher's largest probability.
    ambiguous : share of samples where it is below 0.9.
    balance : entropy of the teacher's answers by log K; 1 when all K classes are equally frequent.
    correlation : mean absolute correlation over pairs of features, constant ones left out.
    likeness : Pearson's correlation between the samples' and the real rows' feature correlations.
    dimensions : (Σλ)² / Σλ² of the covariance's eigenvalues λ; D for a round cloud.
    distance : mean Euclidean distance from a real row to its nearest sample; it falls with N.
    """
    for name, rows in (("x", x), ("real", real)):
        if rows.ndim != 2 or len(rows) < 2 or rows.shape[1] != M.features:
            raise ValueError(f"{name} has shape {rows.shape}, expected (N, {M.features}), N >= 2")
    p = losses.softmax(train.predict(M, theta_M, None, x))  # (N, K)
    share = np.bincount(p.argmax(-1), minlength=M.classes) / len(x)
    seen = share[share > 0]
    ours, theirs = _correlations(x, real)
    eigenvalues = np.linalg.eigvalsh(np.cov(x.T.astype(np.float64)))
    return {
        "confidence": float(p.max(-1).mean()),
        "ambiguous": float((p.max(-1) < AMBIGUOUS).mean()),
        "balance": float(-(seen * np.log(seen)).sum() / np.log(M.classes)),
        "correlation": float(np.abs(ours).mean()),
        "likeness": float(_correlation(np.stack([ours, theirs], axis=1))[0, 1]),
        "dimensions": float(eigenvalues.sum() ** 2 / (eigenvalues**2).sum()),
        "distance": float(cKDTree(x).query(real)[0].mean()),
    }


def _correlations(*clouds: np.ndarray) -> list[np.ndarray]:
    """The correlations above the diagonal of each cloud, of features that vary in all of them."""
    varied = np.all([x.std(0) > 1e-6 for x in clouds], axis=0)
    above = np.triu_indices(int(varied.sum()), 1)
    return [_correlation(x[:, varied])[above] for x in clouds]


def _correlation(x: np.ndarray) -> np.ndarray:
    return np.atleast_2d(np.corrcoef(x.astype(np.float64), rowvar=False))
