"""Scale sets: other scales, gains and biases for the codes of a model (docs/reference/scale-sets.md)."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from .errors import CheckpointError

__all__ = ["ScaleSet", "from_stored", "load_scale_set", "write_scale_set"]

KEY = "dojang-set"
VERSION = 1
SCALE = ".scale"
"""Ends the stored name of a matrix' scales; a gain or bias has the name of its tensor."""


@dataclass(frozen=True, eq=False)
class ScaleSet:
    """Replaces scales, gains and biases of a model; what it does not name stays.

    Parameters
    ----------
    name: for messages.
    values: by tensor name: float16 scales as a `Matrix` has them, float32 gains and biases.
    codes_sha256: `Checkpoint.codes_sha256` of the model it is for; not compared if empty.
    """

    name: str
    values: Mapping[str, np.ndarray]
    codes_sha256: str = ""

    def stored(self) -> dict[str, np.ndarray]:
        """The arrays by their names in a file."""
        return {name + SCALE if values.dtype == np.float16 else name: np.ascontiguousarray(values)
                for name, values in self.values.items()}


def from_stored(name: str, arrays: Mapping[str, np.ndarray], codes_sha256: str = "") -> ScaleSet:
    """The inverse of `ScaleSet.stored`."""
    return ScaleSet(name, {stored.removesuffix(SCALE): values for stored, values in arrays.items()}, codes_sha256)


def write_scale_set(path: Path, scale_set: ScaleSet) -> None:
    """Write the file under another name beside it, then put it in place."""
    about = {"version": VERSION, "name": scale_set.name, "codes_sha256": scale_set.codes_sha256}
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        save_file(scale_set.stored(), draft, {KEY: json.dumps(about, ensure_ascii=False)})
        os.replace(draft, path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"scale set {path} cannot be written: {error}") from None
    finally:
        draft.unlink(missing_ok=True)


def load_scale_set(path: Path) -> ScaleSet:
    """Read a file; whether it fits a model is looked at by `Checkpoint.with_set`.

    Raises
    ------
    CheckpointError: the file is missing, damaged or something else.
    """
    if not path.is_file():
        raise CheckpointError(f"scale set {path} does not exist")
    try:
        with safe_open(path, "numpy") as file:
            about = json.loads((file.metadata() or {}).get(KEY, "null"))
            arrays = {name: file.get_tensor(name) for name in file.keys()}
    except (OSError, ValueError, SafetensorError) as error:
        raise CheckpointError(f"scale set {path} is truncated, corrupt or no safetensors file: {error}") from None
    if not isinstance(about, dict) or not arrays:
        raise CheckpointError(f"{path} is a safetensors file, but not of a scale set: it has no description {KEY!r}")
    if about.get("version") != VERSION:
        raise CheckpointError(f"scale set {path} has version {about.get('version')!r}, expected {VERSION}")
    return from_stored(str(about.get("name", path.name)), arrays, str(about.get("codes_sha256", "")))
