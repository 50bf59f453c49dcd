"""A model in C++ (``model.h``), with the interface of `dojang_sim.golden.model.GoldenModel`."""

import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from ..checkpoints import BLOCK, Checkpoint, Matrix, ModelShape
from ..native import NativeError
from .library import Layout, Sizes, Turn, load_library, numbers

__all__ = ["PASS", "FastModel"]

PASS = 32
"""Tokens of a call into C++: weights are read once for all of them, and Ctrl-C is seen between two calls."""

ROWS = 4096
"""Rows of a matrix that are unpacked at once; bounds the temporary arrays."""

OWN = -1
"""In the place of a layer's number: what is the model's."""


class FastModel:
    """A model with its key/value cache; logits and attributes are those of the golden model, bit for bit.

    `forward` is for a single sequence; `forward_parts` for several, which share the rows of the cache as their caller
    has given them out. A model is used with one of the two.

    Parameters
    ----------
    checkpoint: the model. Its integers are held once more, a byte or two each.
    context: positions a sequence may have.
    progress: is told what begins, before every part that can take seconds.
    rows: of the cache, each of a position; `context` if None.

    Attributes
    ----------
    length: positions that `forward` has processed and not gone back behind.
    saturated: by name as in the golden model's trace, how many values FP16 has clipped so far.

    Raises
    ------
    NativeError: there is no compiler, or not enough memory.
    """

    def __init__(self, checkpoint: Checkpoint, context: int, progress: Callable[[str], None] = lambda _: None,
                 rows: int | None = None):
        from dojang_sim.golden import special

        if context < 1:
            raise ValueError(f"context={context}, expected at least 1")
        shape = self.shape = checkpoint.shape.at(context)
        if shape.learned_positions and context > shape.context:
            raise ValueError(f"context={context}, expected at most {shape.context}, the positions the model has "
                             "learned")
        if rows is not None and rows < 1:
            raise ValueError(f"rows={rows}, expected at least 1")
        library = self._library = load_library(progress)
        progress("preparing the fast back end")
        self.context, self.rows, self.length = context, context if rows is None else rows, 0
        self.saturated: dict[str, int] = {}
        self._parts, self._rounded = (numbers(names()) for names in (
            library.dojang_fast_parts, library.dojang_fast_rounded))
        windows = np.array([kind.window for kind in shape.kinds], np.int64)
        pattern = np.array(shape.pattern or [0] * shape.layers, np.int64)
        rsqrt = np.concatenate([special.table("rsqrt_even"), special.table("rsqrt_odd")])
        tables = [np.ascontiguousarray(table) for table in (special.table("exp2"), special.table("recip"), rsqrt)]
        self._handle = self._need(library.dojang_fast_open(
            _sizes(shape, self.rows, numbers(library.dojang_fast_functions())), len(windows),
            *(array.ctypes.data for array in (windows, pattern, *tables))))
        weakref.finalize(self, library.dojang_fast_close, self._handle)
        self._matrices = {f"blk.{layer}.{name}.weight": (layer, self._parts[name])
                          for layer in range(shape.layers) for name in shape.matrices()}
        self._matrices[shape.head_name] = OWN, self._parts["output"]
        for name, place in self._matrices.items():
            self._load(place, checkpoint.load_matrix(name))
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
        tokens = self._ids(tokens)
        if not 0 <= position <= self.length:
            raise ValueError(f"position={position}, expected 0 to {self.length}, the positions held so far")
        self._check_rows(0, position + len(tokens))
        logits = []
        for at in range(0, len(tokens), PASS):
            part = tokens[at:at + PASS]
            logits.append(self._pass([(0, position, part)]))
            position += len(part)
            self.length = position
        return np.concatenate(logits)

    def forward_parts(self, parts: Sequence[tuple[int, int, Sequence[int]]]) -> list[np.ndarray]:
        """One pass over the weights: logits as `forward`'s of each (start, position, tokens), one a sequence.

        ``start``: row of the cache in which the sequence's position 0 is, a multiple of 32. That the sequence has
        processed what lies before ``position``, and that no two share rows, is the caller's business.

        Raises
        ------
        ValueError: a token id out of range, rows that the cache does not have, more than `PASS` tokens.
        """
        checked = [(start, position, self._ids(tokens)) for start, position, tokens in parts]
        lengths = [len(tokens) for _, _, tokens in checked]
        if not 1 <= sum(lengths) <= PASS:
            raise ValueError(f"{sum(lengths)} tokens in a pass, expected 1 to {PASS}")
        for start, position, tokens in checked:
            if start < 0 or start % BLOCK or position < 0:
                raise ValueError(f"start={start}, position={position}, expected a multiple of {BLOCK}, and 0 or more")
            self._check_rows(start, position + len(tokens))
        return np.split(self._pass(checked), np.cumsum(lengths)[:-1])

    def _ids(self, tokens: Sequence[int] | np.ndarray) -> np.ndarray:
        ids = np.asarray(tokens, np.int64)
        if ids.ndim != 1 or not ids.size:
            raise ValueError(f"tokens of shape {ids.shape}, expected a list of at least one id")
        if ids.min() < 0 or ids.max() >= self.shape.vocab:
            raise ValueError(f"token ids from {ids.min()} to {ids.max()}, expected 0 to {self.shape.vocab - 1}")
        return ids

    def _check_rows(self, start: int, positions: int) -> None:
        if positions > self.context:
            raise ValueError(f"positions up to {positions} in a context of {self.context}")
        if start + positions > self.rows:
            raise ValueError(f"rows up to {start + positions} in a cache of {self.rows}")

    def rescale(self, checkpoint: Checkpoint) -> None:
        """Go on with ``checkpoint``, the same codes with other scales, gains and biases; the cache stays as it is."""
        for name, place in self._matrices.items():
            scale = np.ascontiguousarray(checkpoint.matrix(name).scale, np.float16)
            self._need(self._library.dojang_fast_rescale(self._handle, *place, scale.ctypes.data))
        self._take(checkpoint)

    def _pass(self, parts: Sequence[tuple[int, int, np.ndarray]]) -> np.ndarray:
        """Logits of the tokens of all parts, one part after the other."""
        from dojang_sim.golden.rotary import rotary_tables

        tokens = np.concatenate([ids for _, _, ids in parts])
        places = np.concatenate([np.arange(position, position + len(ids)) for _, position, ids in parts])
        stretches = np.array([(start, position, len(ids)) for start, position, ids in parts], np.int64)
        logits = np.empty((len(tokens), self.shape.vocab), np.float32)
        x = np.ascontiguousarray(self._embedding[tokens], np.float32)
        learned = None if self._learned is None else np.ascontiguousarray(self._learned[places], np.float32)
        tables = {number: rotary_tables(kind.rotation, self.shape.key_dim, places)
                  for number, kind in enumerate(self.shape.kinds) if kind.rotation is not None}
        turns = (Turn * len(self.shape.kinds))()
        for number, (C, S) in tables.items():  # which are alive until C++ has read them
            turns[number] = Turn(C.ctypes.data, S.ctypes.data)
        self._need(self._library.dojang_fast_forward(
            self._handle, x.ctypes.data, len(tokens), stretches.ctypes.data, len(parts),
            None if learned is None else learned.ctypes.data, turns, logits.ctypes.data))
        self._note_clipped()
        return logits

    def _load(self, place: tuple[int, int], matrix: Matrix) -> None:
        from dojang_sim.golden.weights import integers

        form = matrix.form
        layout = Layout(matrix.rows, matrix.blocks * BLOCK // form.group, form.group, form.terms, form.rotated,
                        form.row_scale, *_range(matrix))
        scale = np.ascontiguousarray(matrix.scale, np.float16)
        offset = None if matrix.offset is None else np.ascontiguousarray(matrix.offset, np.float16)
        self._need(self._library.dojang_fast_matrix(
            self._handle, *place, layout, scale.ctypes.data, None if offset is None else offset.ctypes.data))
        at_once = matrix.rows if form.window else ROWS  # a window code's columns are decoded from the first row on
        for first in range(0, matrix.rows, at_once):
            part = matrix if form.window else _part(matrix, slice(first, first + at_once))
            values = np.ascontiguousarray(integers(part), np.int16)
            self._library.dojang_fast_fill(self._handle, *place, first, len(values), values.ctypes.data)

    def _take(self, checkpoint: Checkpoint) -> None:
        """Gains, biases, and rows of tokens and positions."""
        self._embedding = checkpoint.embedding
        self._learned = checkpoint.positions if self.shape.learned_positions else None
        for name in checkpoint.vector_names:
            *layer, part, kind = name.removeprefix("blk.").split(".")
            values = np.ascontiguousarray(checkpoint.vector(name), np.float32)
            self._need(self._library.dojang_fast_vector(
                self._handle, int(layer[0]) if layer else OWN, self._parts[part], kind == "bias", len(values),
                values.ctypes.data))

    def _note_clipped(self) -> None:
        counts = np.empty((self.shape.layers + 1, len(self._rounded)), np.int64)
        self._library.dojang_fast_clipped(self._handle, counts.ctypes.data)
        for layer, of_layer in enumerate(counts):
            for name, count in zip(self._rounded, of_layer, strict=True):
                if count:
                    self.saturated[name if layer == self.shape.layers else f"{layer}.{name}"] = int(count)

    @staticmethod
    def _need(result):
        if not result:
            raise NativeError("not enough memory for the model and its context")
        return result


def _sizes(shape: ModelShape, rows: int, functions: dict[str, int]) -> Sizes:
    return Sizes(rows=rows, eps=shape.norm.eps, centred=shape.norm.centred,
                 activation=functions[shape.activation],
                 **{name: getattr(shape, name) for name in (*Sizes.INTEGERS, *Sizes.FACTORS)})


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
