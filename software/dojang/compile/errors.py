"""The errors of this package."""

from ..errors import DojangError


class CompileError(DojangError):
    """A model does not fit a chip; the message names what is needed and what there is."""


class SramError(CompileError):
    """The buffers of a pass do not fit the SRAM of a node."""
