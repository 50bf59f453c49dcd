"""A decoder layer, the entry and the exit of a pass, as one node executes them."""

import math

from dojang_hdl.config import ELEMENTS
from dojang_hdl.isa import Add, Mul, Op, Reg, Round

from .activation import emit_activation
from .attention import emit_attention
from .cap import emit_cap
from .entry import load_rows, take_rows
from .linear import Linear
from .model import LayerLayout
from .norm import emit_input, emit_norm
from .program import Count
from .rotation import load_tables, wait_tables
from .writer import Writer, bits

__all__ = ["emit_end", "emit_layer", "emit_start"]


def emit_start(w: Writer) -> None:
    """LOADs of the embedding rows, the first vectors and the rows of the positions; residual stream."""
    w.phase("embedding")
    load_rows(w)
    w.load_vector()
    if w.heads:
        load_tables(w)
    w.load_vector()
    w.clear_zeros()
    take_rows(w)


def emit_layer(w: Writer, layer: LayerLayout) -> None:
    """One layer; x in LOCAL before and after."""
    b = w.buffers
    w.phase("attention norm")
    emit_input(w, "attn_norm")
    w.phase("qkv")
    _inputs(w, layer)
    w.phase("rotary")
    wait_tables(w)
    emit_attention(w, layer)
    dummies = sum(all(w.model.owner(h) != node for h in range(w.shape.kv_heads)) for node in range(w.config.nodes))
    w.phase("output")
    for c in range(w.contexts):
        _fill(w, b.gathers.o + c * b.o_stride, b.o_words, b.o_stride)
    w.gathered(w.contexts * b.o_stride + dummies)
    _add_rows(w, layer.output, b.gathers.o, b.o_stride, b.gathers.attention, "post_attention_norm")
    w.phase("ffn norm")
    emit_input(w, "ffn_norm")
    w.phase("gate/up" if w.shape.gated else "up")
    _activation(w, layer)
    w.phase("down")
    _add_rows(w, layer.down, b.gathers.a, b.a_stride, b.gathers.ffn, "post_ffw_norm")


def _rows(w: Writer, linear: Linear, out: int, out_stride: int, a: int, stride: int) -> None:
    """The node's rows of a linear map of every context's vector at ``a``, with their biases, at ``out``."""
    linear.emit(w.builder, w.node, out, a=a, contexts=w.contexts - 1, act_stride=stride, out_stride=out_stride)
    if linear.biases:
        bias = w.take(linear.name)
        for c in range(w.contexts):
            result = out + c * out_stride
            w.vec(linear.rows, result, add=Add.B, b=bias, d=result)
        w.load_vector()


def _inputs(w: Writer, layer: LayerLayout) -> None:
    """q, k, v of every context, gathered."""
    b, nodes = w.buffers, w.config.nodes
    done = 0
    for linear in layer.inputs:
        words = linear.rows // ELEMENTS
        out = b.out + done
        _rows(w, linear, out, b.inputs_stride, b.h, b.h_stride)
        for c in range(w.contexts):
            w.send(words, out + c * b.inputs_stride,
                   b.gathers.qkv + c * b.gathered_inputs_stride + done * nodes + w.node * words)
        done += words
    w.gathered(w.contexts * nodes * done)


def _add_rows(w: Writer, linear: Linear, a: int, stride: int, gathered: int, norm: str) -> None:
    """Residual: x plus the linear map of the vectors at ``a``, gathered at ``gathered``, normalised if the model has
    ``norm``; h is then spent.
    """
    b, scale = w.buffers, w.shape.residual_scale
    words = linear.rows // ELEMENTS
    _rows(w, linear, b.out, b.rows_stride, a, stride)
    for c in range(w.contexts):
        w.send(words, b.out + c * b.rows_stride, gathered + c * b.gathered_rows_stride + w.node * words)
    w.gathered(w.contexts * w.config.nodes * words)
    w.phase("residual")
    y, y_stride = gathered, b.gathered_rows_stride
    if norm in w.shape.norms:
        emit_norm(w, norm, y, y_stride)
        y, y_stride = b.h, b.h_stride
    for c in range(w.contexts):
        x, added = b.x + c * b.x_stride, y + c * y_stride
        if scale == 1:
            w.vec(w.shape.d, x, add=Add.B, b=added, d=x)
        else:
            w.vec(w.shape.d, added, mul=Mul.IMM, imm0=bits(scale), add=Add.B, b=x, d=x)


def _activation(w: Writer, layer: LayerLayout) -> None:
    """The activation of every context, gathered, zeros up to a whole group."""
    b, rows = w.buffers, w.model.ffn_slice
    done = 0
    for linear in layer.ffn_inputs:
        _rows(w, linear, b.out + done, b.ffn_stride, b.h, b.h_stride)
        done += linear.rows // ELEMENTS
    w.phase("activation")
    result = {"round": Round.FP16, "d": b.activation[0]}
    for c in range(w.contexts):
        first, target = b.out + c * b.ffn_stride, b.gathers.a + c * b.a_stride
        if w.shape.gated:
            emit_activation(w, rows, first, d=b.activation[0])
            w.vec(rows, b.activation[0], mul=Mul.B, b=first + b.ffn_words, **result)
        else:
            emit_activation(w, rows, first, **result)
        w.send(b.ffn_words, b.activation[0], target + w.node * b.ffn_words)
        _fill(w, target, b.a_gathered_words, b.a_stride)
    w.gathered(w.contexts * b.a_stride)


def _fill(w: Writer, vector: int, words: int, stride: int) -> None:
    """Zeros behind the ``words`` of a gathered vector, up to whole groups; the last node sends them."""
    if stride > words and w.node == w.config.nodes - 1:
        w.send(stride - words, w.buffers.zeros, vector + words)


def emit_end(w: Writer) -> None:
    """Final norm; logits and candidates of every context that they are asked of."""
    b, head = w.buffers, w.model.head
    w.phase("output norm")
    emit_input(w, "output_norm")
    w.phase("head")
    first_row = w.node * head.rows
    for index, block in enumerate(head.blocks):
        head.emit_block(w.builder, w.node, index, b.out, a=b.h, contexts=w.contexts - 1, act_stride=b.h_stride,
                        out_stride=b.logits_stride)
        valid = min(block.rows, w.shape.vocab - first_row - block.first)
        for c in range(w.contexts):
            logits = b.out + c * b.logits_stride
            _finish(w, block.rows, logits)
            w.builder.emit(Op.STORE, _if(Reg.LOGITS, c, block.rows // ELEMENTS), a=logits, channel=w.channel,
                           addr=w.model.logits[w.node][c].start + block.first // ELEMENTS)
            if valid > 0:
                w.builder.emit(Op.TOPK, _if(Reg.CHOICE, c, valid), a=logits, index=first_row + block.first,
                               reset=index == 0)
    if first_row >= w.shape.vocab:  # no rows: one candidate that is never the best replaces those of the last run
        w.vec(1, b.zeros, add=Add.IMM, imm1=bits(-math.inf), d=b.h)
        for c in range(w.contexts):
            w.builder.emit(Op.TOPK, _if(Reg.CHOICE, c, 1), a=b.h, index=0, reset=1)
    w.phase("end")
    for c in range(w.contexts):
        w.builder.emit(Op.REPORT, _if(Reg.CHOICE, c, 1))
    w.builder.emit(Op.END)


def _if(flag: Reg, c: int, n: int) -> Count:
    """n if ``flag`` of context c is up, else nothing."""
    return Count(reg=flag, limit=1, mul=n, context=c)


def _finish(w: Writer, rows: int, logits: int) -> None:
    """Factor and cap of logits, in place."""
    if w.shape.logit_scale != 1:
        w.vec(rows, logits, mul=Mul.IMM, imm0=bits(w.shape.logit_scale), d=logits)
    if w.shape.logit_cap:
        emit_cap(w, rows, logits, w.shape.logit_cap, 1)
