"""A model's GGUF file, or its parts as one: fields and tensors, with every damage turned into a `CheckpointError`."""

from pathlib import Path

from ..errors import CheckpointError, shown
from ..keyed_file import KeyedFile
from .parts import read_parts
from .stored import StoredTensor

__all__ = ["GGUFFile"]

ARCHITECTURE = "general.architecture"
ARCHITECTURE_LIMIT = 64


class GGUFFile(KeyedFile):
    """Fields and tensors of a model in GGUF files; nothing but headers is read until a value is asked for.

    Parameters
    ----------
    path: of the file, or of any part of a split one.
    name: of the model, for messages; by custom the file's.

    Attributes
    ----------
    parts: headers of the files; the fields are those of the first.

    Raises
    ------
    CheckpointError: a file is missing, no GGUF file, damaged, or of a version that is not known.
    """

    halves = False

    def __init__(self, path: Path, name: str | None = None):
        self.path, self.name = path, name or path.name
        self.parts = read_parts(path)
        self.fields, self.order = self.parts[0].fields, self.parts[0].order
        tensors: dict[str, StoredTensor] = {}
        for part in self.parts:
            tensors |= part.tensors
        self.tensors = tensors
        self.size = sum(part.size for part in self.parts)
        self.architecture = self.field(ARCHITECTURE)
        if self.architecture is not None and not (
                isinstance(self.architecture, str) and 1 <= len(self.architecture) <= ARCHITECTURE_LIMIT):
            raise CheckpointError(f"{path} is truncated or corrupt: {ARCHITECTURE} is {shown(self.architecture)}, "
                                  f"expected a name of at most {ARCHITECTURE_LIMIT} characters")

    def __str__(self) -> str:
        order = "big-endian" if self.order == ">" else "little-endian"
        parts = f" in {len(self.parts)} parts" if len(self.parts) > 1 else ""
        return (f"GGUF version {self.parts[0].version}, {order}, {self.size:,} bytes{parts}, {len(self.tensors):,} "
                "tensors")
