"""A Llama-family model in C++ (``forward.cpp``), with the interface of `dojang_sim.golden.model.Llama`."""

import ctypes
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..checkpoints import BLOCK, Checkpoint, Matrix
from ..native import FLAGS, NativeError, compiled

__all__ = ["FastModel"]

SOURCE = Path(__file__).with_name("forward.cpp")
PASS = 32
"""Tokens of a call into C++: weights are read once for all of them, and Ctrl-C is seen between two calls."""

ROWS = 4096
"""Rows of a matrix that are unpacked at once; bounds the temporary arrays."""

ROUNDED = ("attn_norm", "q", "k_scale", "o", "ffn_norm", "a")
"""What a layer rounds to FP16, in its order; as in ``forward.cpp``."""

_POINTER, _LONG, _FLOAT = ctypes.c_void_p, ctypes.c_int64, ctypes.c_float


class Sizes(ctypes.Structure):
    """As in ``forward.cpp``."""

    _fields_ = [(name, _LONG) for name in (
        "layers", "d", "heads", "kv_heads", "key_dim", "value_dim", "ffn", "vocab", "context")]
    _fields_ += [(name, _FLOAT) for name in ("mean_factor", "eps", "score_factor", "sigmoid_factor")]


class Layout(ctypes.Structure):
    """As in ``forward.cpp``."""

    _fields_ = [(name, _LONG) for name in (
        "rows", "products", "group", "terms", "rotated", "row_scale", "low", "high")]


_FUNCTIONS = {
    "open": (_POINTER, ctypes.POINTER(Sizes), _POINTER, _POINTER, _POINTER),
    "close": (None, _POINTER),
    "matrix": (ctypes.c_bool, _POINTER, _LONG, _LONG, ctypes.POINTER(Layout), _POINTER, _POINTER),
    "fill": (None, _POINTER, _LONG, _LONG, _LONG, _LONG, _POINTER),
    "rescale": (ctypes.c_bool, _POINTER, _LONG, _LONG, _POINTER),
    "gain": (None, _POINTER, _LONG, _LONG, _POINTER),
    "forward": (ctypes.c_bool, _POINTER, _POINTER, _LONG, _LONG, _POINTER, _POINTER, _POINTER),
    "clipped": (None, _POINTER, _POINTER),
    "nonfinite": (ctypes.c_bool, _POINTER),
}


class FastModel:
    """A model with its key/value cache; logits and attributes are those of the golden model, bit for bit.

    Parameters
    ----------
    checkpoint: the model. Its integers are held once more, a byte or two each.
    context: positions the cache holds.
    progress: is told what begins, before every part that can take seconds.

    Attributes
    ----------
    length: positions the cache holds now.
    saturated: by name as in the golden model's trace, how many values FP16 has clipped so far.

    Raises
    ------
    NativeError: there is no compiler, or not enough memory.
    """

    def __init__(self, checkpoint: Checkpoint, context: int, progress: Callable[[str], None] = lambda _: None):
        from dojang_sim.golden import special

        if context < 1:
            raise ValueError(f"context={context}, expected at least 1")
        self._library = compiled(SOURCE, FLAGS, lambda: progress("compiling the fast back end (seconds, once)"))
        for name, (result, *arguments) in _FUNCTIONS.items():
            function = getattr(self._library, f"dojang_fast_{name}")
            function.restype, function.argtypes = result, arguments
        progress("preparing the fast back end")
        self.context, self.length = context, 0
        self.saturated: dict[str, int] = {}
        shape = self.shape = checkpoint.shape.at(context)
        sizes = Sizes(shape.layers, shape.d, shape.heads, shape.kv_heads, shape.key_dim, shape.value_dim, shape.ffn,
                      shape.vocab, context, 1 / shape.d, shape.norm.eps, np.log2(np.e) * shape.score_scale,
                      -np.log2(np.e))
        rsqrt = np.concatenate([special.table("rsqrt_even"), special.table("rsqrt_odd")])
        tables = [np.ascontiguousarray(table) for table in (special.table("exp2"), special.table("recip"), rsqrt)]
        self._handle = self._need(self._library.dojang_fast_open(sizes, *(table.ctypes.data for table in tables)))
        weakref.finalize(self, self._library.dojang_fast_close, self._handle)
        self._kinds = list(shape.matrices())
        for index in range(shape.layers):
            for kind, name in enumerate(self._kinds):
                self._load(index, kind, checkpoint.load_matrix(f"blk.{index}.{name}.weight"))
        self._load(-1, 0, checkpoint.load_matrix(shape.head_name))
        self._take(checkpoint)

    @property
    def nonfinite(self) -> bool:
        """Sticky; an infinity or NaN has reached the engine."""
        return self._library.dojang_fast_nonfinite(self._handle)

    def forward(self, tokens, position: int) -> np.ndarray:
        """Logits float32 [len(tokens), vocab] of `tokens` at `position` and after.

        The cache keeps what lies before `position`, and then holds these tokens too; later positions are forgotten.

        Raises
        ------
        ValueError: a token id out of range, or positions that the cache cannot hold or would leave a gap in it.
        """
        from dojang_sim.golden.model import rotary_tables

        tokens = np.asarray(tokens, np.int64)
        if tokens.ndim != 1 or not tokens.size:
            raise ValueError(f"tokens of shape {tokens.shape}, expected a list of at least one id")
        if tokens.min() < 0 or tokens.max() >= self.shape.vocab:
            raise ValueError(f"token ids from {tokens.min()} to {tokens.max()}, expected 0 to {self.shape.vocab - 1}")
        if not 0 <= position <= self.length:
            raise ValueError(f"position={position}, expected 0 to {self.length}, the positions held so far")
        if position + len(tokens) > self.context:
            raise ValueError(f"positions up to {position + len(tokens)} in a context of {self.context}")
        logits = np.empty((len(tokens), self.shape.vocab), np.float32)
        for at in range(0, len(tokens), PASS):
            part = tokens[at:at + PASS]
            x = np.ascontiguousarray(self._embedding[part], np.float32)
            C, S = rotary_tables(self.shape.kinds[0].rotation, self.shape.key_dim, np.arange(position, position + len(part)))
            self._need(self._library.dojang_fast_forward(
                self._handle, x.ctypes.data, len(part), position, C.ctypes.data, S.ctypes.data,
                logits[at:].ctypes.data))
            position += len(part)
            self.length = position
            self._note_clipped()
        return logits

    def rescale(self, checkpoint: Checkpoint) -> None:
        """Go on with ``checkpoint``, the same codes with other scales and gains; the cache stays as it is."""
        for index, layer in enumerate(checkpoint.layers):
            for kind, name in enumerate(self._kinds):
                self._rescale(index, kind, layer.matrix(name))
        self._rescale(-1, 0, checkpoint.head)
        self._take(checkpoint)

    def _load(self, index: int, kind: int, matrix: Matrix) -> None:
        from dojang_sim.golden.weights import integers

        form = matrix.form
        layout = Layout(matrix.rows, matrix.blocks * BLOCK // form.group, form.group, form.terms, form.rotated,
                        form.row_scale, *_range(matrix))
        self._need(self._library.dojang_fast_matrix(
            self._handle, index, kind, layout, _halves(matrix.scale).ctypes.data,
            None if matrix.offset is None else _halves(matrix.offset).ctypes.data))
        at_once = matrix.rows if form.window else ROWS  # a window code's columns are decoded from the first row on
        for first in range(0, matrix.rows, at_once):
            part = matrix if form.window else _part(matrix, slice(first, first + at_once))
            values = np.ascontiguousarray(integers(part), np.int16)
            self._library.dojang_fast_fill(self._handle, index, kind, first, len(values), values.ctypes.data)

    def _rescale(self, index: int, kind: int, matrix: Matrix) -> None:
        self._need(self._library.dojang_fast_rescale(self._handle, index, kind, _halves(matrix.scale).ctypes.data))

    def _take(self, checkpoint: Checkpoint) -> None:
        """Gains and embedding."""
        self._embedding = checkpoint.embedding
        gains = {(index, which): gain for index, layer in enumerate(checkpoint.layers)
                 for which, gain in enumerate(layer.vector(f"{name}.weight") for name in self.shape.norms)}
        for (index, which), gain in {**gains, (-1, 0): checkpoint.vector("output_norm.weight")}.items():
            self._library.dojang_fast_gain(self._handle, index, which, _floats(gain).ctypes.data)

    def _note_clipped(self) -> None:
        names = [f"{layer}.{name}" for layer in range(self.shape.layers) for name in ROUNDED] + ["output_norm"]
        counts = np.empty(len(names), np.int64)
        self._library.dojang_fast_clipped(self._handle, counts.ctypes.data)
        self.saturated.update((name, int(count)) for name, count in zip(names, counts, strict=True) if count)

    @staticmethod
    def _need(result):
        if not result:
            raise NativeError("not enough memory for the model and its context")
        return result


def _floats(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values, np.float32)


def _halves(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values, np.float16)


def _part(matrix: Matrix, rows: slice) -> Matrix:
    """Some rows of plain codes."""
    codes = matrix.codes[rows]
    return replace(matrix, rows=len(codes), codes=codes, scale=matrix.scale[rows],
                   offset=None if matrix.offset is None else matrix.offset[rows])


def _range(matrix: Matrix) -> tuple[int, int]:
    """Smallest and largest of the integers that scales multiply."""
    form = matrix.form
    edges = (0, form.window.maximum) if form.window else (int(matrix.codes.min()), int(matrix.codes.max()))
    low, high = ((q << int(form.double)) + form.zero for q in edges)
    return low, high
