"""The entry of a pass: embedding rows of its tokens into the residual stream."""

from dojang_hdl.config import BLOCK, ELEMENTS
from dojang_hdl.isa import INTEGER_BIAS, ROW_BITS, Add, Mul, Mul2, Op, Reduce, Reg, Stream

from .embedding import PAIR, FloatRows, HeadRows
from .layout import plane_words
from .program import QUEUE
from .writer import LATE, Writer, bits

__all__ = ["load_rows", "take_rows"]

SCALE = 0
"""Scalar register of a group's scale."""

GROUP_WORDS = BLOCK // ELEMENTS


def load_rows(w: Writer) -> None:
    """LOADs of what the rows of all contexts need."""
    rows, positions = w.model.embedding, w.model.position_rows
    for c in range(w.contexts):
        if positions:
            words = w.buffers.x_stride
            w.load(LATE, words, w.buffers.positions + c * words, positions[w.channel].start, context=c,
                   m_reg=Reg.POS, m_mul=words)
        target = w.buffers.embedding + c * rows.words
        if isinstance(rows, HeadRows):
            w.load(LATE, rows.scale_words, target + rows.integer_words, rows.scales.start, context=c,
                   m_reg=Reg.TOKEN, m_mul=rows.scale_words)
            continue
        for channel, (region, (first, last)) in enumerate(zip(rows.regions, rows.columns, strict=True)):
            if last > first:
                w.load(LATE, last - first, target + first, region.start, channel=channel, context=c,
                       m_reg=Reg.TOKEN, m_mul=last - first)


def take_rows(w: Writer) -> None:
    """x of every context, when all has arrived."""
    rows = w.model.embedding
    if isinstance(rows, HeadRows):
        for c in range(w.contexts):
            _unpack(w, rows, c)
    w.wait(LATE, w.contexts * (rows.words + w.shape.learned_positions * w.buffers.x_stride))
    for c in range(w.contexts):
        _take(w, rows, c)


def _unpack(w: Writer, rows: HeadRows, c: int) -> None:
    """The integers of a row: a STREAM of a unit's planes for every group, as many at once as may be queued."""
    target, block = w.buffers.embedding + c * rows.words, w.config.acc_rows
    for start in range(0, rows.matrix.groups, QUEUE):
        groups = range(start, min(start + QUEUE, rows.matrix.groups))
        for group in groups:
            w.builder.stream(Stream.URGENT_PLANES, plane_words(4, 1, ROW_BITS) * w.config.lanes // 4,
                             addr=rows.first + group * plane_words(block, 1, ROW_BITS), channel=w.channel, context=c,
                             m_reg=Reg.TOKEN, m_shift=block.bit_length() - 1, m_mul=rows.step, lane_reg=Reg.TOKEN,
                             wide=1)
        w.builder.consume(Op.UNPACK, len(groups), tag=LATE, d=target + start * GROUP_WORDS, context=c,
                          lane_reg=Reg.TOKEN)


def _take(w: Writer, rows: FloatRows | HeadRows, c: int) -> None:
    b, d = w.buffers, w.shape.d
    row, x, added = b.embedding + c * rows.words, b.x + c * b.x_stride, _added(w, c)
    if isinstance(rows, FloatRows):
        w.vec(d, row, d=x, **added)
        return
    for group in range(rows.matrix.groups):
        w.vec(1, row + rows.integer_words + group // PAIR, swap=group % PAIR, reduce=Reduce.MAX, s_out=SCALE)
        w.vec(min(BLOCK, d - group * BLOCK), row + group * GROUP_WORDS, add=Add.IMM, imm1=bits(-INTEGER_BIAS),
              mul2=Mul2.S, s=SCALE, d=x + group * GROUP_WORDS)
    if added:
        w.vec(d, x, d=x, **added)


def _added(w: Writer, c: int) -> dict[str, int]:
    """VEC fields that make the residual stream of an embedding row: factor and position."""
    fields = {}
    if w.shape.embedding_scale != 1:
        fields |= {"mul": Mul.IMM, "imm0": bits(w.shape.embedding_scale)}
    if w.shape.learned_positions:
        fields |= {"add": Add.B, "b": w.buffers.positions + c * w.buffers.x_stride}
    return fields
