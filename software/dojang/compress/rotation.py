"""Rotation of a matrix's inputs: W x = (W H) (H x), H an orthonormal Hadamard matrix for each block of columns."""

import numpy as np

__all__ = ["BLOCK", "flip_columns", "flip_rows", "hadamard", "rotate_hessian", "signs"]

BLOCK = 64


def _matrix(block: int) -> np.ndarray:
    """(-1)^popcount(i & j) / sqrt(block), float64."""
    matrix = np.ones((1, 1))
    while len(matrix) < block:
        matrix = np.block([[matrix, matrix], [matrix, -matrix]])
    if len(matrix) != block:
        raise ValueError(f"block is {block}, expected a power of two")
    return matrix / np.sqrt(block)


def hadamard(weights: np.ndarray, block: int = BLOCK) -> np.ndarray:
    """float32 [rows, cols rounded up to whole blocks]: each block of columns times the Hadamard matrix.

    A block that is not whole is filled with zeros, as the input vector is. Twice is the identity.
    """
    rows, cols = weights.shape
    padded = np.zeros((rows, -(-cols // block) * block))
    padded[:, :cols] = weights
    return (padded.reshape(-1, block) @ _matrix(block)).reshape(padded.shape).astype(np.float32)


def rotate_hessian(hessian: np.ndarray, block: int = BLOCK) -> np.ndarray:
    """The Hessian [cols, cols] of the rotated inputs."""
    return hadamard(hadamard(hessian, block).T, block)


def signs(count: int, seed: int) -> np.ndarray:
    """float32 [count] of random +1 and -1, the same ones for a seed on every machine and with every numpy."""
    words = np.random.PCG64(seed).random_raw(count)
    return (1 - 2 * (words >> np.uint64(63)).astype(np.float32)).astype(np.float32)


def flip_columns(weights: np.ndarray, flips: np.ndarray) -> np.ndarray:
    """Weights [rows, cols] for inputs that were multiplied by ``flips`` [cols]."""
    return weights * flips


def flip_rows(weights: np.ndarray, flips: np.ndarray) -> np.ndarray:
    """Weights [rows, cols] whose outputs are multiplied by ``flips`` [rows]."""
    return weights * flips[:, None]
