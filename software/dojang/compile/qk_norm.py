"""Normalisation of queries and keys before their rotation."""

from dojang_hdl.config import ELEMENTS
from dojang_hdl.isa import Add, Fn, Mul, Mul2, Reduce

from ..checkpoints import QKNorm
from .model import LayerLayout
from .scalars import Scalar
from .writer import Writer, bits

__all__ = ["QueriesAndKeys"]

QUERIES, KEYS = range(2)


class QueriesAndKeys:
    """A layer's gathered queries and keys, normalised if the model asks for it. Keys of all contexts come first; of
    each context, the node's heads in ascending order.
    """

    def __init__(self, w: Writer, layer: LayerLayout):
        self._w, self._layer, self._norm = w, layer, w.shape.qk_norm
        if self._norm != QKNorm.NONE:
            self._gains = [w.take(f"attn_{part}_norm.weight") for part in "qk"]

    def finish(self) -> None:
        """The gains are used no more."""
        for _ in range(0 if self._norm == QKNorm.NONE else len(self._gains)):
            self._w.load_vector()

    def queries(self, head: int, c: int) -> int:
        """Address of those of a KV head's group."""
        return self._heads(QUERIES, head, self._w.shape.group, c)

    def key(self, head: int, c: int) -> int:
        """Address of a KV head's key."""
        return self._heads(KEYS, head, 1, c)

    def _heads(self, which: int, head: int, count: int, c: int) -> int:
        w, b, n, words = self._w, self._w.buffers, self._w.shape.key_dim, self._w.buffers.key_words
        everything = b.gathers.qkv + c * b.gathered_inputs_stride + self._layer.at[which] // ELEMENTS
        own = everything + head * count * words
        if self._norm == QKNorm.HEAD:
            for query in range(count):
                self._root(own + query * words, n)
                self._scale(own + query * words, n, self._gains[which], b.normed + query * words)
        elif self._norm == QKNorm.VECTOR:
            if head == w.heads[0]:
                self._root(everything, count * w.shape.kv_heads * n)
            self._scale(own, count * n, self._gains[which] + head * count * words, b.normed)
        return own if self._norm == QKNorm.NONE else b.normed

    def _root(self, x: int, n: int) -> None:
        w = self._w
        w.vec(n, x, mul=Mul.A, reduce=Reduce.SUM, s_out=Scalar.ROOT)
        w.scalar(Scalar.ROOT, Scalar.ROOT, nan=True, mul=Mul.IMM, imm0=bits(1 / n), add=Add.IMM,
                 imm1=bits(w.shape.norm.eps), fn=Fn.RSQRT)

    def _scale(self, x: int, n: int, gain: int, d: int) -> None:
        self._w.vec(n, x, mul=Mul.S, s=Scalar.ROOT, mul2=Mul2.B, b=gain, d=d)
