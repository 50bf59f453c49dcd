"""Values of stored tensors."""

import gguf
import numpy as np

from ..importing import Tell, from_blocks, quantize
from ..matrix import Matrix
from ..tensor_types import FLOAT_TYPES

__all__ = ["floats", "matrix", "rows"]


def matrix(name: str, data: np.ndarray, source: str, weights_bits: int, tell: Tell) -> Matrix:
    """The tensor as codes and scales; one stored as floats gets ``weights_bits`` bits. ``tell``: see `from_blocks`."""
    if source in FLOAT_TYPES:
        return quantize(name, floats(data, source), source, weights_bits, tell)
    return from_blocks(name, data, source, tell)


def floats(data: np.ndarray, source: str) -> np.ndarray:
    """float32 values of a vector, or of a matrix that is stored as floats."""
    if source == "BF16":
        return (data.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
    if source not in FLOAT_TYPES:
        return rows(data[None], source)[0]
    return data.astype(np.float32)


def rows(data: np.ndarray, source: str) -> np.ndarray:
    """float32 rows of a two-dimensional tensor of any supported type."""
    if source in FLOAT_TYPES:
        return floats(data, source)
    if source == "Q1_0":  # which the package gguf does not decode; import is exact
        return from_blocks("", data, source).dequantize()
    return gguf.dequantize(data, gguf.GGMLQuantizationType[source])
