"""The types that tensors are stored in, and what import makes of each (docs/reference/tensor-types.md)."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

import numpy as np

from .blocks import large, small
from .blocks.parts import Parts
from .blocks.tables import read_table
from .form import Form

__all__ = ["BLOCK_TYPES", "FLOAT_TYPES", "SUPPORTED_TYPES", "BlockType", "Kept", "is_exact"]

FLOAT_TYPES = ("F32", "F16", "BF16")


class Kept(StrEnum):
    """How near the imported weights are to the stored ones."""

    EXACT = "exact"
    ROUNDED = "products of scales rounded to FP16"
    NEAREST = "nearest codes"


@dataclass(frozen=True)
class BlockType:
    """What import makes of a type that is stored in blocks.

    Parameters
    ----------
    read: blocks, uint8 [n, bytes], to their weights.
    form: of the codes.
    kept: how near they are.
    offset: groups have an offset besides the scale.
    """

    read: Callable[[np.ndarray], Parts]
    form: Form
    kept: Kept = Kept.EXACT
    offset: bool = False

    @property
    def bits_per_weight(self) -> float:
        """All-in, of whole groups."""
        return self.form.bits + 16 * (1 + self.offset) / self.form.group

    def __str__(self) -> str:
        """The form, as messages and tables say it: ``4 bits, groups of 32, with an offset``."""
        return f"{self.form}, with an offset" if self.offset else str(self.form)


BLOCK_TYPES = {
    "Q4_0": BlockType(small.read_q4_0, Form(4, signed=True)),
    "Q4_1": BlockType(small.read_q4_1, Form(4), offset=True),
    "Q5_0": BlockType(small.read_q5_0, Form(5, signed=True)),
    "Q5_1": BlockType(small.read_q5_1, Form(5), offset=True),
    "Q8_0": BlockType(small.read_q8_0, Form(8, signed=True)),
    "Q2_K": BlockType(large.read_q2_k, Form(8), Kept.NEAREST, offset=True),
    "Q3_K": BlockType(large.read_q3_k, Form(8, signed=True)),
    "Q4_K": BlockType(large.read_q4_k, Form(4), Kept.ROUNDED, offset=True),
    "Q5_K": BlockType(large.read_q5_k, Form(5), Kept.ROUNDED, offset=True),
    "Q6_K": BlockType(large.read_q6_k, Form(8, signed=True), Kept.NEAREST),
    "IQ4_NL": BlockType(small.read_iq4_nl, Form(8, signed=True)),
    "IQ4_XS": BlockType(large.read_iq4_xs, Form(8, signed=True), Kept.ROUNDED),
    "MXFP4": BlockType(small.read_mxfp4, Form(5, signed=True)),
    "TQ1_0": BlockType(large.read_tq1_0, Form(2, signed=True)),
    "TQ2_0": BlockType(large.read_tq2_0, Form(2, signed=True)),
    "Q1_0": BlockType(small.read_q1_0, Form(1), offset=True),
    **{name: BlockType(partial(read_table, name=name), Form(8, signed=True), kept) for name, kept in {
        "IQ1_S": Kept.ROUNDED, "IQ1_M": Kept.NEAREST, "IQ2_XXS": Kept.ROUNDED, "IQ2_XS": Kept.NEAREST,
        "IQ2_S": Kept.NEAREST, "IQ3_XXS": Kept.ROUNDED, "IQ3_S": Kept.ROUNDED}.items()},
}
"""By the name that GGUF has for the type."""

SUPPORTED_TYPES = (*FLOAT_TYPES, *BLOCK_TYPES)


def is_exact(source: str) -> bool:
    """Whether import takes the weights of a type over as they are."""
    return source in BLOCK_TYPES and BLOCK_TYPES[source].kept is Kept.EXACT
