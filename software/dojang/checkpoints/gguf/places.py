"""Where the tensors of a description are in a file: rows of fused tensors, pairs that lie half a head apart."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..errors import UnsupportedError, named
from ..families import Family
from ..keyed_file import KeyedFile
from ..shape import ModelShape

__all__ = ["Place", "bias_names", "find_places"]

PAIRED = ("attn_q", "attn_k", "attn_q_norm", "attn_k_norm")
"""Tensors whose rows are elements of queries or keys."""


@dataclass(frozen=True)
class Place:
    """Where a tensor is.

    Parameters
    ----------
    tensor: name in the file.
    start, stop: its rows (elements of a vector) in that tensor.
    order: of these rows, or None if they are in order.
    """

    tensor: str
    start: int
    stop: int
    order: np.ndarray | None = None

    def of(self, data: np.ndarray) -> np.ndarray:
        """The rows in order, of those of the file's tensor; a view where they are in order."""
        rows = data[self.start:self.stop]
        return rows if self.order is None else rows[self.order]


def bias_names(file: KeyedFile, family: Family) -> tuple[str, ...]:
    """`ModelShape.biases`: those that the family must have, and those that the first layer has."""
    fused = _fused(file, family, "bias")
    gate = ("ffn_gate",) if family.gated else ()
    names = ("attn_q", "attn_k", "attn_v", "attn_output", *gate, "ffn_up", "ffn_down")
    return tuple(name for name in names
                 if name in family.biases or f"blk.0.{fused.get(name, name)}.bias" in file.tensors)


def find_places(file: KeyedFile, family: Family, shape: ModelShape, others: set[str]) -> dict[str, Place]:
    """Place of every tensor of ``shape``, by name; each is there and has its size, and but for ``others`` there are no
    more.

    Raises
    ------
    CheckpointError: a tensor is missing, of another size, or not part of the family.
    """
    fused = {kind: _fused(file, family, kind) for kind in ("weight", "bias")}
    sizes: dict[str, tuple[int, ...]] = {}
    places: dict[str, Place] = {}
    for name, size in shape.tensors().items():
        layer, matrix, kind = _parts(name)
        tensor = f"{layer}{fused[kind].get(matrix, matrix)}.{kind}"
        start = sizes[tensor][0] if tensor in sizes else 0
        sizes[tensor] = (start + size[0], *size[1:])
        places[name] = Place(tensor, start, start + size[0], _order(file, family, shape, matrix, size[0]))
    surplus = sorted(set(file.tensors) - set(sizes) - others)
    if surplus:
        raise UnsupportedError(f"{file.path}: tensor {named(surplus[0])} is not part of the family {family.name}")
    for tensor, size in sizes.items():
        file.tensor(tensor, size)
    return places


def _parts(name: str) -> tuple[str, str, str]:
    """``blk.0.``, ``attn_q`` and ``weight``; the first is empty outside of layers."""
    front, _, kind = name.rpartition(".")
    layer, dot, matrix = front.rpartition(".")
    return layer + dot, matrix, kind


def _fused(file: KeyedFile, family: Family, kind: str) -> dict[str, str]:
    """Name of the fused tensor by what it has rows of, as the first layer has it."""
    return {part: name for name, parts in family.fused.items() for part in parts
            if f"blk.0.{name}.{kind}" in file.tensors and f"blk.0.{parts[0]}.{kind}" not in file.tensors}


def _order(file: KeyedFile, family: Family, shape: ModelShape, matrix: str, rows: int) -> np.ndarray | None:
    if matrix not in PAIRED or not (family.halves or file.halves):
        return None
    rotated = max((kind.rotation.dim for kind in shape.kinds if kind.rotation), default=0)
    return _from_halves(rows // shape.key_dim, shape.key_dim, rotated) if rotated else None


@lru_cache(64)
def _from_halves(heads: int, size: int, rotated: int) -> np.ndarray:
    """Row of the file for each row: elements i and i + rotated / 2 of a head become neighbours."""
    head = np.arange(size)
    head[:rotated] = np.arange(rotated).reshape(2, -1).T.ravel()
    return (np.arange(heads)[:, None] * size + head).ravel()
