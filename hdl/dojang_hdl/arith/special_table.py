"""Coefficients of the special functions' segments (docs/reference/special-functions.md), computed to 40 digits."""

from decimal import ROUND_HALF_EVEN, Decimal, localcontext

__all__ = ["C0_BITS", "C1_BITS", "C2_BITS", "SEGMENTS", "segment_coefficients", "special_table"]

SEGMENTS = 128
C0_BITS, C1_BITS, C2_BITS = 28, 21, 13
"""Fraction bits. c0 and c2 are unsigned and below 1, c1 is signed and between -1 and 1."""

_FUNCTIONS = (
    lambda u: Decimal(2) ** (u - 1),       # exp2
    lambda u: 1 / (1 + u),                 # recip
    lambda u: 1 / (1 + u).sqrt(),          # rsqrt, even exponent
    lambda u: 1 / (2 + 2 * u).sqrt(),      # rsqrt, odd exponent
)


def segment_coefficients(function: int, segment: int) -> tuple[int, int, int]:
    """Integers (c0, c1, c2) of one segment of table ``function``: 0 exp2, 1 recip, 2 and 3 rsqrt even and odd."""
    f = _FUNCTIONS[function]
    with localcontext(prec=40):
        centre = Decimal(2 * segment + 1) / (2 * SEGMENTS)
        node = Decimal(3).sqrt() / (4 * SEGMENTS)
        low, mid, high = f(centre - node), f(centre), f(centre + node)
        c1 = (high - low) / (2 * node)
        c2 = (high + low - 2 * mid) / (2 * node ** 2)

        def fixed(value: Decimal, bits: int) -> int:
            return int((value * 2 ** bits).to_integral_value(ROUND_HALF_EVEN))

        return fixed(mid, C0_BITS), fixed(c1, C1_BITS), fixed(c2, C2_BITS)


def special_table() -> list[tuple[int, int, int]]:
    """All 4 x 128 segments, function after function."""
    return [segment_coefficients(function, segment)
            for function in range(len(_FUNCTIONS)) for segment in range(SEGMENTS)]
