"""Rotary embedding: what the keys of a file say of its angles."""

from ..errors import CheckpointError
from .file import GGUFFile
from .tensors import floats

__all__ = ["rope_factors"]


def rope_factors(file: GGUFFile, head_dim: int) -> tuple[float, ...] | None:
    """Divisors of the frequencies, or None for all ones."""
    scaling = file.field("llama.rope.scaling.type", "none")
    if scaling not in ("none", "linear"):
        raise CheckpointError(f"{file.path}: rotary scaling {scaling!r} is not supported")
    factor = file.number("llama.rope.scaling.factor", 1.0) if scaling == "linear" else 1.0
    if "rope_freqs.weight" in file.tensors:
        tensor = file.tensor("rope_freqs.weight", (head_dim // 2,))
        return tuple(float(value) * factor for value in floats(tensor.data, tensor.tensor_type.name))
    return None if factor == 1.0 else (factor,) * (head_dim // 2)
