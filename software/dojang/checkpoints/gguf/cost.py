"""What reading a matrix costs, known without reading it."""

from functools import lru_cache

import gguf
import numpy as np

from .stored import DTYPES
from .tensors import matrix

__all__ = ["imported_bytes"]


def imported_bytes(rows: int, columns: int, source: str, weights_bits: int) -> int:
    """Bytes of codes, scales and offsets that import makes of a matrix of the supported type ``source``."""
    return rows * _row_bytes(source, columns, weights_bits)


@lru_cache
def _row_bytes(source: str, columns: int, weights_bits: int) -> int:
    """Every row has as many, whatever its values."""
    if source in DTYPES:
        row = np.zeros((1, columns), DTYPES[source])
    else:
        row = np.zeros(gguf.quant_shape_to_byte_shape((1, columns), gguf.GGMLQuantizationType[source]), np.uint8)
    return matrix("row", row, source, weights_bits, lambda sentence: None).stored_bytes
