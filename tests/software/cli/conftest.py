"""Small models whose answers are known."""

import gguf
import numpy as np
import pytest
from dojang.checkpoints import ModelShape
from dojang.checkpoints.synthetic import write_synthetic
from dojang.tokenizer import byte_characters

TEMPLATE = ("{% for m in messages %}{{ m.role }}:{{ m.content }}|{% endfor %}"
            "{% if add_generation_prompt %}assistant:{% endif %}")


@pytest.fixture(scope="session")
def chained(tmp_path_factory):
    """A model with a token a byte that answers x with é, 한, z and the end token 256: every layer adds nothing, and the
    head has a one for the token that follows."""
    answer = [*b"x", *"é한z".encode(), 256]
    d, vocab, path = 320, 257, tmp_path_factory.mktemp("chained") / "chained.gguf"
    head = np.zeros((vocab, d), np.float32)
    head[answer[1:], answer[:-1]] = 1
    table, zeros = byte_characters(), {}
    for name, shape in (("attn_q", (64, d)), ("attn_k", (32, d)), ("attn_v", (32, d)), ("attn_output", (d, 64)),
                        ("ffn_gate", (32, d)), ("ffn_up", (32, d)), ("ffn_down", (d, 32))):
        zeros[f"blk.0.{name}.weight"] = np.zeros(shape, np.float32)
    writer = gguf.GGUFWriter(path, "llama")
    for add, value in ((writer.add_block_count, 1), (writer.add_context_length, 64), (writer.add_embedding_length, d),
                       (writer.add_feed_forward_length, 32), (writer.add_head_count, 2),
                       (writer.add_head_count_kv, 1), (writer.add_rope_dimension_count, 32),
                       (writer.add_key_length, 32), (writer.add_value_length, 32),
                       (writer.add_layer_norm_rms_eps, 1e-5), (writer.add_rope_freq_base, 10000.0),
                       (writer.add_tokenizer_model, "gpt2"), (writer.add_tokenizer_pre, "gpt-2"),
                       (writer.add_token_list, [*table, "<|im_end|>"]), (writer.add_token_types, [1] * 256 + [3]),
                       (writer.add_token_merges, []), (writer.add_eos_token_id, 256)):
        add(value)
    for name, values in {"token_embd.weight": np.eye(vocab, d, dtype=np.float32), "output.weight": head,
                         **zeros}.items():
        writer.add_tensor(name, gguf.quantize(values, gguf.GGMLQuantizationType.Q8_0),
                          raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    for name in ("blk.0.attn_norm.weight", "blk.0.ffn_norm.weight", "output_norm.weight"):
        writer.add_tensor(name, np.ones(d, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return str(path)


@pytest.fixture(scope="session")
def talking(tmp_path_factory):
    """A random model of 200 positions with a chat template and a token a byte."""
    shape = ModelShape(layers=1, d=64, heads=2, kv_heads=1, head_dim=32, ffn=96, vocab=260, context=200)
    path = tmp_path_factory.mktemp("talking") / "talking.gguf"
    return str(write_synthetic(path, shape, "Q8_0", chat_template=TEMPLATE))


@pytest.fixture(scope="session")
def endless(tmp_path_factory):
    """Another, which speaks for minutes if it may."""
    shape = ModelShape(layers=2, d=256, heads=4, kv_heads=2, head_dim=64, ffn=512, vocab=258, context=16384)
    path = tmp_path_factory.mktemp("endless") / "endless.gguf"
    return str(write_synthetic(path, shape, "Q8_0", chat_template=TEMPLATE))
