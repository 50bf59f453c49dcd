"""Normalisation of vectors (docs/reference/numerics.md: Forward pass). numpy only."""

import numpy as np

from .fp import add, mul
from .special import rsqrt
from .vector import reduce_sum

__all__ = ["normalise"]


def normalise(x, gain, eps: float, centred: bool = False, bias=None) -> np.ndarray:
    """x float32 [..., n] by its root mean square, times ``gain`` [n], plus ``bias`` [n] if there is one.

    ``eps``: added to the mean square. ``centred``: the mean is taken off first.
    """
    size = x.shape[-1]
    if centred:
        x = add(x, mul(reduce_sum(x), np.float32(-1 / size))[..., None])
    r = rsqrt(add(mul(reduce_sum(mul(x, x)), np.float32(1 / size)), np.float32(eps)))
    y = mul(mul(x, r[..., None]), gain)
    return y if bias is None else add(y, bias)
