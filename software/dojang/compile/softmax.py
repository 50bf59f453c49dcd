"""From scores to weights, by rows of one query head."""

from dojang_hdl.config import ELEMENTS
from dojang_hdl.isa import Add, Fn, Mul, Mul2, Op, Reduce

from .activation import LOG2_E
from .cap import emit_cap
from .model import LayerLayout
from .scalars import Scalar
from .writer import Writer, bits

__all__ = ["emit_exponentials", "emit_weights"]


def emit_exponentials(w: Writer, layer: LayerLayout, scores: int, c: int) -> None:
    """exp2 of the scores less their maximum, in place; one over their sum in a register.

    Of the tiles around a window those that the query does not see are zeros.
    """
    shape = w.shape
    factor = LOG2_E * (1 if shape.score_cap else shape.score_scale)
    exponential = {"mul": Mul.IMM, "imm0": bits(factor), "add": Add.S, "s": Scalar.SHIFT, "fn": Fn.EXP2}
    find = _largest_of_window if layer.span.window else _largest
    find(w, layer, scores, c)
    w.scalar(Scalar.MAXIMUM, Scalar.SHIFT, mul=Mul.IMM, imm0=bits(-factor))
    if layer.span.window:
        _exponentials_of_window(w, layer, scores, c, exponential)
    else:
        w.vec(layer.span.elements(c), scores, **exponential, d=scores, reduce=Reduce.SUM, s_out=Scalar.TOTAL)
    w.scalar(Scalar.TOTAL, Scalar.NORMALISER, nan=True, fn=Fn.RECIP)


def emit_weights(w: Writer, layer: LayerLayout, scores: int, c: int, value_scales: int) -> None:
    """The normalised exponentials times the V scales, in place, zeros up to the tile's end."""
    w.vec(layer.span.elements(c), scores, mul=Mul.S, s=Scalar.NORMALISER, mul2=Mul2.B, b=value_scales, pad32=1,
          d=scores)


def _largest(w: Writer, layer: LayerLayout, scores: int, c: int) -> None:
    n, shape = layer.span.elements(c), w.shape
    largest = {"reduce": Reduce.MAX, "s_out": Scalar.MAXIMUM}
    if shape.score_cap:
        emit_cap(w, n, scores, shape.score_cap, shape.score_scale, **largest)
    else:
        w.vec(n, scores, **largest)


def _largest_of_window(w: Writer, layer: LayerLayout, scores: int, c: int) -> None:
    """Masks the head in place; the tail's masked scores come behind a word of the head's maximum, elsewhere."""
    b, shape, span = w.buffers, w.shape, layer.span
    table = w.model.masks[span]
    mask = b.tables[table] + c * table.words
    if shape.score_cap:
        emit_cap(w, span.elements(c), scores, shape.score_cap, shape.score_scale)
    w.vec(span.head(c, span.masked), scores, add=Add.B, b=mask, d=scores)
    w.vec(span.head(c, span.whole), scores, reduce=Reduce.MAX, s_out=Scalar.MAXIMUM)
    w.builder.emit(Op.VEC, ELEMENTS, a_scalar=1, s_a=Scalar.MAXIMUM, store=1, d=b.tail)
    w.vec(span.tail(c), scores + span.whole // ELEMENTS, add=Add.B, b=mask + span.masked // ELEMENTS, d=b.tail + 1)
    w.vec(span.tail(c, ELEMENTS), b.tail, reduce=Reduce.MAX, s_out=Scalar.MAXIMUM)


def _exponentials_of_window(w: Writer, layer: LayerLayout, scores: int, c: int, exponential: dict[str, int]) -> None:
    span = layer.span
    w.vec(span.head(c, span.whole), scores, **exponential, pad32=1, d=scores)
    w.vec(span.tail(c), w.buffers.tail + 1, **exponential, d=scores + span.whole // ELEMENTS)
    w.vec(span.elements(c), scores, reduce=Reduce.SUM, s_out=Scalar.TOTAL)
