"""GGUF import: round trips over a grid of models, and a sentence for every kind of damage."""

import math

import gguf
import numpy as np
import pytest
from dojang.checkpoints import CheckpointError, LayerKind, ModelShape, Norm, Rotation, UnsupportedError, load
from dojang.checkpoints.synthetic import write_synthetic

SHAPE = ModelShape(layers=2, d=96, heads=3, kv_heads=1, head_dim=32, ffn=160, vocab=131, context=256,
                   norm=Norm(2.0**-17), kinds=(LayerKind(Rotation(base=5000.0)),))
TYPES = ("F32", "F16", "BF16", "Q4_0", "Q4_1", "Q8_0")


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("shape", [
    SHAPE, ModelShape(1, 64, 2, 2, 64, 96, 300, 128, Norm(2.0**-20), tied=True),
    ModelShape(3, 128, 2, 1, 128, 32, 77, 64, Norm(2.0**-17), tied=True,
               kinds=(LayerKind(Rotation(factors=tuple(1 + i / 8 for i in range(64)))),))])
def test_synthetic_models_round_trip(tmp_path, shape, kind):
    checkpoint = load(write_synthetic(tmp_path / "m.gguf", shape, kind))
    assert checkpoint.shape == shape
    tensors = {tensor.name: tensor for tensor in gguf.GGUFReader(tmp_path / "m.gguf").tensors}

    def dequantized(name):
        tensor = tensors[name]
        return gguf.dequantize(tensor.data, tensor.tensor_type)

    embedding = dequantized("token_embd.weight")
    np.testing.assert_array_equal(checkpoint.embedding[:], embedding)
    np.testing.assert_array_equal(checkpoint.embedding[5], embedding[5])
    np.testing.assert_array_equal(checkpoint.embedding[[3, 1, 3]], embedding[[3, 1, 3]])
    np.testing.assert_array_equal(checkpoint.vector("output_norm.weight"), tensors["output_norm.weight"].data)
    names = [*(f"blk.{layer}.{name}.weight" for layer in range(shape.layers) for name in shape.matrices()),
             "token_embd.weight" if shape.tied else "output.weight"]
    found = dict(zip(names, (matrix for _, matrix in checkpoint.matrices()), strict=True))
    for name, matrix in found.items():
        assert matrix.source == kind and matrix.name == name
        if kind in ("F32", "F16", "BF16"):
            step = np.repeat(matrix.scale.astype(np.float32), 32, axis=1)[:, :matrix.cols]
            assert (np.abs(matrix.dequantize() - dequantized(name)) <= 0.6 * step).all()
        else:
            np.testing.assert_array_equal(matrix.dequantize(), dequantized(name))
    np.testing.assert_array_equal(checkpoint.layers[-1].vector("ffn_norm.weight"),
                                  tensors[f"blk.{shape.layers - 1}.ffn_norm.weight"].data)


def test_messages_say_what_was_quantised(tmp_path):
    path = write_synthetic(tmp_path / "m.gguf", SHAPE, "F16", embedding_type="F32", head_type="Q8_0")
    messages = load(path, weights_bits=5).messages
    assert "attn_q quantised from F16 to 5 bits" in messages and len(messages) == len(SHAPE.matrices())
    assert load(path, weights_bits=5).layers[0].matrix("attn_q").bits == 5
    assert load(write_synthetic(tmp_path / "q.gguf", SHAPE, "Q4_0")).messages == []


def test_smollm2():
    checkpoint = load("smollm2")
    shape = checkpoint.shape
    assert (shape.layers, shape.d, shape.heads, shape.kv_heads, shape.head_dim, shape.ffn) == (30, 576, 9, 3, 64, 1536)
    assert (shape.vocab, shape.context, shape.tied, shape.kinds[0].rotation.base) == (49152, 8192, True, 1e5)
    assert checkpoint.messages == []
    total = sum(matrix.stored_bytes for _, matrix in checkpoint.matrices())
    gains = 4 * (61 * 576)
    assert round((total + gains) / 1e6, 2) == 96.58


# --- damage ---------------------------------------------------------------------------------------------------------

def without(name):
    return lambda tensors: {key: value for key, value in tensors.items() if key != name}


def with_tensor(name, data, kind):
    return lambda tensors: tensors | {name: (data, gguf.GGMLQuantizationType[kind])}


BAD_SCALE = np.zeros((96, 96 // 32 * 34), np.uint8)
BAD_SCALE[7, 0:2] = [0, 0x7C]

DAMAGES = [
    ({"replace_fields": {"general.architecture": "mamba"}}, "architecture 'mamba' is not supported, supported are"),
    ({"replace_fields": {"llama.attention.head_count_kv": 2}}, "kv_heads=2, expected a divisor of heads=3"),
    ({"replace_fields": {"llama.embedding_length": 128}},
     "tensor token_embd.weight has size (131, 96), expected (131, 128)"),
    ({"replace_fields": {"llama.block_count": 3}}, "tensor blk.2.attn_q.weight is missing"),
    ({"replace_fields": {"llama.block_count": 2_000_000_000}}, "2000000000 layers but only"),
    ({"skip": ("llama.block_count",)}, "hyper-parameter llama.block_count is missing"),
    ({"skip": ("llama.attention.layer_norm_rms_epsilon",)}, "llama.attention.layer_norm_rms_epsilon is missing"),
    ({"replace_fields": {"llama.block_count": True}}, "llama.block_count is True, expected a finite number"),
    ({"replace_fields": {"llama.block_count": 2.0}}, "llama.block_count is 2.0, expected an integer"),
    ({"replace_fields": {"llama.block_count": "2"}}, "llama.block_count is '2', expected a finite number"),
    ({"replace_fields": {"llama.block_count": "9" * 5000}}, "…' of 5,000 characters, expected a finite number"),
    ({"replace_fields": {"llama.block_count": [2, 2]}}, "llama.block_count is [2, 2], expected a finite number"),
    ({"replace_fields": {"llama.block_count": 0}}, "model has layers=0, expected a positive integer"),
    ({"replace_fields": {"llama.rope.freq_base": math.nan}}, "llama.rope.freq_base is nan, expected a finite number"),
    ({"replace_fields": {"llama.attention.layer_norm_rms_epsilon": math.inf}}, "rms_epsilon is inf, expected a finite"),
    ({"replace_fields": {"llama.attention.head_count": [3, 1]}},
     "llama.attention.head_count is [3, 1]: layers that differ are not supported"),
    ({"replace_fields": {"llama.attention.head_count_kv": [1, 1, 1]}},
     "llama.attention.head_count_kv is [1, 1, 1], expected an integer for each of 2 layers"),
    ({"replace_fields": {"llama.feed_forward_length": ["a", "a"]}},
     "llama.feed_forward_length is ['a', 'a'], expected an integer for each of 2 layers"),
    ({"replace_fields": {"llama.vocab_size": 130}},
     "hyper-parameter llama.vocab_size is 130, expected 131 as tensor token_embd.weight has"),
    ({"tensors": without("blk.1.ffn_up.weight")}, "tensor blk.1.ffn_up.weight is missing"),
    ({"tensors": without("token_embd.weight")}, "tensor token_embd.weight is missing"),
    ({"tensors": with_tensor("blk.0.attn_q.bias", np.zeros(96, np.float32), "F32")},
     "tensor blk.1.attn_q.bias is missing"),
    ({"tensors": with_tensor("blk.1.attn_q.bias", np.zeros(96, np.float32), "F32")},
     "tensor blk.1.attn_q.bias is not part of the family llama"),
    ({"tensors": with_tensor("blk.0.attn_q.weight", np.zeros((96, 96 // 32 * 40), np.uint8), "Q8_1")},
     "tensor blk.0.attn_q.weight has type Q8_1, supported are F32, F16, BF16, Q4_0, Q4_1, Q5_0,"),
    ({"tensors": with_tensor("output_norm.weight", np.full(96, np.nan, np.float32), "F32")},
     "tensor output_norm.weight holds NaN or infinite values"),
    ({"tensors": with_tensor("blk.0.attn_q.weight", BAD_SCALE, "Q8_0")},
     "tensor blk.0.attn_q.weight holds a NaN or infinite scale"),
]


def use(path):
    """Load and touch everything."""
    checkpoint = load(path)
    _ = checkpoint.vector("output_norm.weight"), checkpoint.tokenizer, checkpoint.embedding[:]
    for layer in checkpoint.layers:
        _ = layer.vector("attn_norm.weight"), layer.vector("ffn_norm.weight")
    return list(checkpoint.matrices())


@pytest.mark.parametrize("change, message", DAMAGES, ids=[message[:40] for _, message in DAMAGES])
def test_damage_is_named(raw, model, tmp_path, change, message):
    path = raw.rewrite(model, tmp_path / "bad.gguf", **change)
    with pytest.raises(CheckpointError) as error:
        use(path)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_missing_file_and_foreign_files(tmp_path):
    with pytest.raises(CheckpointError, match=r"model file .*none\.gguf does not exist"):
        load(tmp_path / "none.gguf")
    for content in (b"", b"GG", b"PK\x03\x04 something else"):
        (tmp_path / "x.gguf").write_bytes(content)
        with pytest.raises(CheckpointError, match=r"x\.gguf is not a GGUF file"):
            load(tmp_path / "x.gguf")


def test_truncation_of_the_data(model, tmp_path):
    content = model.read_bytes()
    end = max(tensor.data_offset + tensor.n_bytes for tensor in gguf.GGUFReader(model).tensors)  # padding follows
    for size in (end - 1, end - 5000, end // 2):
        (tmp_path / "cut.gguf").write_bytes(content[:size])
        with pytest.raises(CheckpointError, match=r"cut\.gguf is truncated or corrupt: tensor .* ends at byte"):
            load(tmp_path / "cut.gguf")
    (tmp_path / "cut.gguf").write_bytes(content[:end])
    use(tmp_path / "cut.gguf")


@pytest.mark.parametrize("change", [
    {"llama.attention.head_count": [3, 3], "llama.attention.head_count_kv": [1, 1],
     "llama.feed_forward_length": [160, 160]},
    {"llama.vocab_size": 131, "llama.embedding_length_out": 96}])
def test_lists_of_one_value_and_sizes_that_agree(raw, model, tmp_path, change):
    assert load(raw.rewrite(model, tmp_path / "m.gguf", replace_fields=change)).shape == SHAPE


def test_big_endian_files_are_refused(tmp_path):
    writer = gguf.GGUFWriter(tmp_path / "m.gguf", "llama", endianess=gguf.GGUFEndian.BIG)
    writer.add_tensor("token_embd.weight", np.ones((4, 4), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(UnsupportedError, match=r"m\.gguf is a big-endian file"):
        load(tmp_path / "m.gguf")


def test_weights_bits_out_of_range():
    with pytest.raises(CheckpointError, match="weights of 9 bits were asked for, expected 2 to 8"):
        load("glassllm", 9)
