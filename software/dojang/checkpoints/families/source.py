"""A model's file as its family sees it."""

from typing import Any

from ..errors import CheckpointError, UnsupportedError, shown
from ..keyed_file import KeyedFile
from ..rules import require

__all__ = ["Source"]


class Source:
    """Keys without the architecture's name in front, and the sizes that every family has.

    Attributes
    ----------
    layers, d, heads, kv_heads, key_dim, value_dim, ffn, vocab, context: as in `ModelShape`.

    Raises
    ------
    CheckpointError: a size is missing or cannot be.
    """

    def __init__(self, file: KeyedFile):
        self.file = file
        table = file.tensors.get("token_embd.weight")
        if table is None:
            raise CheckpointError(f"{file.path}: tensor token_embd.weight is missing")
        self.layers, self.d, self.context = map(self.count, ("block_count", "embedding_length", "context_length"))
        if self.layers > len(file.tensors):
            raise CheckpointError(f"{file.path}: {self.layers} layers but only {len(file.tensors)} tensors")
        self.heads = self.layer_count("attention.head_count")
        self.kv_heads = self.layer_count("attention.head_count_kv", self.heads)
        self.ffn = self.layer_count("feed_forward_length")
        for size in ("layers", "d", "context", "heads", "kv_heads", "ffn"):
            require(getattr(self, size) > 0, size, getattr(self, size), "a positive integer")
        require(self.heads <= self.d, "heads", self.heads, f"at most d={self.d}")
        self.key_dim, self.value_dim = map(self._head_size, ("key", "value"))
        self.vocab = table.shape[-1] if len(table.shape) == 2 else 0
        for key, expected in (("vocab_size", self.vocab), ("embedding_length_out", self.d)):
            if self.count(key, expected) != expected:
                raise self.wrong(key, self.count(key), f"{expected} as tensor token_embd.weight has")

    def _head_size(self, what: str) -> int:
        size = self.count(f"attention.{what}_length", self.d // self.heads)
        if size < 1 or size % 4:
            raise UnsupportedError(f"{self.file.path}: a {what} of a head has {size} elements, supported are multiples "
                                   "of 4")
        return size

    def name(self, key: str) -> str:
        """The key as the file has it."""
        return f"{self.file.architecture}.{key}"

    def has(self, key: str) -> bool:
        """Whether the file has that key."""
        return self.name(key) in self.file.fields

    def field(self, key: str, default: Any = None) -> Any:
        """A value, or ``default``."""
        return self.file.field(self.name(key), default)

    def number(self, key: str, default: float | None = None) -> float:
        """A value that must be a finite number."""
        return self.file.number(self.name(key), default)

    def count(self, key: str, default: int | None = None) -> int:
        """A value that must be an integer."""
        return self.file.count(self.name(key), default)

    def layer_count(self, key: str, default: int | None = None) -> int:
        """A value that must be an integer, or a list of the same one for every layer."""
        return self.file.layer_count(self.name(key), self.layers, default)

    def pattern(self, key: str, period: int) -> list[bool]:
        """Which layers are meant: a list by layer, or all but the last of every so many; of every ``period`` if there
        is no such key, and 0 stands for all layers.
        """
        value = self.field(key, period)
        if isinstance(value, list) and len(value) == self.layers and all(item in (0, 1) for item in value):
            return [bool(item) for item in value]
        if isinstance(value, list) or type(value) is not int or value < 0:
            raise self.wrong(key, value, f"a period, or true or false for each of {self.layers} layers")
        return [value == 0 or layer % value < value - 1 for layer in range(self.layers)]

    def factor(self, key: str) -> float:
        """A number that 0 and a missing key stand for 1 of."""
        return self.number(key, 1.0) or 1.0

    def wrong(self, key: str, value: Any, expected: str) -> CheckpointError:
        """The error of a value."""
        value = f"{value:g}" if isinstance(value, float) else shown(value)
        return CheckpointError(f"{self.file.path}: hyper-parameter {self.name(key)} is {value}, expected {expected}")
