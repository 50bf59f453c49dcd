"""Writes a container."""

import json
import os
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import save_file

from ..checkpoint import TokenizerData
from ..errors import CheckpointError
from ..matrix import Matrix
from ..shape import ModelShape
from .arrays import describe, pack
from .naming import KEY, VERSION

__all__ = ["Contents", "write_container"]


@dataclass
class Contents:
    """A model to be written.

    Parameters
    ----------
    name, shape, tokenizer: of the model.
    matrices: by tensor name; float32 or float16 [rows, cols] where the model stores floats that stay, and of learned
        positions.
    vectors: gains and biases, float32, by tensor name.
    sources: stored type of the matrices that stay floats.
    notes: what else to say about a tensor, by tensor name; JSON.
    recipe: how it was made; JSON.
    source_sha256: of the model it was made from.
    scale_sets: other scales and vectors of the same codes, by name: arrays by stored name, float16 in place of
        ``NAME.scale``, float32 in place of a vector.
    """

    name: str
    shape: ModelShape
    tokenizer: TokenizerData
    matrices: Mapping[str, Matrix | np.ndarray]
    vectors: Mapping[str, np.ndarray]
    sources: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, dict] = field(default_factory=dict)
    recipe: Any = None
    source_sha256: str = ""
    scale_sets: Mapping[str, Mapping[str, np.ndarray]] = field(default_factory=dict)


def write_container(path: Path, contents: Contents) -> None:
    """Write the file under another name beside it, then put it in place."""
    arrays: dict[str, np.ndarray] = {}
    tensors: dict[str, dict] = {}
    for name, matrix in contents.matrices.items():
        note = contents.notes.get(name, {})
        if isinstance(matrix, Matrix):
            arrays |= {f"{name}.{part}": values for part, values in pack(matrix).items()}
            tensors[name] = {**describe(matrix), **note}
        else:
            arrays[name] = np.ascontiguousarray(matrix)
            rows, cols = matrix.shape
            tensors[name] = {"rows": rows, "cols": cols, "source": contents.sources[name], **note}
    for name, vector in contents.vectors.items():
        arrays[name] = np.ascontiguousarray(vector, np.float32)
    for label, parts in contents.scale_sets.items():
        arrays |= {f"{label}/{name}": np.ascontiguousarray(values) for name, values in parts.items()}
    shape, tokenizer = contents.shape.stored(), asdict(contents.tokenizer)
    tokenizer["eos_ids"] = sorted(contents.tokenizer.eos_ids)
    description = {
        "version": VERSION, "name": contents.name, "shape": shape, "tokenizer": tokenizer, "tensors": tensors,
        "recipe": contents.recipe, "source_sha256": contents.source_sha256, "scale_sets": list(contents.scale_sets),
        "crc32": {name: zlib.crc32(values.tobytes()) for name, values in arrays.items()},
    }
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        save_file(arrays, draft, {KEY: json.dumps(description, ensure_ascii=False, default=_plain)})
        draft.chmod(0o666 & ~_umask())  # the package makes it private
        os.replace(draft, path)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be written: {error.strerror}") from None
    except SafetensorError as error:
        raise CheckpointError(f"{path} cannot be written: {error}") from None
    finally:
        draft.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _plain(value: Any) -> Any:
    """What the tokenizer's metadata may hold besides JSON's own types."""
    if isinstance(value, np.generic):
        return value.item()
    return list(value)
