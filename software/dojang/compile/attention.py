"""Attention of the KV heads a node owns: cache entries, scores, softmax, weighted values."""

import math

from dojang_hdl.config import BLOCK, ELEMENTS
from dojang_hdl.isa import Add, Fn, Mul, Mul2, Op, Reduce, Reg, Round, ScaleMode, Stream

from .model import KV_BITS, TERMS, CacheRegions, LayerLayout
from .program import Count
from .writer import LATE, Writer, bits

__all__ = ["emit_attention"]

INT8_STEP = bits(1 / 127)
INTEGER = 12582912.0
"""1.5 * 2^23: adding and subtracting it rounds to an integer."""

VALUE_RATIO = 256.0
"""The second term of V counts in this fraction of the first one's scale."""

# Scalar registers.
MAXIMUM, SCALE, RECIPROCAL, NEGATED, SHIFT, TOTAL, NORMALISER, TERM_RATIO = range(8)


def emit_attention(w: Writer, layer: LayerLayout) -> None:
    """From the gathered q, k, v to the all-gather of o, which is left to be waited for.

    All cache entries of all contexts are written before the first score, so that no later write meets a stream.
    """
    heads = w.heads
    written = {}
    if heads:
        w.vec(1, w.buffers.zeros, add=Add.IMM, imm1=bits(VALUE_RATIO), reduce=Reduce.MAX, s_out=TERM_RATIO)
    for index, head in enumerate(heads):
        after = 0
        for c in range(w.contexts):
            _put_value(w, layer, head, c, after)
            after = len(w.builder)
        if index < 2:
            _load_value_scales(w, layer.caches[head], index)
        for c in range(w.contexts):
            _put_key(w, layer, head, c)
        written[head] = len(w.builder)
    for index, head in enumerate(heads):
        for c in range(w.contexts):
            _attend(w, layer, head, c, index, written[head])
        if index + 2 < len(heads):
            _load_value_scales(w, layer.caches[heads[index + 2]], index)
    if not heads:  # every node takes part in every all-gather
        w.send(1, w.buffers.zeros, w.buffers.dummy + w.node)


def _gathered(w: Writer, layer: LayerLayout, which: int, element: int, c: int) -> int:
    """Address of an element of context c's q, k or v (0, 1, 2)."""
    b = w.buffers
    return b.gathers.qkv + c * b.gathered_inputs_stride + (layer.at[which] + element) // ELEMENTS


def _tiles(w: Writer, c: int, first: int, count: int, mul: int) -> Count:
    """``mul`` for each of ``count`` 32-position tiles from ``first`` on that the context's positions reach."""
    return Count(reg=Reg.POS, shift=5, bias=c + BLOCK * (1 - first), limit=count, mul=mul)


def _put_value(w: Writer, layer: LayerLayout, head: int, c: int, after: int) -> None:
    """V codes and scale of a position; ``after``: the context before, which may write the same tile."""
    b, cache, n = w.buffers, layer.caches[head], w.shape.value_dim
    value = _gathered(w, layer, 2, head * n, c)
    place = {"addr": cache.values.start, "channel": w.channel, "m_reg": Reg.POS, "m_shift": 5, "m_bias": c,
             "m_mul": _tile_words(w)}
    w.vec(n, value, reduce=Reduce.MAXABS, s_out=MAXIMUM)
    w.scalar(MAXIMUM, SCALE, mul=Mul.IMM, imm0=INT8_STEP)
    w.scalar(SCALE, RECIPROCAL, fn=Fn.RECIP)
    w.vec(n, value, mul=Mul.S, s=RECIPROCAL, d=b.ratio)
    w.vec(n, b.ratio, add=Add.IMM, imm1=bits(INTEGER), d=b.value_rounding)
    w.vec(n, b.value_rounding, add=Add.IMM, imm1=bits(-INTEGER), d=b.value_term)
    w.vec(n, b.value_term, round=Round.INT8, d=b.value_codes)
    w.vec(n, b.value_term, mul=Mul.IMM, imm0=bits(-1), add=Add.B, b=b.ratio, mul2=Mul2.S, s=TERM_RATIO,
          round=Round.INT8, d=b.value_codes + b.value_words)
    w.builder.stream(Stream.PLANES, _tile_words(w), after, **place)
    w.builder.consume(Op.VPUT, TERMS * b.value_words, a=b.value_codes, **place, **w.position(c))
    w.builder.emit(Op.SPUT, addr=cache.value_scales.start, channel=w.channel, s=SCALE, wide=1, **w.position(c))


def _load_value_scales(w: Writer, cache: CacheRegions, index: int) -> None:
    w.load(LATE, _scale_words(w), w.buffers.value_scales[index % 2], cache.value_scales.start)


def _scale_words(w: Writer) -> Count:
    """Words of V scales up to the pass's last position."""
    return Count(reg=Reg.POS, shift=2, bias=w.contexts + 3, limit=w.buffers.scores_stride, mul=1)


def _put_key(w: Writer, layer: LayerLayout, head: int, c: int) -> None:
    """K codes and scales of a position, 32 elements at a time; zeros behind the last element."""
    b, n = w.buffers, w.shape.key_dim
    _rotate(w, _gathered(w, layer, 1, head * n, c), n, c)
    for group in range(w.model.groups):
        at = group * BLOCK // ELEMENTS
        key = b.key + at
        w.vec(min(BLOCK, n - group * BLOCK), b.product + at, add=Add.B, b=b.swapped + at, d=key, pad32=1,
              reduce=Reduce.MAXABS, s_out=MAXIMUM)
        w.scalar(MAXIMUM, SCALE, mul=Mul.IMM, imm0=INT8_STEP, round=Round.FP16)
        w.scalar(SCALE, RECIPROCAL, fn=Fn.RECIP)
        w.scalar(SCALE, NEGATED, mul=Mul.IMM, imm0=bits(-1))
        w.vec(BLOCK, key, mul=Mul.S, s=RECIPROCAL, add=Add.IMM, imm1=bits(INTEGER), d=b.rounding)
        w.vec(BLOCK, b.rounding, add=Add.IMM, imm1=bits(-INTEGER), d=b.term)
        w.vec(BLOCK, b.term, round=Round.INT8, d=b.codes1)
        _put_term(w, layer.caches[head], group, c, b.codes1)
        w.vec(BLOCK, b.term, mul=Mul.S, s=NEGATED, add=Add.B, b=key, d=b.rest, reduce=Reduce.MAXABS, s_out=MAXIMUM)
        w.scalar(MAXIMUM, SCALE, mul=Mul.IMM, imm0=INT8_STEP, round=Round.FP16)
        w.scalar(SCALE, RECIPROCAL, fn=Fn.RECIP)
        w.vec(BLOCK, b.rest, mul=Mul.S, s=RECIPROCAL, round=Round.INT8, d=b.codes2)
        _put_term(w, layer.caches[head], w.model.groups + group, c, b.codes2)


def _put_term(w: Writer, cache: CacheRegions, group: int, c: int, codes: int) -> None:
    """32 codes and their scale (in SCALE) into ``group`` of the K cache."""
    lanes = w.config.lanes
    w.builder.emit(Op.KPUT, a=codes, addr=cache.keys.start + group * _key_group_words(w), channel=w.channel,
                   m_reg=Reg.POS, m_shift=lanes.bit_length() - 1, m_bias=c, m_mul=2 * lanes, **w.position(c))
    w.builder.emit(Op.SPUT, addr=cache.key_scales.start + group * (w.model.positions // 8), channel=w.channel,
                   s=SCALE, **w.position(c))


def _key_group_words(w: Writer) -> int:
    return w.model.positions * KV_BITS // ELEMENTS


def _tile_words(w: Writer) -> int:
    return TERMS * w.shape.value_dim * KV_BITS // ELEMENTS


def _rotate(w: Writer, a: int, n: int, c: int) -> None:
    """The two products of the rotary embedding of ``n`` elements (one or more heads)."""
    b = w.buffers
    cos = b.rotary + c * b.rotary_stride
    w.vec(n, a, mul=Mul.B, b=cos, d=b.product)
    w.vec(n, a, mul=Mul.B, b=cos + b.keys_words, swap=1, d=b.swapped)


def _attend(w: Writer, layer: LayerLayout, head: int, c: int, index: int, written: int) -> None:
    b, n, group = w.buffers, w.shape.key_dim, w.shape.group
    _rotate(w, _gathered(w, layer, 0, head * group * n, c), group * n, c)
    for query in range(group):
        source = query * b.key_words
        for term in range(TERMS):
            w.vec(n, b.product + source, add=Add.B, b=b.swapped + source, round=Round.FP16, pad32=1,
                  d=b.query + (query * TERMS + term) * b.head_words)
    for first in range(0, group, b.pass_heads):
        count = min(b.pass_heads, group - first)
        _scores(w, layer.caches[head], c, first, count, written)
        for query in range(count):
            _softmax(w, b.scores + query * b.scores_stride, c, index, wait=c == first == query == 0)
        _values(w, layer.caches[head], c, first, count, written)
    for query in range(group):
        first_term = b.value_sums + query * TERMS * b.value_words
        w.vec(w.shape.value_dim, first_term + b.value_words, mul=Mul.IMM, imm0=bits(1 / VALUE_RATIO), add=Add.B,
              b=first_term, round=Round.FP16, d=b.o + query * b.value_words)
    w.send(b.values_words, b.o, b.gathers.o + c * b.o_stride + head * b.values_words)


def _scores(w: Writer, cache: CacheRegions, c: int, first: int, count: int, written: int) -> None:
    """Scores of ``count`` query heads, one GEMV per ``acc_rows`` positions."""
    b, rows = w.buffers, w.config.acc_rows
    groups = TERMS * w.model.groups
    for start in range(0, w.model.positions, rows):
        size = min(rows, w.model.positions - start)
        for group in range(groups):
            w.builder.stream(
                Stream.PLANES, Count(reg=Reg.POS, shift=2, bias=c + 4 - start, limit=size // 4, mul=KV_BITS), written,
                addr=cache.keys.start + group * _key_group_words(w) + start * KV_BITS // ELEMENTS, channel=w.channel)
            w.builder.stream(
                Stream.SCALES, Count(reg=Reg.POS, shift=3, bias=c + 8 - start, limit=size // 8, mul=1), written,
                addr=cache.key_scales.start + (group * w.model.positions + start) // 8, channel=w.channel)
        w.builder.consume(
            Op.GEMV, Count(reg=Reg.POS, shift=2, bias=c + 4 - start, limit=size // 4, mul=4),
            a=b.query + first * TERMS * b.head_words, d=b.scores + start // ELEMENTS, groups=groups, bits=KV_BITS,
            signed=1, scale_mode=ScaleMode.SCALE, contexts=count - 1, act_stride=TERMS * b.head_words,
            out_stride=b.scores_stride)


def _softmax(w: Writer, scores: int, c: int, index: int, wait: bool) -> None:
    """Scores to weights times V scales, in place, zeros up to the tile's end."""
    factor = math.log2(math.e) * w.shape.score_scale
    n = Count(base=c + 1, reg=Reg.POS, limit=(1 << 16) - 1, mul=1)
    w.vec(n, scores, reduce=Reduce.MAX, s_out=MAXIMUM)
    w.scalar(MAXIMUM, SHIFT, mul=Mul.IMM, imm0=bits(-factor))
    w.vec(n, scores, mul=Mul.IMM, imm0=bits(factor), add=Add.S, s=SHIFT, fn=Fn.EXP2, d=scores,
          reduce=Reduce.SUM, s_out=TOTAL)
    w.scalar(TOTAL, NORMALISER, nan=True, fn=Fn.RECIP)
    if wait:
        w.wait(LATE, _scale_words(w))
    w.vec(n, scores, mul=Mul.S, s=NORMALISER, mul2=Mul2.B, b=w.buffers.value_scales[index % 2], pad32=1, d=scores)


def _values(w: Writer, cache: CacheRegions, c: int, first: int, count: int, written: int) -> None:
    """Weighted sums of V for ``count`` query heads."""
    b, rows = w.buffers, TERMS * w.shape.value_dim
    tile_words, tiles = _tile_words(w), w.model.positions // BLOCK
    piece = ((1 << 16) - 1) // tile_words
    for start in range(0, tiles, piece):
        w.builder.stream(Stream.PLANES, _tiles(w, c, start, min(piece, tiles - start), tile_words), written,
                         addr=cache.values.start + start * tile_words, channel=w.channel)
    w.builder.consume(
        Op.GEMV, _tiles(w, c, 0, tiles, 1), a=b.scores, d=b.value_sums + first * TERMS * b.value_words, rows=rows,
        bits=KV_BITS, signed=1, scale_mode=ScaleMode.NONE, contexts=count - 1, act_stride=b.scores_stride,
        out_stride=TERMS * b.value_words, n_is_groups=1)
