"""How protected memory is laid out (no Amaranth here). See docs/reference/guard.md."""

from enum import IntEnum
from itertools import combinations

__all__ = ["CHECK_BITS", "CLUSTER", "COLUMNS", "CONTROL", "FAULT", "FAULT_KINDS", "HEADER", "INJECT",
           "PHYSICAL_WINDOW", "REGISTER_WINDOW", "SHORT", "Register", "physical_words"]

CLUSTER = 8
"""Data words of a block outside the tiles."""

SHORT = 8
"""Words of a tile up to which a read takes the whole tile, and a region's last tile counts as a whole one."""

CHECK_BITS = 9


def _columns() -> tuple[int, ...]:
    """128 different check patterns of odd weight, of which every bit is used about equally often."""
    light = [sum(1 << bit for bit in bits) for bits in combinations(range(CHECK_BITS), 3)]
    heavy = [sum(1 << bit for bit in bits) for bits in combinations(range(CHECK_BITS), 5)]
    uses = [sum(column >> bit & 1 for column in light) for bit in range(CHECK_BITS)]
    chosen = []
    while len(light) + len(chosen) < 128:
        best = min(heavy, key=lambda column: sorted(
            (use + (column >> bit & 1) for bit, use in enumerate(uses)), reverse=True))
        heavy.remove(best)
        chosen.append(best)
        uses = [use + (best >> bit & 1) for bit, use in enumerate(uses)]
    return (*light, *chosen)


COLUMNS = _columns()
"""Check bits that bit i of a word inverts. With the nine unit vectors they are an odd-weight-column code: a sum of two
is never a column, so one wrong bit is corrected and two are detected.
"""

HEADER = (*((f"check_{word}", CHECK_BITS) for word in range(CLUSTER)), ("crc", 32), ("crc_check", CHECK_BITS),
          ("pad", 15))
"""The word before the data words of a block, packed from bit 0 up. ``check_i``: check bits of data word i (0 in tiles);
``crc``: CRC-32 (IEEE 802.3, as in zlib) of the data bytes, exclusive-or the word address of the first of them;
``crc_check``: check bits of ``crc`` as a word whose other bits are 0.
"""

REGISTER_WINDOW, PHYSICAL_WINDOW = 2 << 30, 1 << 30
"""Word addresses from which on a guarded memory has its registers, and all of its words as they are. What lies above
the registers is the memory's own (`dojang_hdl.memory_control`) with `Guard(..., control_window=True)`, else theirs.
"""


class Register(IntEnum):
    """Word address of a register within the window."""

    CONTROL = 0
    FAULT = 1
    INJECT = 2
    INJECT_MASK = 3


CONTROL = (("tiles_end", 32), ("end", 32), ("patrol", 24), ("pad", 40))
"""First word addresses behind the tiles (a multiple of a tile) and behind the clusters (a multiple of a cluster);
cycles between two clusters of the patrol, 0 for none. All 0 after a reset.
"""

FAULT = (("address", 32), ("kind", 4), ("error", 1), ("pad", 27))
"""The first error since FAULT was last written (with anything): address of the block's first data word."""

FAULT_KINDS = ("tile", "cluster", "lost write", "write to a tile")

INJECT = (("skip", 16), ("count", 16), ("write", 1), ("pad", 31))
"""After ``skip`` words that are read from the memory (written to it, with ``write``), the next ``count`` are XORed with
INJECT_MASK. Writing INJECT starts it; ``count`` counts down.
"""


def physical_words(words: int, tiles_end: int, tile: int) -> int:
    """Words of the memory that the first ``words`` words of the chip's address space take, whole blocks."""
    tiles, rest = min(words, tiles_end), max(words - tiles_end, 0)
    return tiles + -(-tiles // tile) + -(-rest // CLUSTER) * (CLUSTER + 1)
