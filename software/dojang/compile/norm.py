"""Norms of all contexts: of the residual stream, and of what a layer adds to it."""

from dojang_hdl.isa import Add, Fn, Mul, Mul2, Reduce, Round

from .writer import Writer, bits

__all__ = ["emit_input", "emit_norm"]

TOTAL, ROOT, MEAN = range(3)
"""Scalar registers."""

HALF = {"round": Round.FP16, "pad32": 1}
"""VEC fields of an engine's input."""


def emit_input(w: Writer, name: str) -> None:
    """h of every context: the residual stream as the engine takes it, normalised if the model has norm ``name``."""
    b = w.buffers
    if name == "output_norm" or name in w.shape.norms:
        emit_norm(w, name, b.x, b.x_stride, **HALF)
        return
    for c in range(w.contexts):
        w.vec(w.shape.d, b.x + c * b.x_stride, d=b.h + c * b.h_stride, **HALF)


def emit_norm(w: Writer, name: str, vectors: int, stride: int, **last: int) -> None:
    """Norm ``name`` of the vectors at ``vectors``, ``stride`` words apart, to h.

    Parameters
    ----------
    last: VEC fields of the last step.
    """
    b, d, norm = w.buffers, w.shape.d, w.shape.norm
    gain = None
    for c in range(w.contexts):
        x, h = vectors + c * stride, b.h + c * b.h_stride
        if norm.centred:
            w.vec(d, x, reduce=Reduce.SUM, s_out=TOTAL)
            w.scalar(TOTAL, MEAN, mul=Mul.IMM, imm0=bits(-1 / d))   # of a NaN, h is NaN all the same
            w.vec(d, x, add=Add.S, s=MEAN, d=h)
            x = h
        w.vec(d, x, mul=Mul.A, reduce=Reduce.SUM, s_out=TOTAL)
        w.scalar(TOTAL, ROOT, nan=True, mul=Mul.IMM, imm0=bits(1 / d), add=Add.IMM, imm1=bits(norm.eps), fn=Fn.RSQRT)
        if gain is None:
            gain = w.take(f"{name}.weight")
        w.vec(d, x, mul=Mul.S, s=ROOT, mul2=Mul2.B, b=gain, d=h, **({} if norm.bias else last))
    w.load_vector()
    if norm.bias:
        bias = w.take(f"{name}.bias")
        for c in range(w.contexts):
            h = b.h + c * b.h_stride
            w.vec(d, h, add=Add.B, b=bias, d=h, **last)
        w.load_vector()
