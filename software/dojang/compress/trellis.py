"""Encoder and decoder of the window codes; the search itself is ``trellis.cpp``."""

import ctypes
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from dojang_hdl.isa import Code
from dojang_hdl.window_code import CODES, WindowCode

from ..native import FLAGS, compiled

__all__ = ["GAIN", "MSE", "TrellisEncoder", "decode", "encoder"]

GAIN = {Code.X2: 0.3043, Code.X2_5: 0.1699, Code.X3: 0.1683, Code.X4: 0.0842}
"""The scale d of w = d (2Q - maximum) that suits a Gaussian, as a multiple of its standard deviation."""

MSE = {Code.X2: 0.0727, Code.X2_5: 0.0390, Code.X3: 0.0197, Code.X4: 0.0062}
"""Mean squared error of a Gaussian of variance 1 at this scale."""

POINTER, LONG = ctypes.c_void_p, ctypes.c_long


@functools.cache
def _library(flags: tuple[str, ...]) -> ctypes.CDLL:
    library = compiled(Path(__file__).with_name("trellis.cpp"), flags)
    library.dojang_trellis_open.restype = POINTER
    library.dojang_trellis_open.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int, POINTER)
    library.dojang_trellis_encode.restype = None
    library.dojang_trellis_encode.argtypes = (POINTER, POINTER, LONG, LONG, POINTER, POINTER, LONG, LONG, LONG, LONG,
                                              POINTER, POINTER)
    return library


def window_values(code: WindowCode) -> np.ndarray:
    """Q of every window, uint8 [weights of a step, 2^window]."""
    windows = np.arange(1 << code.window)
    values = np.zeros((code.steps_rows, len(windows)), np.uint8)
    for row, output in enumerate(code.outputs):
        for a, taps in output:
            parity = functools.reduce(np.bitwise_xor, (windows >> tap & 1 for tap in taps))
            values[row] += (a * parity).astype(np.uint8)
    return values


@dataclass(frozen=True)
class TrellisEncoder:
    """Encoder of one code; calls release the interpreter and may run in several threads.

    Parameters
    ----------
    code: the window code.
    flags: of the compiler, for tests.
    """

    code: WindowCode
    flags: Sequence[str] = FLAGS

    @functools.cached_property
    def _handle(self) -> int:
        values = window_values(self.code)
        handle = _library(tuple(self.flags)).dojang_trellis_open(self.code.window, self.code.step_bits,
                                                                 self.code.steps_rows, values.ctypes.data)
        if not handle:
            raise ValueError(f"code is {self.code.name}, which trellis.cpp has no kernel for")
        return handle

    def encode(self, target: np.ndarray, scale: np.ndarray,
               mask: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Symbols whose weights d (2Q - maximum) have the least squared error, each column a sequence from state 0.

        Parameters
        ----------
        target: float32 [rows, columns], finite, any strides.
        scale: d of each row, [rows]; where it is 0 anything goes.
        mask: bool [rows, columns]; where it is False anything goes. None: all count.

        Returns
        -------
        symbols: uint8 [steps, columns].
        levels: Q, uint8 [rows, columns], as `decode` gives it.
        """
        target, scale = np.asarray(target, np.float32), np.ascontiguousarray(scale, np.float32)
        (rows, columns), item = target.shape, target.itemsize
        if scale.shape != (rows,):
            raise ValueError(f"scale has shape {scale.shape}, expected ({rows},)")
        if mask is not None:
            mask = np.asarray(mask, bool)
            if mask.shape != target.shape:
                raise ValueError(f"mask has shape {mask.shape}, expected {target.shape}")
        symbols = np.empty((-(-rows // self.code.steps_rows), columns), np.uint8)
        levels = np.empty((rows, columns), np.uint8)
        _library(tuple(self.flags)).dojang_trellis_encode(
            self._handle, target.ctypes.data, target.strides[0] // item, target.strides[1] // item, scale.ctypes.data,
            mask.ctypes.data if mask is not None else None, *(mask.strides if mask is not None else (0, 0)),
            rows, columns, symbols.ctypes.data, levels.ctypes.data)
        return symbols, levels


@functools.cache
def encoder(code: Code) -> TrellisEncoder:
    """The encoder of a code of the instruction set."""
    return TrellisEncoder(CODES[code])


def decode(code: Code, symbols: np.ndarray, rows: int) -> np.ndarray:
    """Q, uint8 [rows, columns], of symbols [steps, columns]; a last step may have weights that no row takes."""
    definition = CODES[code]
    steps, columns = symbols.shape
    windows = np.zeros((steps, columns), np.int64)
    for age in range(-(-definition.window // definition.step_bits)):
        windows[age:] |= symbols[:max(steps - age, 0)].astype(np.int64) << age * definition.step_bits
    windows &= (1 << definition.window) - 1
    return window_values(definition)[:, windows].swapaxes(0, 1).reshape(-1, columns)[:rows]
