"""How fast the encoder of the window codes is, and how good."""

import time

import numpy as np
from dojang_hdl.window_code import CODES

from .trellis import GAIN, encoder

__all__ = ["encoder_figures"]

REPEATS = 5


def encoder_figures(rows: int = 1024, columns: int = 256) -> list[dict]:
    """For each code: weights a second of one core, by its CPU time, the best of some runs; error on a Gaussian."""
    figures = []
    target = np.random.default_rng(1).standard_normal((rows, columns)).astype(np.float32)
    for code, definition in CODES.items():
        scale = np.full(rows, GAIN[code], np.float32)
        _, levels = encoder(code).encode(target, scale)  # compiles
        best = np.inf
        for _ in range(REPEATS):
            started = time.process_time()
            encoder(code).encode(target, scale)
            best = min(best, time.process_time() - started)
        error = target - scale[:, None] * (2 * levels.astype(np.float32) - definition.maximum)
        figures.append({"code": definition.name, "bits_per_weight": definition.bits_per_weight, "rows": rows,
                        "weights_per_s_per_core": target.size / best, "label": "measured",
                        "mse": float(np.square(error).mean() / np.square(target).mean())})
    return figures
