"""A decoder layer, the entry and the exit of a pass, as one node executes them."""

import math

from dojang_hdl.config import ELEMENTS
from dojang_hdl.isa import Add, Fn, Mul, Mul2, Op, Reduce, Round

from .attention import emit_attention
from .entry import load_rows, take_rows
from .model import LayerLayout
from .regions import of_set
from .rotation import load_tables, wait_tables
from .writer import IN_ORDER, Writer, bits

__all__ = ["emit_end", "emit_layer", "emit_start"]

SQUARES, ROOT = 0, 1


def emit_start(w: Writer) -> None:
    """LOADs of the embedding rows, the first gains and the rows of the positions; residual stream."""
    load_rows(w)
    _load_gain(w, 0)
    if w.heads:
        load_tables(w)
    _load_gain(w, 1)
    w.clear_zeros()
    take_rows(w)


def _load_gain(w: Writer, index: int) -> None:
    words = w.model.gain_words
    regions = w.model.gains[w.channel]
    w.load(IN_ORDER, words, w.buffers.gain[index % 2], regions[0].start + index * words, **of_set(regions))


def _norm(w: Writer, index: int) -> None:
    """h of every context from the residual stream; the gain after next is then loaded."""
    b, d = w.buffers, w.shape.d
    for c in range(w.contexts):
        x = b.x + c * b.x_stride
        w.vec(d, x, mul=Mul.A, reduce=Reduce.SUM, s_out=SQUARES)
        w.scalar(SQUARES, ROOT, nan=True, mul=Mul.IMM, imm0=bits(1 / d), add=Add.IMM, imm1=bits(w.shape.norm.eps),
                 fn=Fn.RSQRT)
        if c == 0:
            w.wait(IN_ORDER, w.model.gain_words)
        w.vec(d, x, mul=Mul.S, s=ROOT, mul2=Mul2.B, b=b.gain[index % 2], round=Round.FP16, pad32=1,
              d=b.h + c * b.h_stride)
    if index + 2 <= 2 * w.shape.layers:
        _load_gain(w, index + 2)


def emit_layer(w: Writer, index: int, layer: LayerLayout) -> None:
    """One layer; x in LOCAL before and after."""
    b = w.buffers
    _norm(w, 2 * index)
    _inputs(w, layer)
    if index == 0 and w.heads:
        wait_tables(w)
    emit_attention(w, layer)
    dummies = sum(all(w.model.owner(h) != node for h in range(w.shape.kv_heads)) for node in range(w.config.nodes))
    for c in range(w.contexts):
        _fill(w, b.gathers.o + c * b.o_stride, b.o_words, b.o_stride)
    w.gathered(w.contexts * b.o_stride + dummies)
    _add_rows(w, layer.output, b.gathers.o, b.o_stride, b.gathers.attention)
    _norm(w, 2 * index + 1)
    _activation(w, layer)
    _add_rows(w, layer.down, b.gathers.a, b.a_stride, b.gathers.ffn)


def _inputs(w: Writer, layer: LayerLayout) -> None:
    """q, k, v of every context, gathered."""
    b, nodes = w.buffers, w.config.nodes
    done = 0
    for linear in layer.inputs:
        words = linear.rows // ELEMENTS
        out = b.out + done
        linear.emit(w.builder, w.node, out, a=b.h, contexts=w.contexts - 1, act_stride=b.h_stride,
                    out_stride=b.inputs_stride)
        for c in range(w.contexts):
            w.send(words, out + c * b.inputs_stride,
                   b.gathers.qkv + c * b.gathered_inputs_stride + done * nodes + w.node * words)
        done += words
    w.gathered(w.contexts * nodes * done)


def _add_rows(w: Writer, linear, a: int, stride: int, gathered: int) -> None:
    """Residual: x plus the linear map of the vectors at ``a``, gathered at ``gathered``."""
    b = w.buffers
    words = linear.rows // ELEMENTS
    linear.emit(w.builder, w.node, b.out, a=a, contexts=w.contexts - 1, act_stride=stride, out_stride=b.rows_stride)
    for c in range(w.contexts):
        w.send(words, b.out + c * b.rows_stride, gathered + c * b.gathered_rows_stride + w.node * words)
    w.gathered(w.contexts * w.config.nodes * words)
    for c in range(w.contexts):
        x = b.x + c * b.x_stride
        w.vec(w.shape.d, x, add=Add.B, b=gathered + c * b.gathered_rows_stride, d=x)


def _activation(w: Writer, layer: LayerLayout) -> None:
    """SiLU(gate) * up of every context, gathered, zeros up to a whole group."""
    b, rows = w.buffers, w.model.ffn_slice
    stride = 2 * b.ffn_words
    done = 0
    for linear in layer.ffn_inputs:
        linear.emit(w.builder, w.node, b.out + done, a=b.h, contexts=w.contexts - 1, act_stride=b.h_stride,
                    out_stride=stride)
        done += linear.rows // ELEMENTS
    for c in range(w.contexts):
        gate, up, target = b.out + c * stride, b.out + c * stride + b.ffn_words, b.gathers.a + c * b.a_stride
        w.vec(rows, gate, mul=Mul.IMM, imm0=bits(-math.log2(math.e)), fn=Fn.EXP2, d=b.a_slice)
        w.vec(rows, b.a_slice, add=Add.IMM, imm1=bits(1), fn=Fn.RECIP, mul2=Mul2.B, b=gate, d=b.a_slice)
        w.vec(rows, b.a_slice, mul=Mul.B, b=up, round=Round.FP16, d=b.a_slice)
        w.send(b.ffn_words, b.a_slice, target + w.node * b.ffn_words)
        _fill(w, target, b.a_gathered_words, b.a_stride)
    w.gathered(w.contexts * b.a_stride)


def _fill(w: Writer, vector: int, words: int, stride: int) -> None:
    """Zeros behind the ``words`` of a gathered vector, up to whole groups; the last node sends them."""
    if stride > words and w.node == w.config.nodes - 1:
        w.send(stride - words, w.buffers.zeros, vector + words)


def emit_end(w: Writer) -> None:
    """Final norm, logits of every context, candidates of the last one."""
    b, head = w.buffers, w.model.head
    _norm(w, 2 * w.shape.layers)
    first_row = w.node * head.rows
    for index, block in enumerate(head.blocks):
        head.emit_block(w.builder, w.node, index, b.out, a=b.h, contexts=w.contexts - 1, act_stride=b.h_stride,
                        out_stride=b.logits_stride)
        for c in range(w.contexts):
            w.builder.emit(Op.STORE, block.rows // ELEMENTS, a=b.out + c * b.logits_stride, channel=w.channel,
                           addr=w.model.logits[w.node][c].start + block.first // ELEMENTS)
        valid = min(block.rows, w.shape.vocab - first_row - block.first)
        if valid > 0:
            w.builder.emit(Op.TOPK, valid, a=b.out + (w.contexts - 1) * b.logits_stride, index=first_row + block.first,
                           reset=index == 0)
    if first_row >= w.shape.vocab:  # no rows: one candidate that is never the best replaces those of the last run
        w.vec(1, b.zeros, add=Add.IMM, imm1=bits(-math.inf), d=b.h)
        w.builder.emit(Op.TOPK, 1, a=b.h, index=0, reset=1)
    w.builder.emit(Op.REPORT)
    w.builder.emit(Op.END)
