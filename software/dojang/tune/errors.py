from ..errors import DojangError

__all__ = ["TuneError"]


class TuneError(DojangError):
    """A model cannot be tuned."""
