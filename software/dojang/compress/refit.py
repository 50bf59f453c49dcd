"""The scales that suit given codes best, all groups of a row at once."""

import numpy as np

__all__ = ["refit"]

RIDGE = 1e-9
"""Of the mean diagonal: lets planes or groups be equal or zero."""

LARGEST = 1 << 22
"""Numbers in the equations of the rows that are solved at once."""


def refit(weights: np.ndarray, levels: np.ndarray, hessian: np.ndarray, scale: np.ndarray, width: int) -> np.ndarray:
    """Scales with the least Σ e H e' in each row, where e is the row less its levels times scales.

    Parameters
    ----------
    weights: float32 [rows, cols].
    levels: float32 [terms, rows, cols], what the scales multiply.
    hessian: float32 [cols, cols].
    scale: float64 [rows, groups, terms], kept in rows where least squares gains nothing.
    width: columns of a group.

    Returns
    -------
    float64 like ``scale``.
    """
    unknowns = scale.shape[1] * scale.shape[2]
    result, step = np.empty_like(scale), max(LARGEST // unknowns**2, 1)
    for start in range(0, len(weights), step):
        part = slice(start, start + step)
        result[part] = _refit(weights[part], levels[:, part], hessian, scale[part], width)
    return result


def _refit(weights: np.ndarray, levels: np.ndarray, hessian: np.ndarray, scale: np.ndarray, width: int) -> np.ndarray:
    terms, rows, cols = levels.shape
    starts = np.arange(0, cols, width)
    unknowns = len(starts) * terms
    gram = np.empty((rows, unknowns, unknowns))
    for group, start in enumerate(starts):
        part = slice(start, start + width)
        for term in range(terms):
            product = levels[term][:, part] @ hessian[part]
            for other in range(terms):
                gram[:, group * terms + term, other::terms] = np.add.reduceat(product * levels[other], starts, axis=1)
    product = weights @ hessian
    wanted = np.stack([np.add.reduceat(product * level, starts, axis=1) for level in levels], axis=2)
    wanted = wanted.reshape(rows, unknowns).astype(np.float64)
    diagonal = np.arange(unknowns)
    ridge = RIDGE * gram[:, diagonal, diagonal].mean(axis=1)
    firm = gram.copy()
    firm[:, diagonal, diagonal] += np.where(ridge > 0, ridge, 1)[:, None]
    fitted = np.linalg.solve(firm, wanted[:, :, None])[:, :, 0]

    def loss(values: np.ndarray) -> np.ndarray:
        return np.einsum("ri,rij,rj->r", values, gram, values, optimize=True) - 2 * (wanted * values).sum(axis=1)

    before = scale.reshape(rows, unknowns)
    better = loss(fitted) < loss(before)
    return np.where(better[:, None], fitted, before).reshape(scale.shape)
