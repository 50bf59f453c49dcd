"""Golden model of the vector unit (docs/reference/numerics.md: Vector unit; docs/reference/vector-unit.md). numpy only.

Scalars and results are FP32 bit patterns; arrays may have leading axes, each row being one command of its own.
"""

from dataclasses import dataclass

import numpy as np

from . import fp, special

__all__ = ["VectorOp", "execute", "reduce_max", "reduce_maxabs", "reduce_sum"]

_PARTIALS = 8
_BLOCK = 32

_CHOICES = {
    "mul": ("ONE", "A", "B", "S", "IMM"),
    "add": ("ZERO", "B", "S", "IMM"),
    "fn": ("NONE", "EXP2", "RECIP", "RSQRT"),
    "mul2": ("ONE", "B", "S"),
    "round": ("NONE", "FP16", "INT8"),
    "reduce": ("NONE", "SUM", "MAX", "MAXABS"),
}
_FUNCTIONS = {"EXP2": special.exp2, "RECIP": special.recip, "RSQRT": special.rsqrt}


@dataclass(frozen=True)
class VectorOp:
    """What a command does to each element; names as in numerics.md, ``imm0`` and ``imm1`` are bit patterns."""

    mul: str = "ONE"
    add: str = "ZERO"
    fn: str = "NONE"
    mul2: str = "ONE"
    round: str = "NONE"
    reduce: str = "NONE"
    imm0: int = 0
    imm1: int = 0
    swap: bool = False
    a_scalar: bool = False
    pad32: bool = False

    def __post_init__(self):
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(f"{name}={getattr(self, name)!r}, expected one of {', '.join(choices)}")


def _floats(values):
    """Bit patterns or float32 as a float32 array."""
    values = np.asarray(values)
    return values if values.dtype == np.float32 else values.astype(np.uint32).view(np.float32)


def execute(op: VectorOp, a=None, b=None, s=0, s_a=0, n: int | None = None):
    """One command (per row): results, what it leaves in the scalar register, clipped values.

    ``a``, ``b``: [..., at least n] uint32 patterns or float32 (``swap`` with odd n needs n + 1 elements of a; an
    operand that is not used may be None); ``s``, ``s_a``: scalars, or one per row, as patterns or float32; ``n``:
    default the length of ``a``, else of ``b``. Returns the results, uint32 [..., n or with ``pad32`` the next multiple
    of 32], the scalar, uint32 [...], or None where the register keeps its value, and how many results FP16 has clipped.
    """
    a, b = (None if operand is None else _floats(operand) for operand in (a, b))
    if n is None:
        given = b if a is None else a
        if given is None:
            raise ValueError("neither an operand nor n")
        n = int(given.shape[-1])
    s, s_a = (_floats(scalar)[..., None] for scalar in (s, s_a))
    if op.a_scalar:
        rows = () if b is None else b.shape[:-1]
        x = np.broadcast_to(s_a, (*np.broadcast_shapes(rows, s_a.shape[:-1]), n))
    elif a is None:
        raise ValueError("operand a is missing")
    elif op.swap:
        pairs = a[..., :n + n % 2]
        x = pairs.reshape(*pairs.shape[:-1], -1, 2)[..., ::-1].reshape(pairs.shape)[..., :n]
    else:
        x = a[..., :n]
    if b is not None:
        b = b[..., :n]
    a = x

    if op.mul != "ONE":
        x = fp.mul(x, {"A": a, "B": b, "S": s, "IMM": _floats(op.imm0)}[op.mul])
    if op.add != "ZERO":
        x = fp.add(x, {"B": b, "S": s, "IMM": _floats(op.imm1)}[op.add])
    if op.fn != "NONE":
        x = _FUNCTIONS[op.fn](x)
    if op.mul2 != "ONE":
        x = fp.mul(x, {"B": b, "S": s}[op.mul2])
    if op.round == "INT8":
        z = fp.round_int8(x).astype(np.int32).view(np.uint32)
    else:
        z = np.array(fp.round_fp16(x) if op.round == "FP16" else x, np.float32, order="C").view(np.uint32)

    clipped = fp.clipped(x) if op.round == "FP16" else 0
    scalar = None
    if op.reduce != "NONE" and n:
        fold = {"SUM": reduce_sum, "MAX": reduce_max, "MAXABS": reduce_maxabs}[op.reduce]
        scalar = fold(z.view(np.float32)).view(np.uint32)
    if op.pad32:
        z = np.concatenate([z, np.zeros((*z.shape[:-1], -n % _BLOCK), np.uint32)], axis=-1)
    return z, scalar, clipped


def reduce_sum(z) -> np.ndarray:
    """Sum of z [..., n] in the order of `Reduce.SUM`, float32 [...]."""
    z = fp.flush(z)
    # A -0 changes no partial sum: those started at +0 are never -0.
    rest = np.full((*z.shape[:-1], -z.shape[-1] % _PARTIALS), -0.0, np.float32)
    rows = np.concatenate([z, rest], axis=-1).reshape(*z.shape[:-1], -1, _PARTIALS)
    rows = np.moveaxis(rows, -2, 0)
    start = np.zeros(rows.shape[1:], np.float32)
    with np.errstate(all="ignore"):
        sums = np.add.accumulate(np.concatenate([start[None], rows]), axis=0)  # sequential in float32
    if np.array_equal(fp.flush(sums), sums, equal_nan=True):
        p = fp.canonical(sums[-1])
    else:  # a partial sum became denormal on the way
        p = start
        for row in rows:
            p = fp.add(p, row)
    while p.shape[-1] > 1:
        p = fp.add(p[..., 0::2], p[..., 1::2])
    return p[..., 0]


def reduce_max(z) -> np.ndarray:
    """`Reduce.MAX` of z [..., n], float32 [...]; denormals count as zeros of their sign."""
    z = fp.flush(z)
    low = np.full((*z.shape[:-1], 1), -np.inf, np.float32)
    z = np.concatenate([low, np.where(np.isnan(z), low, z)], axis=-1)
    return np.take_along_axis(z, z.argmax(axis=-1)[..., None], axis=-1)[..., 0]  # argmax is the first of equals


def reduce_maxabs(z) -> np.ndarray:
    """`Reduce.MAXABS` of z [..., n], float32 [...]."""
    z = np.abs(fp.flush(z))
    return np.where(np.isnan(z), np.float32(0), z).max(axis=-1, initial=np.float32(0))
