"""The header of one file.

The reader of the package ``gguf`` is not used: it makes numpy arrays of every element of a list (18 seconds and 1.4
gigabytes for a vocabulary of 2^18), maps the whole file, and believes lengths and offsets. The package has the
constants and the block types, and writes files.
"""

from pathlib import Path

from gguf import GGUFValueType as Kind

from ..errors import CheckpointError, named, shown
from ..regular import require_regular
from .cursor import Cursor
from .fields import Field, read_field
from .stored import StoredTensor, check_places, read_tensor

__all__ = ["Header"]

VERSIONS = (2, 3)
KEY_LIMIT = (1 << 16) - 1
"""Bytes of a key, as the format says."""

KEYS_LIMIT, TENSORS_LIMIT = 1 << 16, 1 << 17
"""Entries that a damaged count may have the reader look for."""

ALIGNMENT = "general.alignment"
ALIGNMENTS = {Kind.UINT8, Kind.UINT16, Kind.UINT32, Kind.UINT64}


class Header:
    """Fields and tensors of a file, whose values stay in it; read once, in time that is linear in its size.

    Attributes
    ----------
    path, size: of the file, in bytes.
    version: of the format.
    order: ``<`` or ``>``, its byte order.
    fields: `Field` by key.
    tensors: `StoredTensor` by name.

    Raises
    ------
    CheckpointError: the file is missing, no GGUF file, of an unknown version, or damaged.
    """

    def __init__(self, path: Path):
        self.path, self.size = path, require_regular(path)
        try:
            with open(path, "rb") as file:
                self._read(Cursor(path, file, self.size))
        except OSError as error:
            raise CheckpointError(f"model file {path} cannot be read: {error.strerror}") from None

    def _read(self, cursor: Cursor) -> None:
        if self.size < 4 or cursor.take(4) != b"GGUF":
            raise CheckpointError(f"{self.path} is not a GGUF file")
        self.version = cursor.number("I")
        if self.version & 0xFFFF == 0 and self.version:
            cursor.order, self.version = ">", int.from_bytes(self.version.to_bytes(4, "little"), "big")
        self.order = cursor.order
        if self.version not in VERSIONS:
            order = "big-endian and " if self.order == ">" else ""
            raise CheckpointError(f"{self.path} is {order}of version {self.version} of the GGUF format, expected "
                                  f"{' or '.join(map(str, VERSIONS))}")
        tensors, keys = cursor.number("Q"), cursor.number("Q")
        for count, limit, what in ((tensors, TENSORS_LIMIT, "tensors"), (keys, KEYS_LIMIT, "keys")):
            if count > limit:
                raise cursor.damaged(f"it has {count:,} {what}, expected at most {limit:,}")
        self.fields: dict[str, Field] = {}
        for _ in range(keys):
            key = cursor.text(KEY_LIMIT, "a key")
            if key in self.fields:
                raise cursor.damaged(f"key {named(key)} comes twice")
            self.fields[key] = read_field(cursor, key)
        listed: dict[str, StoredTensor] = {}
        for _ in range(tensors):
            tensor = read_tensor(cursor)
            if tensor.name in listed:
                raise cursor.damaged(f"tensor {named(tensor.name)} comes twice")
            listed[tensor.name] = tensor
        alignment = self._alignment(cursor)
        start = -(-cursor.offset // alignment) * alignment
        self.tensors = {name: tensor.after(start) for name, tensor in listed.items()}
        check_places(cursor, list(self.tensors.values()), start, alignment)

    def _alignment(self, cursor: Cursor) -> int:
        field = self.fields.get(ALIGNMENT)
        if field is None:
            return 32
        value = field.value()
        if field.kind not in ALIGNMENTS or field.count is not None or value.bit_count() != 1:
            raise cursor.damaged(f"{ALIGNMENT} is {shown(value)}, expected a power of two")
        return value
