"""Tensors of a folder: safetensors files, checked by the library of that name and mapped into memory."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType
from safetensors import SafetensorError, safe_open

from ..errors import CheckpointError, UnsupportedError, named, shown
from ..regular import require_regular
from ..tensor_types import FLOAT_TYPES
from .documents import read_json

__all__ = ["FolderTensor", "MadeTensor", "read_tensors", "tensor_files"]

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
OTHERS = ("*.safetensors", "*.bin", "*.pth", "*.gguf")
"""What folders without `SINGLE` and `INDEX` may have."""

DTYPES = {"F32": "<f4", "F16": "<f2", "BF16": "<u2"}


@dataclass(frozen=True, slots=True)
class FolderTensor:
    """A tensor that stays in its file.

    Parameters
    ----------
    path: of the file.
    name: of the tensor in it.
    stored: its type there.
    sizes: there, rows first.
    offset: of its bytes in the file.
    n_bytes: how many those are.
    transposed: rows are columns there.
    shift: is added to every weight, in float32; 0 for none.
    """

    path: Path
    name: str
    stored: str
    sizes: tuple[int, ...]
    offset: int
    n_bytes: int
    transposed: bool = False
    shift: float = 0.0

    @property
    def type_name(self) -> str:
        """``F32``, ``F16``, ``BF16``, or what else the file has."""
        return "F32" if self.shift and self.stored in DTYPES else self.stored

    @property
    def tensor_type(self) -> GGMLQuantizationType:
        """Raises `UnsupportedError` for other types than those of weights."""
        if self.type_name not in FLOAT_TYPES:
            raise UnsupportedError(f"{self.path}: tensor {named(self.name)} has type {named(self.stored)}, supported "
                                   f"are {', '.join(FLOAT_TYPES)}")
        return GGMLQuantizationType[self.type_name]

    @property
    def number(self) -> int:
        return self.tensor_type.value

    @property
    def shape(self) -> tuple[int, ...]:
        """Columns first."""
        return self.sizes if self.transposed else tuple(reversed(self.sizes))

    @property
    def weights(self) -> int:
        return math.prod(self.sizes)

    @property
    def data(self) -> np.ndarray:
        """Mapped from the file, rows first; of BF16 the bytes, uint8 [..., bytes of a row].

        Raises
        ------
        CheckpointError: the file cannot be mapped, or weights are of another type.
        """
        kind = self.tensor_type.name
        try:
            values = np.asarray(np.memmap(self.path, DTYPES[self.stored], "r", self.offset, self.sizes))
        except (OSError, ValueError) as error:
            raise CheckpointError(f"{self.path}: tensor {named(self.name)} cannot be read: {error}") from None
        if self.transposed:
            values = values.T
        if self.shift:
            wide = (values.astype(np.uint32) << 16).view(np.float32) if self.stored == "BF16" else values
            return wide.astype(np.float32) + np.float32(self.shift)
        return np.ascontiguousarray(values).view(np.uint8) if kind == "BF16" else values


@dataclass(frozen=True, slots=True, eq=False)
class MadeTensor:
    """A tensor that is in no file.

    Parameters
    ----------
    data: float32 [elements].
    """

    data: np.ndarray
    tensor_type = GGMLQuantizationType.F32
    type_name = "F32"

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.shape

    @property
    def weights(self) -> int:
        return self.data.size

    @property
    def n_bytes(self) -> int:
        return self.data.nbytes


def tensor_files(folder: Path) -> list[Path]:
    """The safetensors files of a folder, in order of their names.

    Raises
    ------
    CheckpointError: there is none, a part is missing, or the index is damaged.
    """
    if not (folder / INDEX).exists():
        if not (folder / SINGLE).exists():
            found = [path.name for pattern in OTHERS for path in sorted(folder.glob(pattern))]
            has = f", only {named(found[0])}" if found else ""
            raise CheckpointError(f"{folder} has neither {SINGLE} nor {INDEX}{has}")
        return [folder / SINGLE]
    return [folder / name for name in sorted(set(_index(folder).values()))]


def read_tensors(folder: Path) -> dict[str, FolderTensor]:
    """All tensors, by their names in the files. Raises `CheckpointError` where a file is damaged or missing."""
    tensors: dict[str, FolderTensor] = {}
    files = tensor_files(folder)
    for path in files:
        for tensor in _read(path):
            if tensor.name in tensors:
                raise CheckpointError(f"{path} has tensor {named(tensor.name)} of {tensors[tensor.name].path.name} "
                                      "again")
            tensors[tensor.name] = tensor
    if (folder / INDEX).exists():
        for name, file in _index(folder).items():
            if name not in tensors or tensors[name].path.name != file:
                raise CheckpointError(f"{folder / INDEX} says that tensor {named(name)} is in {named(file)}, which "
                                      "has no such tensor")
    return tensors


def _index(folder: Path) -> dict[str, str]:
    """File of each tensor; the files are there."""
    path = folder / INDEX
    files = read_json(path).get("weight_map")
    if not isinstance(files, dict) or not files:
        raise CheckpointError(f"{path} has no weight_map of tensors and their files")
    for name in dict.fromkeys(map(str, files.values())):
        if Path(name).name != name or name in ("", ".", ".."):
            raise CheckpointError(f"{path} names {shown(name)}, expected a file in the same folder")
        if not (folder / name).exists():
            raise CheckpointError(f"{path} names {named(name)}, which is missing in {folder}")
    return {name: str(file) for name, file in files.items()}


def _read(path: Path) -> Iterator[FolderTensor]:
    """What the header of a file lists."""
    size = require_regular(path)
    try:
        with safe_open(path, "numpy"):  # checks the header: types, sizes, places without gaps up to the file's end
            pass
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length))
    except (SafetensorError, ValueError) as error:
        raise CheckpointError(f"{path} is truncated or corrupt ({size:,} bytes): {error}") from None
    except OSError as error:
        raise CheckpointError(f"model file {path} cannot be read: {error.strerror or error}") from None
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            yield FolderTensor(path, name, entry["dtype"], tuple(entry["shape"]), 8 + length + begin, end - begin)
