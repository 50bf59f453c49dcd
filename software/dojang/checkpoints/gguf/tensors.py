"""Values of stored tensors."""

import gguf
import numpy as np

from ..matrix import FLOAT_TYPES, Matrix, from_blocks, quantize

__all__ = ["floats", "matrix", "rows"]


def matrix(name: str, data: np.ndarray, source: str, weights_bits: int) -> Matrix:
    """The tensor as codes and scales; one stored as floats gets ``weights_bits`` bits."""
    if source in FLOAT_TYPES:
        return quantize(name, floats(data, source), source, weights_bits)
    return from_blocks(name, data, source)


def floats(data: np.ndarray, source: str) -> np.ndarray:
    """float32 values of a vector, or of a matrix that is stored as floats."""
    if source == "BF16":
        return (data.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
    if source not in FLOAT_TYPES:
        return rows(data[None], source)[0]
    return data.astype(np.float32)


def rows(data: np.ndarray, source: str) -> np.ndarray:
    """float32 rows of a two-dimensional tensor of any supported type."""
    return floats(data, source) if source in FLOAT_TYPES else gguf.dequantize(data, gguf.GGMLQuantizationType[source])
