"""Random signs of a layer's inputs, folded into what makes and what reads them: the layer computes the same."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..checkpoints import ModelShape
from .plan import Options
from .rotation import flip_columns, flip_rows, signs
from .weights import inputs

__all__ = ["Flips"]


@dataclass(frozen=True)
class Flips:
    """The signs, float32 of +1 and -1.

    Parameters
    ----------
    inputs: of the columns that read an input, by its name.
    rows: of matrices and of their biases, by the matrix' name.
    vectors: of gains and biases, by their name; those that are missing stay.
    """

    inputs: dict[str, np.ndarray]
    rows: dict[str, np.ndarray]
    vectors: dict[str, np.ndarray]

    @classmethod
    def of(cls, shape: ModelShape, index: int, options: Mapping[str, Options], seed: int) -> "Flips":
        """Those of layer ``index``; ``options``: of its matrices, by name.

        An input has signs where a rotation asks for them, where every matrix that reads it is written anew, and where
        what makes it can take them: a norm, or a matrix that is written anew and has nothing but linear steps behind
        it. Query heads of a KV head share those of its values.
        """
        makers = {"attn_in": "attn_norm", "o_in": "attn_v", "ffn_in": "ffn_norm", "down_in": "ffn_up"}
        matrices, readers = shape.matrices(), inputs(shape)
        flips, rows, made = {}, {}, {}
        for kind, maker in makers.items():
            involved = [options[name] for name in readers[kind]]
            wanted = any(each.rotate and not each.keep for each in involved)
            if maker in matrices:
                able, size = kind == "o_in" or shape.gated, matrices[maker][0]
                involved.append(options[maker])
            else:
                able, size = maker in shape.norms, shape.d
            if not (wanted and able) or any(each.keep for each in involved):
                flips[kind] = np.ones(matrices[readers[kind][0]][1], np.float32)
                continue
            flips[kind] = made[maker] = signs(size, seed + zlib.crc32(f"{index}.{kind}".encode()))
            if maker in matrices:
                rows[maker] = flips[kind]
        if "attn_v" in rows:
            flips["o_in"] = np.repeat(rows["attn_v"].reshape(shape.kv_heads, 1, -1), shape.group, axis=1).ravel()
        vectors = {name: made[maker] for name in shape.vectors() if (maker := name.partition(".")[0]) in made}
        return cls(flips, rows, vectors)

    def matrix(self, name: str, kind: str, weights: np.ndarray) -> np.ndarray:
        """Weights [rows, cols] of matrix ``name``, which reads the input ``kind``, as they are to be written."""
        flipped = flip_columns(weights, self.inputs[kind])
        return flip_rows(flipped, self.rows[name]) if name in self.rows else flipped

    def moments(self, kind: str, hessian: np.ndarray) -> np.ndarray:
        """Of the input with its signs."""
        return hessian * np.multiply.outer(self.inputs[kind], self.inputs[kind])
