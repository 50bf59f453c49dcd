"""Widths and ranges inside the engine (docs/reference/numerics.md: Alignment, GEMV)."""

from amaranth.hdl import signed

from ..config import BLOCK

__all__ = ["DOT", "EXPONENT", "E_MAX", "E_MIN", "FRACTION", "GROUP_TOTAL", "LIMIT", "MOST_BLOCKS", "Q_BITS", "R_BITS",
           "SPREAD", "TOTAL", "TURNED", "TURN_EXPONENT"]

FRACTION = 14
"""q = x * 2^(FRACTION - E)."""

Q_BITS = 16
LIMIT = (1 << Q_BITS - 1) - 1
E_MIN, E_MAX = -64, 64

EXPONENT = signed(8)
"""E - FRACTION, the power of two a unit of q stands for."""

TOTAL = signed(Q_BITS + (BLOCK - 1).bit_length())
"""X, a block's sum of q."""

DOT = signed(29)
"""I: |I| < 2^28 with 8-bit weights."""

MOST_BLOCKS = 4
"""Blocks of the largest group: 1, 2 or 4 share an exponent and a scale."""

GROUP_TOTAL = signed(Q_BITS + (MOST_BLOCKS * BLOCK - 1).bit_length())
"""X of a group of any size."""

TURNED = 64
"""Elements of a Walsh-Hadamard transform."""

TURN_EXPONENT = 3
"""Its factor 1/8, which makes it orthonormal, as a power of two."""

R_BITS = Q_BITS + (TURNED - 1).bit_length()
"""r, a transformed q before it is rounded: |r| < 2^21."""

SPREAD = 6
"""Bits of the cycles from unit to unit: 32 with four lanes and 32 contexts."""
