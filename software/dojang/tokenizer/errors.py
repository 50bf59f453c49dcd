"""What is wrong with a tokenizer."""

from ..errors import DojangError

__all__ = ["TokenizerError"]


class TokenizerError(DojangError):
    """The tokenizer of a checkpoint is damaged or of an unsupported kind."""
