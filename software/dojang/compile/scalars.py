"""Scalar registers that attention uses."""

from enum import IntEnum

__all__ = ["Scalar"]


class Scalar(IntEnum):
    MAXIMUM = 0
    SCALE = 1
    RECIPROCAL = 2
    NEGATED = 3
    SHIFT = 4
    TOTAL = 5
    NORMALISER = 6
    TERM_RATIO = 7
    CAP = 8
    ROOT = 9
