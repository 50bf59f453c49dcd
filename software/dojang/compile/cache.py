"""Quantising keys and values of a pass into the cache."""

from dojang_hdl.config import BLOCK, ELEMENTS
from dojang_hdl.isa import Add, Fn, Mul, Mul2, Op, Reduce, Reg, Round, Stream

from .kv_cache import KeyGroup, ValueBlock
from .model import LayerLayout
from .rotation import Turned
from .scalars import Scalar
from .writer import Writer, bits

__all__ = ["VALUE_RATIO", "put_key", "put_value", "quantise_value", "set_term_ratio"]

INT8_STEP = bits(1 / 127)
INTEGER = 12582912.0
"""1.5 * 2^23: adding and subtracting it rounds to an integer."""

VALUE_RATIO = 256.0
"""The second term of V counts in this fraction of the first one's scale."""


def set_term_ratio(w: Writer) -> None:
    """The scalar register that `quantise_value` reads."""
    w.vec(1, w.buffers.zeros, add=Add.IMM, imm1=bits(VALUE_RATIO), reduce=Reduce.MAX, s_out=Scalar.TERM_RATIO)


def quantise_value(w: Writer, layer: LayerLayout, head: int, value: int, c: int) -> None:
    """Codes of the vector at ``value`` to their buffer, its scale into the cache."""
    b, cache, n, codes = w.buffers, layer.caches[head], w.shape.value_dim, _value_codes(w, head, c)
    w.vec(n, value, reduce=Reduce.MAXABS, s_out=Scalar.MAXIMUM)
    w.scalar(Scalar.MAXIMUM, Scalar.SCALE, mul=Mul.IMM, imm0=INT8_STEP)
    w.builder.emit(Op.SPUT, addr=cache.value_scales.start, channel=w.channel, s=Scalar.SCALE, wide=1, **w.cache_row(c))
    w.scalar(Scalar.SCALE, Scalar.RECIPROCAL, fn=Fn.RECIP)
    w.vec(n, value, mul=Mul.S, s=Scalar.RECIPROCAL, d=b.ratio)
    w.vec(n, b.ratio, add=Add.IMM, imm1=bits(INTEGER), d=b.value_rounding)
    w.vec(n, b.value_rounding, add=Add.IMM, imm1=bits(-INTEGER), d=b.value_term)
    w.vec(n, b.value_term, round=Round.INT8, d=codes)
    w.vec(n, b.value_term, mul=Mul.IMM, imm0=bits(-1), add=Add.B, b=b.ratio, mul2=Mul2.S, s=Scalar.TERM_RATIO,
          round=Round.INT8, d=codes + b.value_words)


def put_value(w: Writer, head: int, block: ValueBlock, c: int, after: int) -> None:
    """The rows of a block of what `quantise_value` has made, into their tile; ``after``: where the context before has
    been written, which may have the same one.
    """
    place = {"addr": block.start, "channel": block.channel, "context": c, "m_reg": Reg.ROW, "m_shift": 5,
             "m_mul": block.tile_words}
    w.builder.stream(Stream.URGENT_PLANES, block.tile_words, after, **place)
    w.builder.consume(Op.VPUT, block.rows // ELEMENTS, a=_value_codes(w, head, c) + block.first // ELEMENTS,
                      **place | w.cache_row(c))


def _value_codes(w: Writer, head: int, c: int) -> int:
    return w.buffers.value_codes + (c * len(w.heads) + w.heads.index(head)) * w.buffers.value_codes_words


def put_key(w: Writer, layer: LayerLayout, head: int, key: Turned, c: int) -> None:
    """K codes and scales of a key, 32 elements at a time; zeros behind the last element."""
    b, cache, n = w.buffers, layer.caches[head], w.shape.key_dim
    for group in range(w.model.groups):
        at = group * BLOCK // ELEMENTS
        whole = b.key + at
        w.vec(min(BLOCK, n - group * BLOCK), d=whole, pad32=1, reduce=Reduce.MAXABS, s_out=Scalar.MAXIMUM,
              **key.at(at))
        w.scalar(Scalar.MAXIMUM, Scalar.SCALE, mul=Mul.IMM, imm0=INT8_STEP, round=Round.FP16)
        w.scalar(Scalar.SCALE, Scalar.RECIPROCAL, fn=Fn.RECIP)
        w.scalar(Scalar.SCALE, Scalar.NEGATED, mul=Mul.IMM, imm0=bits(-1))
        w.vec(BLOCK, whole, mul=Mul.S, s=Scalar.RECIPROCAL, add=Add.IMM, imm1=bits(INTEGER), d=b.rounding)
        w.vec(BLOCK, b.rounding, add=Add.IMM, imm1=bits(-INTEGER), d=b.term)
        w.vec(BLOCK, b.term, round=Round.INT8, d=b.codes1)
        _put_term(w, cache.key_groups[group], c, b.codes1)
        w.vec(BLOCK, b.term, mul=Mul.S, s=Scalar.NEGATED, add=Add.B, b=whole, d=b.rest, reduce=Reduce.MAXABS,
              s_out=Scalar.MAXIMUM)
        w.scalar(Scalar.MAXIMUM, Scalar.SCALE, mul=Mul.IMM, imm0=INT8_STEP, round=Round.FP16)
        w.scalar(Scalar.SCALE, Scalar.RECIPROCAL, fn=Fn.RECIP)
        w.vec(BLOCK, b.rest, mul=Mul.S, s=Scalar.RECIPROCAL, round=Round.INT8, d=b.codes2)
        _put_term(w, cache.key_groups[w.model.groups + group], c, b.codes2)


def _put_term(w: Writer, group: KeyGroup, c: int, codes: int) -> None:
    """32 codes and their scale (in SCALE) into a group of the K cache."""
    lanes = w.config.lanes
    w.builder.emit(Op.KPUT, a=codes, addr=group.planes, channel=group.channel, m_reg=Reg.ROW,
                   m_shift=lanes.bit_length() - 1, m_mul=2 * lanes, **w.cache_row(c))
    w.builder.emit(Op.SPUT, addr=group.scales, channel=group.channel, s=Scalar.SCALE, **w.cache_row(c))
