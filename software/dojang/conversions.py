"""What a model loses where import converts a tensor type: its weights stored in the type, against those on the chip."""

from collections.abc import Callable
from dataclasses import dataclass

import gguf
import numpy as np

from .checkpoints import Checkpoint
from .checkpoints.blocks.writing import WRITABLE, write_blocks
from .checkpoints.importing import from_blocks, quantize
from .checkpoints.tensor_types import FLOAT_TYPES, SUPPORTED_TYPES
from .compress.forward import Forward, LayerWeights
from .evaluation import Evaluation, evaluate

__all__ = ["TYPES", "Conversion", "convert", "measure"]

TYPES = tuple(name for name in SUPPORTED_TYPES if name in WRITABLE)
"""What can be measured."""


@dataclass(frozen=True, eq=False)
class Conversion:
    """A matrix on its way from a file to the chip.

    Parameters
    ----------
    stored: weights as the file has them, float32 [rows, cols].
    imported: as the chip has them.
    bits_per_weight: of the chip's, all-in, in whole groups.
    """

    stored: np.ndarray
    imported: np.ndarray
    bits_per_weight: float


def convert(name: str, weights: np.ndarray, source: str) -> Conversion:
    """Store float weights [rows, cols] in a type and import that; rows are padded with zeros to whole blocks."""
    rows, cols = weights.shape
    columns, _ = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[source]]
    padded = np.zeros((rows, -(-cols // columns) * columns), np.float32)
    padded[:, :cols] = weights
    raw = write_blocks(padded, source)
    stored = gguf.dequantize(raw, gguf.GGMLQuantizationType[source])
    matrix = quantize(name, stored, source) if source in FLOAT_TYPES else from_blocks(name, raw, source)
    return Conversion(stored[:, :cols], matrix.dequantize()[:, :cols], matrix.bits_per_weight)


def measure(checkpoint: Checkpoint, source: str, texts: dict[str, np.ndarray], threads: int = 1,
            progress: Callable[[str], None] = lambda text: None) -> tuple[float, dict[str, Evaluation]]:
    """Bits a weight on the chip, and of each text the imported model's evaluation against the stored one.

    All matrices are in the type; the embedding's rows, which import keeps, are the model's own. Both models compute in
    float32.

    Parameters
    ----------
    texts: windows of token ids [windows, length] by name.
    """
    windows = np.concatenate(list(texts.values()))
    stored, imported = (Forward(checkpoint, windows, threads) for _ in range(2))
    for index in range(checkpoint.shape.layers):
        progress(f"{source}: layer {index + 1} of {checkpoint.shape.layers}")
        own = LayerWeights.of(checkpoint, index)
        found = {name: convert(name, weights, source) for name, weights in own.matrices.items()}
        stored.layer(LayerWeights({name: one.stored for name, one in found.items()}, own.attn_norm, own.ffn_norm))
        imported.layer(LayerWeights({name: one.imported for name, one in found.items()}, own.attn_norm, own.ffn_norm))
    progress(f"{source}: head")
    head = convert("head", checkpoint.floats(checkpoint.head_name), source)
    results, at = {}, 0
    for name, found in texts.items():
        places = dict(zip((ids.tobytes() for ids in found), range(at, at + len(found)), strict=True))
        results[name] = evaluate(lambda ids, places=places: imported.logits(places[ids.tobytes()], head.imported),
                                 found, lambda ids, places=places: stored.logits(places[ids.tobytes()], head.stored))
        at += len(found)
    return head.bits_per_weight, results
