"""Which weights become zero."""

import numpy as np

__all__ = ["kept", "kept_by_magnitude", "kept_by_wanda"]


def kept(scores: np.ndarray, count: int) -> np.ndarray:
    """bool like ``scores``: all but the smallest ``count``."""
    keep = np.ones(scores.size, bool)
    keep[np.argpartition(scores, min(count, scores.size - 1), axis=None)[:count]] = False
    return keep.reshape(scores.shape)


def kept_by_magnitude(weights: np.ndarray, sparsity: float) -> np.ndarray:
    """The largest weights of the matrix [rows, cols]."""
    return kept(np.abs(weights), round(sparsity * weights.size))


def kept_by_wanda(weights: np.ndarray, hessian: np.ndarray, sparsity: float) -> np.ndarray:
    """In each row the largest weights times the size of their inputs."""
    scores = np.abs(weights) * np.sqrt(np.maximum(np.diag(hessian), 0)).astype(np.float32)
    count = round(sparsity * weights.shape[1])
    keep = np.ones(weights.shape, bool)
    np.put_along_axis(keep, np.argsort(scores, axis=1, kind="stable")[:, :count], False, axis=1)
    return keep
