"""The values of a ``config.json``: of the text model, with what it leaves out."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import CheckpointError, UnsupportedError, named, shown
from .documents import read_json
from .published import PUBLISHED, Published

__all__ = ["Config"]

SPELLINGS = {
    "n_embd": "hidden_size", "n_layer": "num_hidden_layers", "n_head": "num_attention_heads",
    "n_inner": "intermediate_size", "n_positions": "max_position_embeddings", "n_ctx": "max_position_embeddings",
    "layer_norm_epsilon": "layer_norm_eps", "norm_eps": "layer_norm_eps", "rope_pct": "partial_rotary_factor",
}
"""Other names of keys."""

PARTS = ("text_config",)
"""Keys of the text model's own config in that of a model of several parts."""

INTEGER_LIMIT, LARGEST = 1 << 31, 3e38


class Config:
    """Values by key, each under its most usual name.

    Parameters
    ----------
    path: of the file.

    Attributes
    ----------
    path: as given.
    architecture: the name in ``architectures``.
    published: what is known of it.
    has_parts: the text model is one of several parts.
    given: values in the file.
    values: these and the defaults of what is left out.
    outer: values of the whole model, if there are parts.

    Raises
    ------
    CheckpointError: the file is missing or damaged, names no architecture, or says one thing twice and differently.
    """

    def __init__(self, path: Path):
        self.path, self.outer = path, read_json(path)
        names = self.outer.get("architectures")
        if not isinstance(names, list) or len(names) != 1 or not isinstance(names[0], str):
            raise CheckpointError(f"{path}: architectures is {shown(names)}, expected a list of one name")
        self.architecture: str = names[0]
        self.published = PUBLISHED.get(self.architecture, Published())
        inner = next((self.outer[key] for key in PARTS if self.outer.get(key) is not None), None)
        self.has_parts = inner is not None
        if self.has_parts and not isinstance(inner, dict):
            raise CheckpointError(f"{path}: text_config is {shown(inner)}, expected an object in braces")
        self.given = self._spelled(inner if isinstance(inner, dict) else self.outer)
        if self.has_parts and "tie_word_embeddings" in self.outer:
            self.given.setdefault("tie_word_embeddings", self.outer["tie_word_embeddings"])
        self.values: dict[str, Any] = {**self.published.defaults, **self.given}

    def _spelled(self, values: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        origin: dict[str, str] = {}
        for key, value in values.items():
            name = SPELLINGS.get(key, key)
            if name in found and found[name] != value:
                raise CheckpointError(f"{self.path}: {named(key)} is {shown(value)}, but {origin[name]} is "
                                      f"{shown(found[name])}")
            found[name], origin[name] = value, named(key)
        return found

    def get(self, key: str) -> Any:
        """A value of any kind, or None."""
        return self.values.get(key)

    def whole(self, key: str) -> int:
        """An integer."""
        value = self.get(key)
        if type(value) is not int or abs(value) >= INTEGER_LIMIT:
            raise self.wrong(key, "an integer below 2^31")
        return value

    def number(self, key: str) -> float:
        """A number that float32 has."""
        value = self.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= LARGEST:
            raise self.wrong(key, f"a number of at most {LARGEST:g}")
        return value

    def flag(self, key: str) -> bool:
        """True or false; null is false."""
        value = self.get(key)
        if value not in (None, True, False) or not isinstance(value, bool | None):
            raise self.wrong(key, "true or false")
        return bool(value)

    def wrong(self, key: str, expected: str) -> CheckpointError:
        """The error of a value, or of a missing one."""
        value = f"is {shown(self.get(key))}" if self.get(key) is not None else "is missing"
        return CheckpointError(f"{self.path}: {named(key)} {value}, expected {expected}")

    def unsupported(self, what: str, key: str, expected: str) -> UnsupportedError:
        """The error of a value that would change the numbers."""
        return UnsupportedError(f"{self.path}: {what} not supported: {named(key)} is {shown(self.get(key))}, expected "
                                f"{expected}")
