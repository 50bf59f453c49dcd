"""What can go wrong."""

from ..errors import DojangError

__all__ = ["ProfileError"]


class ProfileError(DojangError):
    """A pass cannot be profiled, or its record does not fit what the chip says of it."""
