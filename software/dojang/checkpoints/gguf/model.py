"""The model of a file, of any family."""

from dataclasses import replace
from typing import Any

import numpy as np

from ..checkpoint import Checkpoint, Embedding, import_messages
from ..errors import CheckpointError, UnsupportedError, shown
from ..families import FAMILIES, Family, Source
from ..form import BLOCK
from ..keyed_file import KeyedFile
from ..matrix import Matrix
from ..shape import ModelShape
from .keys import check_keys
from .layers import layer_kinds
from .places import bias_names, find_places
from .rotary import rotary_tensors
from .tensors import floats, matrix, rows
from .vocabulary import tokenizer_data

__all__ = ["load_model"]


def load_model(file: KeyedFile, weights_bits: int) -> Checkpoint:
    """The model of a file of a family that is known; see `dojang.checkpoints.load`."""
    family = FAMILIES.get(file.architecture or "")
    if family is None:
        raise UnsupportedError(f"{file.path}: architecture {shown(file.architecture)} is not supported, supported are "
                               f"{', '.join(sorted(FAMILIES))}")
    if not file.tensors:
        raise UnsupportedError(f"{file.path} has no tensors, only a header")
    if file.order != "<":
        raise UnsupportedError(f"{file.path} is a big-endian file, of which only the header is supported")
    unknown = check_keys(file, family)
    source = Source(file)
    shape = _shape(source, family)
    places = find_places(file, family, shape, rotary_tensors(source, family.longrope))
    types = {name: file.tensors[place.tensor].type_name for name, place in places.items()}
    messages = import_messages(types, shape.tied, weights_bits)
    messages.extend([*unknown, *shape.messages()])

    def data(name: str) -> np.ndarray:
        return places[name].of(file.tensors[places[name].tensor].data)

    def load_vector(name: str) -> np.ndarray:
        values = places[name].of(floats(file.tensors[places[name].tensor].data, types[name]))
        if not np.isfinite(values).all():
            raise CheckpointError(f"{file.path}: tensor {places[name].tensor} holds NaN or infinite values")
        return values

    def load_matrix(name: str) -> Matrix:
        return matrix(name, data(name), types[name], weights_bits, messages.tell)

    def table(name: str) -> Embedding:
        stored = data(name)
        return Embedding((len(stored), shape.d), lambda ids: rows(stored[ids], types[name]))

    return Checkpoint(file.name, shape, table("token_embd.weight"), types, messages, load_matrix, load_vector,
                      lambda: tokenizer_data(file), file.size,
                      positions=table("position_embd.weight") if shape.learned_positions else None,
                      load_floats=lambda name: rows(data(name), types[name]))


def _shape(source: Source, family: Family) -> ModelShape:
    kinds, pattern = layer_kinds(source, family)
    eps = "layer_norm_epsilon" if family.norm.centred else "layer_norm_rms_epsilon"
    fields: dict[str, Any] = {
        "layers": source.layers, "d": source.d, "heads": source.heads, "kv_heads": source.kv_heads,
        "head_dim": -(-source.key_dim // BLOCK) * BLOCK, "ffn": source.ffn, "vocab": source.vocab,
        "context": source.context, "norm": replace(family.norm, eps=source.number(f"attention.{eps}")),
        "norms": family.norms, "kinds": kinds, "pattern": pattern, "tied": "output.weight" not in source.file.tensors,
        "key_dim": source.key_dim, "value_dim": source.value_dim, "qk_norm": family.qk_norm,
        "biases": bias_names(source.file, family), "gated": family.gated, "activation": family.activation,
        "learned_positions": family.learned_positions, **family.rules(source)}
    scale = source.number("attention.scale", 0.0)
    if scale < 0:
        raise source.wrong("attention.scale", scale, "a positive number, or 0 for 1 / √key length")
    if scale:
        fields["score_scale"] = scale
    return ModelShape(**fields)
