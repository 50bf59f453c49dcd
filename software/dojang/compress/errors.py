"""The error of this package."""

from ..errors import DojangError


class CompressError(DojangError):
    """Weights cannot be compressed as asked; the message names the value and what was expected."""
