"""Stored tensors as matrices: blocks of every type, and floats onto codes of a few bits."""

from collections.abc import Callable, Iterator

import gguf
import numpy as np

from .blocks.nearest import symmetric
from .blocks.parts import Parts, ScaleError
from .errors import CheckpointError
from .form import BLOCK, Form
from .matrix import Matrix
from .tensor_types import BLOCK_TYPES

__all__ = ["Tell", "from_blocks", "quantize"]

Tell = Callable[[str], None]
"""Takes a sentence about weights that the forms of the engine have no numbers for."""

PART = 1 << 20
"""Weights that are decoded at a time: bounds the temporaries."""


def from_blocks(name: str, raw: np.ndarray, source: str, tell: Tell = lambda sentence: None) -> Matrix:
    """A block-quantised matrix in the form that `BLOCK_TYPES` has for its type.

    Parameters
    ----------
    name: of the tensor, for messages.
    raw: uint8 [rows, bytes of a row] of whole blocks.
    source: the type.
    tell: gets a sentence if weights are too small for FP16 scales.

    Raises
    ------
    CheckpointError: a scale is not finite or beyond FP16.
    """
    kind = BLOCK_TYPES[source]
    columns, size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[source]]
    rows, cols = len(raw), raw.shape[1] // size * columns

    def parts() -> Iterator[Parts]:
        step = max(1, PART // max(cols, 1))
        for start in range(0, rows, step):
            yield kind.read(np.ascontiguousarray(raw[start:start + step]).reshape(-1, size))

    return _assembled(name, rows, cols, kind.form, kind.offset, source, parts(), tell)


def quantize(name: str, weights: np.ndarray, source: str, bits: int = 8, tell: Tell = lambda sentence: None) -> Matrix:
    """A float matrix on codes of ``bits`` bits in groups of 32 columns with one FP16 scale (symmetric, signed).

    ``tell`` gets a sentence if weights are too small for such scales.

    Raises
    ------
    CheckpointError: a weight is not finite, or too large for such scales.
    """
    rows, cols = weights.shape
    groups = -(-cols // BLOCK)

    def parts() -> Iterator[Parts]:
        step = max(1, PART // (groups * BLOCK))
        for start in range(0, rows, step):
            part = np.zeros((len(weights[start:start + step]), groups * BLOCK))
            part[:, :cols] = weights[start:start + step]
            if not np.isfinite(part).all():
                raise CheckpointError(f"tensor {name} holds NaN or infinite weights")
            yield symmetric(part.reshape(len(part), groups, BLOCK), bits)

    return _assembled(name, rows, cols, Form(bits, signed=True), False, source, parts(), tell)


def _assembled(name: str, rows: int, cols: int, form: Form, offset: bool, source: str, parts: Iterator[Parts],
               tell: Tell) -> Matrix:
    groups = -(-cols // BLOCK)
    codes = np.empty((rows * groups, BLOCK), np.int8 if form.signed else np.uint8)
    scale = np.empty(rows * groups, np.float16)
    offsets = np.empty(rows * groups, np.float16) if offset else None
    at, vanished, coarse = 0, 0, 0
    try:
        for part in parts:
            here = slice(at, at + part.scale.size)
            codes[here], scale[here] = part.codes.reshape(-1, BLOCK), part.scale.reshape(-1)
            if offsets is not None and part.offset is not None:
                offsets[here] = part.offset.reshape(-1)
            vanished += 0 if part.vanished is None else int(part.vanished.sum())
            coarse += 0 if part.coarse is None else int(part.coarse.sum())
            at = here.stop
    except ScaleError as error:
        raise CheckpointError(f"tensor {name} {error}") from None
    if vanished or coarse:
        tell(_too_small(name, vanished, coarse, rows * groups))
    return Matrix(name, rows, cols, codes.reshape(rows, groups, BLOCK), form, scale.reshape(rows, groups),
                  None if offsets is None else offsets.reshape(rows, groups), source)


def _too_small(name: str, vanished: int, coarse: int, groups: int) -> str:
    """``output.weight: weights are too small for FP16 scales: of 96 groups 90 vanish (all zero), 6 lose bits``."""
    what = ([f"{vanished:,} vanish (all zero)"] if vanished else []) + ([f"{coarse:,} lose bits"] if coarse else [])
    return f"{name}: weights are too small for FP16 scales: of {groups:,} groups {', '.join(what)}"
