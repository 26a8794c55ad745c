"""How good a network's answers are; (..., N, K) logits, so a stack gives a number per network."""

import numpy as np


def accuracy(logits: np.ndarray, labels) -> np.ndarray:
    """Share of rows whose largest logit is the label's: (..., N, K), (N,) -> (...)."""
    return (logits.argmax(-1) == labels).mean(-1)


def balanced_accuracy(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The mean over the classes that occur of each one's share of right answers: as `accuracy`."""
    shares = [accuracy(logits[..., labels == k, :], k) for k in np.unique(labels)]
    return np.mean(shares, axis=0)


def agreement(logits: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Share of rows with the same largest logit in both, (..., N, K) and (N, K) -> (...)."""
    return accuracy(logits, others.argmax(-1))
