"""Rows of the tables of positions in SRAM, and the rotary embedding."""

from dataclasses import dataclass

from dojang_hdl.isa import Add, Mul, Reg

from .model import LayerLayout
from .writer import Writer

__all__ = ["Turned", "load_tables", "turn", "wait_tables"]

TABLES = "rows of positions"


def load_tables(w: Writer) -> None:
    """LOADs of every context's row of every table; the parts of a row as often as it says."""
    for table, start in w.buffers.tables.items():
        region, words = table.regions[w.channel], table.row_words // table.parts
        for c in range(w.contexts):
            for part in range(table.parts):
                for copy in range(table.copies):
                    w.load_in_order(TABLES, words, start + c * table.words + part * table.part_words + copy * words,
                           region.start + part * words, context=c, m_reg=Reg.POS, m_mul=table.row_words)


def wait_tables(w: Writer) -> None:
    """Until the rows of `load_tables` are there."""
    w.wait_for(TABLES)


@dataclass(frozen=True)
class Turned:
    """Queries or keys after their rotation: a vector, or the sum of two."""

    a: int
    b: int | None = None

    def at(self, words: int) -> dict[str, int]:
        """Operands of a VEC that reads them from ``words`` words on."""
        other = {} if self.b is None else {"add": Add.B, "b": self.b + words}
        return {"a": self.a + words, **other}


def turn(w: Writer, layer: LayerLayout, a: int, heads: int, c: int) -> Turned:
    """The rotation of ``heads`` queries or keys at ``a``, which are of context c."""
    if layer.kind.rotation is None:
        return Turned(a)
    b, table = w.buffers, w.model.rotary[layer.kind.rotation]
    cos = b.tables[table] + c * table.words
    for first in range(0, heads, table.copies):
        n, at = min(table.copies, heads - first) * w.shape.key_dim, first * b.key_words
        w.vec(n, a + at, mul=Mul.B, b=cos, d=b.product + at)
        w.vec(n, a + at, mul=Mul.B, b=cos + table.part_words, swap=1, d=b.swapped + at)
    return Turned(b.product, b.swapped)
