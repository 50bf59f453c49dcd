"""What a model is known by where something is made from it."""

import hashlib

import numpy as np

from ..checkpoints import Checkpoint
from ..checkpoints.matrix import FLOAT_TYPES
from .errors import CompressError

__all__ = ["source_sha256"]


def source_sha256(checkpoint: Checkpoint) -> str:
    """SHA-256 of shape and of names and values of all tensors, as exactly as the file has them.

    Raises
    ------
    CompressError: a weight is not finite.
    """
    digest = hashlib.sha256(repr(checkpoint.shape).encode())
    for name in sorted(checkpoint.types):
        digest.update(name.encode())
        if name.endswith("norm.weight"):
            digest.update(np.ascontiguousarray(checkpoint.load_vector(name)).data)
        elif checkpoint.types[name] in FLOAT_TYPES:
            values = checkpoint.floats(name)
            if not np.isfinite(values).all():
                row, column = np.argwhere(~np.isfinite(values))[0]
                raise CompressError(f"tensor {name}: the weight in row {row}, column {column} is "
                                    f"{values[row, column]}, expected finite numbers")
            digest.update(np.ascontiguousarray(values).data)
        else:
            matrix = checkpoint.load_matrix(name)
            for part in (matrix.codes, matrix.scale, matrix.offset, matrix.mask):
                if part is not None:
                    digest.update(np.ascontiguousarray(part).data)
    return digest.hexdigest()
