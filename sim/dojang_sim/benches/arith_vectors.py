"""Operands for the floating-point units: the corners, and random ones that reach every case of adder and multiplier."""

import numpy as np

__all__ = ["CORNERS", "corner_pairs", "floats", "integers", "pairs"]

_MAGNITUDES = (
    0x00000000, 0x00000001, 0x007FFFFF,                          # zero, denormals
    0x00800000, 0x00800001, 0x00FFFFFF, 0x01000000,              # smallest normals
    0x33000000, 0x33000001, 0x33800000, 0x337FFFFF,              # around half the smallest FP16 denormal
    0x38800000, 0x387FFFFF, 0x387FE000, 0x387FF000,              # around the smallest normal FP16
    0x3F7FFFFF, 0x3F800000, 0x3F800001, 0x3F801000, 0x3F803000,  # around one; FP16 ties
    0x3F000000, 0x3F000001, 0x3EFFFFFF, 0x3FC00000, 0x40200000,  # INT8 ties
    0x42FC0000, 0x42FD0000, 0x42FE0000, 0x42FEFFFF, 0x42FF0000, 0x43000000, 0x42FFFFFF,  # 126 to 128
    0x477FE000, 0x477FEFFF, 0x477FF000, 0x47800000,              # FP16 overflow
    0x5F7FFFFF, 0x5F800000, 0x20000000, 0x1FFFFFFF,              # squares overflow, underflow
    0x7E800000, 0x7E800001, 0x7E7FFFFF, 0x7F000000, 0x7F7FFFFF,  # reciprocals around 2^-126, largest
    0x7F800000, 0x7F800001, 0x7FC00000, 0x7FFFFFFF,              # infinity, NaN
)

CORNERS = np.array([m | sign for m in _MAGNITUDES for sign in (0, 1 << 31)], np.uint32).view(np.float32)


def corner_pairs() -> tuple[np.ndarray, np.ndarray]:
    """Every corner with every corner."""
    a, b = np.meshgrid(CORNERS, CORNERS)
    return a.ravel(), b.ravel()


def floats(rng: np.random.Generator, count: int) -> np.ndarray:
    """Random FP32: all patterns, the range around one, fractions of few bits (ties), and corners."""
    bits = rng.integers(0, 1 << 32, count, dtype=np.uint64).astype(np.uint32)
    kind = rng.integers(0, 8, count)
    near = (bits & np.uint32(0x807FFFFF)) | (rng.integers(95, 160, count).astype(np.uint32) << np.uint32(23))
    bits = np.where((kind >= 2) & (kind < 6), near, bits)
    kept = rng.integers(0, 24, count).astype(np.uint32)
    bits = np.where(kind == 6, near & ~((np.uint32(1) << kept) - np.uint32(1)), bits).astype(np.uint32)
    return np.where(kind == 7, rng.choice(CORNERS, count), bits.view(np.float32))


def pairs(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Operand pairs: independent, of near exponents, cancelling to a few units, and with products around underflow."""
    a, b = floats(rng, count), floats(rng, count)
    bits_a, bits_b = a.view(np.uint32).astype(np.int64), b.view(np.uint32).astype(np.int64)
    kind = rng.integers(0, 4, count)
    exponent = bits_a >> 23 & 0xFF
    near = np.clip(exponent + rng.integers(-28, 29, count), 1, 254)
    cancelling = (bits_a ^ 1 << 31) + rng.integers(-3, 4, count)
    underflow = np.clip(127 - exponent + rng.integers(-3, 3, count), 1, 254)
    fraction_b = bits_b & 0x807FFFFF
    # 0x7FFFFF times one, and its neighbours, meet the last step below 2^-126.
    ones = np.where(rng.integers(0, 4, count) == 0, fraction_b & 0x80000003, fraction_b)
    bits = np.select([kind == 1, kind == 2, kind == 3],
                     [fraction_b | near << 23, cancelling, ones | underflow << 23], bits_b)
    return a, (bits & 0xFFFFFFFF).astype(np.uint32).view(np.float32)


def integers(rng: np.random.Generator, count: int, width: int) -> np.ndarray:
    """Signed integers below 2^(width − 1) of every length; ties, ties and one more bit, all ones among them (int64)."""
    length = rng.integers(1, width, count)
    value = rng.integers(0, 1 << 63, count, dtype=np.int64) & (1 << length) - 1
    shift = np.maximum(length - 25, 0)
    value = np.where(rng.integers(0, 4, count) == 0, value >> shift << shift, value)
    lower = np.where(shift > 0, 1 << rng.integers(0, 64, count) % np.maximum(shift, 1), 0)
    tie = (value | 1 << length - 1) >> shift << shift | 1 << shift | lower
    value = np.where(rng.integers(0, 4, count) == 0, tie, value)
    value = np.where(rng.integers(0, 16, count) == 0, (1 << length) - 1, value)
    return np.where(rng.integers(0, 2, count) == 0, value, -value)
