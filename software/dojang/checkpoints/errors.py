"""The error of this package."""

from ..errors import DojangError


class CheckpointError(DojangError):
    """A checkpoint is missing, damaged or not supported; the message names file, tensor and type."""
