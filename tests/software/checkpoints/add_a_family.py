"""StarCoder 2, which is not among the families: added, written as a tiny random file, and run.

LayerNorm with biases, biases everywhere, and one matrix in front of the activation, as in GPT-2; rotary positions and
shared KV heads, as in a Llama.
"""

import gguf
import numpy as np
from dojang.checkpoints import Activation, Norm, load
from dojang.checkpoints.families import Family, register
from dojang_sim.golden.model import GoldenModel

LINEAR = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_up", "ffn_down")


def add_starcoder2():
    """This is all that a family is."""
    return register(Family("starcoder2", ("Starcoder2ForCausalLM",), norm=Norm(centred=True, bias=True), biases=LINEAR,
                           gated=False, activation=Activation.GELU_TANH, halves=True))


def write_starcoder2(path, d=64, kv=32, ffn=96, vocab=70):
    """A file of one layer as converters write them."""
    writer, rng = gguf.GGUFWriter(path, "starcoder2"), np.random.default_rng(0)
    writer.add_block_count(1)
    writer.add_context_length(128)
    writer.add_embedding_length(d)
    writer.add_feed_forward_length(ffn)
    writer.add_head_count(2)
    writer.add_head_count_kv(1)
    writer.add_layer_norm_eps(1e-5)
    sizes = dict(zip(LINEAR, ((d, d), (kv, d), (kv, d), (d, d), (ffn, d), (d, ffn)), strict=True))
    tensors = {f"blk.0.{name}.weight": size for name, size in sizes.items()}
    tensors |= {f"blk.0.{name}.bias": size[:1] for name, size in sizes.items()}
    for norm in ("blk.0.attn_norm", "blk.0.ffn_norm", "output_norm"):
        tensors |= {f"{norm}.weight": (d,), f"{norm}.bias": (d,)}
    for name, size in {"token_embd.weight": (vocab, d), **tensors}.items():
        writer.add_tensor(name, rng.standard_normal(size).astype(np.float32) / np.sqrt(size[-1]).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def logits_of_starcoder2(path):
    """[3, vocab], of the golden model; the fast back end's and a chip's are the same, bit for bit."""
    checkpoint = load(path)
    return checkpoint, GoldenModel(checkpoint, context=16).forward([3, 1, 2], 0)
