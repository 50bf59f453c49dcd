"""A matrix as arrays and an entry of the description."""

from collections.abc import Mapping
from dataclasses import asdict

import numpy as np
from dojang_hdl.isa import Code
from dojang_hdl.window_code import CODES

from ..form import BLOCK, Form
from ..matrix import Matrix

__all__ = ["PARTS", "describe", "pack", "unpack"]

CODE_NAMES = {Code.PLAIN: "plain", **{code: window.name.lower() for code, window in CODES.items()}}
PARTS = {"codes": np.uint8, "scale": np.float16, "offset": np.float16, "mask": np.uint8}
"""Types of the arrays, by what is behind the tensor's name in theirs."""


def describe(matrix: Matrix) -> dict:
    """The entry of a matrix in the description."""
    form = {**asdict(matrix.form), "code": CODE_NAMES[matrix.form.code]}
    return {"rows": matrix.rows, "cols": matrix.cols, "source": matrix.source, "form": form}


def pack(matrix: Matrix) -> dict[str, np.ndarray]:
    """The arrays of a matrix as the file has them, by part."""
    codes = matrix.codes.reshape(len(matrix.codes), -1).view(np.uint8)
    parts = {"codes": np.stack([_packed(codes >> plane & 1) for plane in range(matrix.form.symbol_bits)]),
             "scale": np.ascontiguousarray(matrix.scale, np.float16)}
    if matrix.offset is not None:
        parts["offset"] = np.ascontiguousarray(matrix.offset, np.float16)
    if matrix.mask is not None:
        parts["mask"] = _packed(matrix.mask.reshape(matrix.rows, -1))
    return parts


def unpack(name: str, entry: dict, parts: Mapping[str, np.ndarray]) -> Matrix:
    """A matrix from its entry and arrays; raises ValueError where they do not fit together."""
    fields = dict(entry["form"])
    codes = {label: code for code, label in CODE_NAMES.items()}
    if fields.get("code") not in codes:
        raise ValueError(f"tensor {name} has the unknown code {fields.get('code')!r}")
    form = Form(**{**fields, "code": codes[fields["code"]]})
    rows, cols = entry["rows"], entry["cols"]
    groups = -(-cols // form.group)
    blocks = groups * form.terms * form.group // BLOCK
    steps, planes = -(-rows // form.step_rows), form.symbol_bits
    sizes = {"codes": (planes, steps, blocks * BLOCK // 8), "offset": (rows, groups),
             "mask": (rows, blocks * BLOCK // 8), "scale": (rows,) if form.row_scale else (rows, groups * form.terms)}
    for part, values in parts.items():
        if values.shape != sizes[part] or values.dtype != PARTS[part]:
            raise ValueError(f"tensor {name}.{part} has size {values.shape} and type {values.dtype}, expected "
                             f"{sizes[part]} and {np.dtype(PARTS[part])}")
    for part in ("scale", "offset"):
        if part in parts and not np.isfinite(parts[part]).all():
            raise ValueError(f"tensor {name} holds a NaN or infinite {part}")
    found = np.zeros((steps, blocks * BLOCK), np.uint8)
    for plane, packed in enumerate(parts["codes"]):
        found |= np.unpackbits(packed, axis=1, bitorder="little") << plane
    if form.signed:
        top = 1 << planes - 1
        found = ((found ^ top).astype(np.int16) - top).astype(np.int8)
    mask = None
    if "mask" in parts:
        mask = np.unpackbits(parts["mask"], axis=1, bitorder="little").astype(bool).reshape(rows, blocks, BLOCK)
    return Matrix(name, rows, cols, found.reshape(steps, blocks, BLOCK), form, parts["scale"], parts.get("offset"),
                  entry["source"], mask)


def _packed(bits: np.ndarray) -> np.ndarray:
    return np.packbits(bits.astype(bool), axis=1, bitorder="little")
