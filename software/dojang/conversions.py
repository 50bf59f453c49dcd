"""What a model loses where import converts a tensor type: its weights stored in the type, against those on the chip."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import gguf
import numpy as np

from .checkpoints import Checkpoint
from .checkpoints.blocks.writing import WRITABLE, write_blocks
from .checkpoints.importing import from_blocks, quantize
from .checkpoints.tensor_types import BLOCK_TYPES, FLOAT_TYPES, Kept
from .compress.forward import Forward
from .compress.weights import LayerWeights
from .evaluation import Evaluation, evaluate

__all__ = ["EVERY", "TYPES", "convert", "measure"]

TYPES = ("F16", *(name for name, kind in BLOCK_TYPES.items() if name in WRITABLE and kind.kept is not Kept.EXACT))
"""What can be measured; the other float types go the way of F16."""

EVERY = {"Q2_K": 5}
"""Types of which only one layer in so many has its matrices: all of SmolLM2 in Q2_K, written without search, says
nothing more (perplexity 685,000)."""

Progress = Callable[[str], None]


def convert(name: str, weights: np.ndarray, source: str) -> tuple[np.ndarray, np.ndarray]:
    """Store float weights [rows, cols] in a type and import that: what the file has, and what the chip has, float32.

    Rows are padded with zeros to whole blocks.
    """
    rows, cols = weights.shape
    columns, _ = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[source]]
    padded = np.zeros((rows, -(-cols // columns) * columns), np.float32)
    padded[:, :cols] = weights
    raw = write_blocks(padded, source)
    stored = gguf.dequantize(raw, gguf.GGMLQuantizationType[source])
    matrix = quantize(name, stored, source) if source in FLOAT_TYPES else from_blocks(name, raw, source)
    return stored[:, :cols], matrix.dequantize()[:, :cols]


def measure(checkpoint: Checkpoint, source: str, texts: Mapping[str, np.ndarray], threads: int = 1,
            progress: Progress = lambda text: None) -> dict[str, Evaluation]:
    """Of each text the imported model's evaluation against the stored one; both compute in float32.

    The matrices of all layers and of the head are in the type, those of `EVERY` excepted. The embedding's rows, which
    import keeps, are the model's own.

    Parameters
    ----------
    texts: windows of token ids [windows, length] by name.
    """
    every = EVERY.get(source, 1)
    windows = np.concatenate(list(texts.values()))
    models = [Forward(checkpoint, windows, threads) for _ in range(2)]
    for index in range(checkpoint.shape.layers):
        progress(f"{source}: layer {index + 1} of {checkpoint.shape.layers}")
        own = LayerWeights.of(checkpoint, index)
        pairs = {name: convert(name, weights, source) if index % every == 0 else (weights, weights)
                 for name, weights in own.matrices.items()}
        for which, model in enumerate(models):
            model.layer(replace(own, matrices={name: pair[which] for name, pair in pairs.items()}))
    progress(f"{source}: head")
    head = checkpoint.floats(checkpoint.shape.head_name)
    heads = convert("head", head, source) if every == 1 else (head, head)

    def logits(which: int, start: int):
        places = iter(range(start, len(windows)))
        return lambda ids: models[which].logits(next(places), heads[which])

    results, start = {}, 0
    for name, found in texts.items():
        results[name] = evaluate(logits(1, start), found, logits(0, start))
        start += len(found)
    return results
