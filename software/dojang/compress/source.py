"""What a model is known by where something is made from it."""

import hashlib
import json

import numpy as np

from ..checkpoints import Checkpoint
from ..checkpoints.tensor_types import BLOCK_TYPES, FLOAT_TYPES, is_exact
from .errors import CompressError

__all__ = ["source_sha256"]


def source_sha256(checkpoint: Checkpoint) -> str:
    """SHA-256 of shape and of names and values of all tensors, as exactly as the file has them.

    Raises
    ------
    CompressError: a weight is not finite.
    """
    digest = hashlib.sha256(json.dumps(checkpoint.shape.stored()).encode())
    for name in sorted(checkpoint.shape.tensors()):
        digest.update(name.encode())
        if name in checkpoint.vector_names:
            digest.update(np.ascontiguousarray(checkpoint.load_vector(name)).data)
        elif name == "position_embd.weight" and checkpoint.positions is not None:
            digest.update(np.ascontiguousarray(checkpoint.positions[:]).data)
        elif _rounded(checkpoint.types[name]):
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


def _rounded(source: str) -> bool:
    """Import does not take over the weights of this type as they are."""
    return source in FLOAT_TYPES or (source in BLOCK_TYPES and not is_exact(source))
