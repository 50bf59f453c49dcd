"""Minimal GGUF files of any family, spelled out tensor by tensor."""

import gguf
import numpy as np
from dojang.checkpoints.blocks.writing import write_blocks
from dojang.checkpoints.gguf.tensors import rows

LAYERS, D, HEADS, KV_HEADS, KEY, FFN, VOCAB, CONTEXT = 2, 64, 4, 2, 32, 96, 70, 128

SIZES = {"block_count": LAYERS, "context_length": CONTEXT, "embedding_length": D, "feed_forward_length": FFN,
         "attention.head_count": HEADS, "attention.head_count_kv": KV_HEADS, "attention.key_length": KEY,
         "attention.value_length": KEY}
RMS, CENTRED = {"attention.layer_norm_rms_epsilon": 2.0 ** -17}, {"attention.layer_norm_epsilon": 2.0 ** -16}

LAYER = {"attn_norm.weight": (D,), "attn_q.weight": (HEADS * KEY, D), "attn_k.weight": (KV_HEADS * KEY, D),
         "attn_v.weight": (KV_HEADS * KEY, D), "attn_output.weight": (D, HEADS * KEY), "ffn_norm.weight": (D,),
         "ffn_gate.weight": (FFN, D), "ffn_up.weight": (FFN, D), "ffn_down.weight": (D, FFN)}
OUTER = {"token_embd.weight": (VOCAB, D), "output_norm.weight": (D,)}


def sizes_of(layer=(), outer=(), without=(), layers=LAYERS):
    """Tensors of a file by name: those of a Llama, with others, without some of a layer's."""
    of_layer = {name: size for name, size in {**LAYER, **dict(layer)}.items() if name not in without}
    inside = {f"blk.{index}.{name}": size for index in range(layers) for name, size in of_layer.items()}
    return {**OUTER, **inside, **dict(outer)}


def write_family(path, family, keys, sizes, kind="F32", seed=0, given=()):
    """Write a random file and return its float32 values by name; matrices of layers are stored as ``kind``.

    ``given``: further tensors.
    """
    rng, values = np.random.default_rng(seed), {}
    writer = gguf.GGUFWriter(path, family)
    for key, value in keys.items():
        number = writer.add_int32 if isinstance(value, int) and value < 0 else writer.add_uint32
        add = {int: number, float: writer.add_float32, str: writer.add_string, bool: writer.add_bool,
               list: writer.add_array}[type(value)]
        add(f"{family}.{key}", value)
    drawn = {name: rng.standard_normal(size) for name, size in sizes.items()}
    for name, tensor in {**drawn, **dict(given)}.items():
        stored = kind if tensor.ndim == 2 and name.startswith("blk.") else "F32"
        data = write_blocks(tensor, stored)
        writer.add_tensor(name, data, raw_dtype=gguf.GGMLQuantizationType[stored])
        values[name] = rows(data, stored)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return values
