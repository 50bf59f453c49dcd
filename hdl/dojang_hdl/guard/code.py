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
    # Three bits at once: what is left for each bit of the word is a look-up table.
    parts = [Cat(syndrome[at:at + 3] == value for value in range(8)) for at in range(0, CHECK_BITS, 3)]
    return word ^ Cat(Cat(part[column >> 3 * at & 7] for at, part in enumerate(parts)).all() for column in COLUMNS)
