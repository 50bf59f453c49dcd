"""The error-correcting code of a word, as logic; `layout` has its columns."""

from amaranth.hdl import Cat, Value

from .layout import CHECK_BITS, COLUMNS

__all__ = ["check_bits", "corrected"]


def check_bits(word: Value) -> Value:
    """The nine check bits of up to 128 bits."""
    return Cat(Cat(bit for bit, column in zip(word, COLUMNS, strict=False) if column >> row & 1).xor()
               for row in range(CHECK_BITS))


def corrected(word: Value, syndrome: Value) -> Value:
    """``word`` with the bit inverted whose column ``syndrome`` is; unchanged if there is none."""
    return word ^ Cat(syndrome == column for column in COLUMNS)
