"""The compiled library of ``forward.cpp``: its functions, and the structures they take."""

import ctypes
from collections.abc import Callable
from pathlib import Path

from ..native import FLAGS, compiled

__all__ = ["Layout", "Sizes", "Turn", "load_library", "numbers"]

SOURCE = Path(__file__).with_name("forward.cpp")

_POINTER, _LONG = ctypes.c_void_p, ctypes.c_int64


class Sizes(ctypes.Structure):
    """As in ``names.h``; all but the last three of the integers, and `eps`, are those of a `ModelShape`."""

    INTEGERS = ("layers", "d", "heads", "kv_heads", "key_dim", "value_dim", "vocab")
    FACTORS = ("score_scale", "score_cap", "embedding_scale", "residual_scale", "logit_scale", "logit_cap")

    _fields_ = [(name, _LONG) for name in (*INTEGERS, "rows", "centred", "activation")]
    _fields_ += [(name, ctypes.c_double) for name in ("eps", *FACTORS)]


class Layout(ctypes.Structure):
    """As in ``forward.cpp``."""

    _fields_ = [(name, _LONG) for name in (
        "rows", "products", "group", "terms", "rotated", "row_scale", "low", "high")]


class Turn(ctypes.Structure):
    """As in ``model.h``; null pointers at first."""

    _fields_ = [("C", _POINTER), ("S", _POINTER)]


_FUNCTIONS = {
    "parts": (ctypes.c_char_p,),
    "rounded": (ctypes.c_char_p,),
    "functions": (ctypes.c_char_p,),
    "open": (_POINTER, ctypes.POINTER(Sizes), _LONG, *[_POINTER] * 5),
    "close": (None, _POINTER),
    "matrix": (ctypes.c_bool, _POINTER, _LONG, _LONG, ctypes.POINTER(Layout), _POINTER, _POINTER),
    "fill": (None, _POINTER, _LONG, _LONG, _LONG, _LONG, _POINTER),
    "rescale": (ctypes.c_bool, _POINTER, _LONG, _LONG, _POINTER),
    "vector": (ctypes.c_bool, _POINTER, _LONG, _LONG, ctypes.c_bool, _LONG, _POINTER),
    "forward": (ctypes.c_bool, _POINTER, _POINTER, _LONG, _POINTER, _LONG, *[_POINTER] * 3),
    "clipped": (None, _POINTER, _POINTER),
    "nonfinite": (ctypes.c_bool, _POINTER),
}


def load_library(progress: Callable[[str], None]) -> ctypes.CDLL:
    """The library with the signatures of its functions; compiled if need be, which ``progress`` is told.

    Raises
    ------
    NativeError: there is no compiler, or it fails.
    """
    library = compiled(SOURCE, FLAGS, lambda: progress("compiling the fast back end (seconds, once)"))
    for name, (result, *arguments) in _FUNCTIONS.items():
        function = getattr(library, f"dojang_fast_{name}")
        function.restype, function.argtypes = result, arguments
    return library


def numbers(names: bytes) -> dict[str, int]:
    """Of a list in ``names.h``, by name."""
    return {name: number for number, name in enumerate(names.decode().split(", "))}
