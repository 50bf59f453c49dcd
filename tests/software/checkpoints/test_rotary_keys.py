"""Keys of rotary embedding and attention that cannot be honoured: a short sentence that names key and value."""

from pathlib import Path
from types import SimpleNamespace

import gguf
import numpy as np
import pytest
from dojang.checkpoints import CheckpointError, GGUFFile, LayerKind, ModelShape, Norm, Rotation, load
from dojang.checkpoints.families import Source
from dojang.checkpoints.gguf.rotary import SCALINGS, rotation
from dojang.checkpoints.synthetic import write_synthetic
from dojang_sim.golden.rotary import rotary_tables
from hypothesis import given, settings
from hypothesis import strategies as st

SHAPE = ModelShape(1, 64, 2, 1, 32, 96, 70, 256, Norm(2.0 ** -17))
NAN, INFINITE = float("nan"), float("inf")
YARN = {"rope.scaling.type": "yarn", "rope.scaling.factor": 4.0}


def of(key, value, **others):
    return {f"rope.scaling.{key}": value, **others}


REFUSED = [
    (of("type", "llama3"), "rotary scaling 'llama3' is not supported, supported are none, linear, yarn, longrope"),
    (of("type", "su"), "rotary scaling 'su' is not supported"),
    (of("type", 2), "rotary scaling 2 is not supported"),
    (of("factor", -4.0), "llama.rope.scaling.factor is -4, expected a number from 1e-09 to 1e+09, or 0 for none"),
    (of("factor", NAN), "llama.rope.scaling.factor is nan, expected a finite number"),
    (of("factor", INFINITE), "llama.rope.scaling.factor is inf, expected a finite number"),
    (of("factor", "4"), "llama.rope.scaling.factor is '4', expected a finite number"),
    (of("factor", 1e-12), "llama.rope.scaling.factor is 1e-12, expected a number from 1e-09 to 1e+09, or 0 for none"),
    ({"rope.scale_linear": -2.0}, "llama.rope.scale_linear is -2, expected a number from 1e-09 to 1e+09, or 0"),
    ({"rope.scale_linear": NAN}, "llama.rope.scale_linear is nan"),
    (of("attn_factor", 0.0), "llama.rope.scaling.attn_factor is 0, expected a number from 1e-09 to 1e+09"),
    (of("attn_factor", -1.0), "llama.rope.scaling.attn_factor is -1, expected a number from"),
    (of("attn_factor", 1e20), "llama.rope.scaling.attn_factor is 1e+20, expected a number from 1e-09 to 1e+09"),
    (of("original_context_length", 2.5, **YARN), "original_context_length is 2.5, expected an integer"),
    (of("yarn_beta_fast", 0.0, **YARN), "yarn_beta_fast is 0, expected a number from"),
    (of("yarn_beta_fast", 1e38, **YARN), "yarn_beta_fast is 1e+38, expected a number from"),
    (of("yarn_beta_slow", 1e-38, **YARN), "yarn_beta_slow is 1e-38, expected a number from"),
    (of("yarn_beta_slow", -1.0, **YARN), "yarn_beta_slow is -1, expected a number from"),
    (of("yarn_attn_factor", 2.0, **YARN), "yarn_attn_factor is 2, expected 1 or the 1.13863 of the other keys"),
    (of("yarn_attn_factor", 0.0, **YARN), "yarn_attn_factor is 0, expected a number from 1e-09 to 1e+09"),
    (of("yarn_log_multiplier", -1.0, **YARN), "yarn_log_multiplier is -1, expected a number from 1e-09 to 1e+09, or 0"),
    (of("yarn_ext_factor", NAN, **YARN), "yarn_ext_factor is nan, expected a finite number"),
    (of("yarn_ext_factor", 4.0, **{**YARN, "rope.scaling.factor": 0.5}), "yarn_ext_factor is 4, expected a number"),
    (of("yarn_ext_factor", 1e20, **YARN), "yarn_ext_factor is 1e+20, expected a number that keeps all frequencies"),
    ({"attention.scale": -0.5}, "llama.attention.scale is -0.5, expected a positive number, or 0 for 1 / √key length"),
    ({"attention.scale": NAN}, "llama.attention.scale is nan, expected a finite number"),
    ({"attention.scale": 1e20}, "model has score_scale=1"),
]


@pytest.mark.parametrize("keys, message", REFUSED, ids=[f"{next(iter(k))}-{m[-24:]}" for k, m in REFUSED])
def test_a_key_is_refused_by_name(keys, message, tmp_path):
    refused(write_synthetic(tmp_path / "m.gguf", SHAPE, "Q8_0", keys=keys), message)


def refused(path, message):
    with pytest.raises(CheckpointError) as error:
        load(path)
    assert message in str(error.value) and len(str(error.value)) < 250 + len(str(path))


def write(path, sizes=(32, 32, 32), base=10000.0, tensors=None, keys=None):
    """A file whose sizes of a head are as said, of which nothing but the header is right."""
    writer = gguf.GGUFWriter(path, "llama")
    key, value, rotary = sizes
    for name, number in {"block_count": 1, "context_length": 64, "embedding_length": 64, "feed_forward_length": 96,
                         "attention.head_count": 2, "attention.key_length": key, "attention.value_length": value,
                         "rope.dimension_count": rotary}.items():
        if number is not None:
            writer.add_uint32(f"llama.{name}", number)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(base)
    for name, text in (keys or {}).items():
        writer.add_string(name, text)
    writer.add_tensor("token_embd.weight", np.zeros((70, 64), np.float32))
    for name, data in (tensors or {}).items():
        writer.add_tensor(name, np.array(data, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.mark.parametrize("sizes, message", [
    ((50, 32, 32), "a key of a head has 50 elements, supported are multiples of 4"),
    ((32, 33, 32), "a value of a head has 33 elements, supported are multiples of 4"),
    ((0, 32, 32), "a key of a head has 0 elements"), ((32, 0, 32), "a value of a head has 0 elements"),
    ((1024, 32, 32), "model has head_dim=1024, expected a multiple of 32 up to 512"),
    ((32, 32, 0), "rope.dimension_count is 0, expected an even number of at most the key length 32"),
    ((32, 32, 15), "rope.dimension_count is 15, expected an even number"),
    ((32, 32, 34), "rope.dimension_count is 34, expected an even number"),
])
def test_sizes_of_a_head(sizes, message, tmp_path):
    refused(write(tmp_path / "m.gguf", sizes), message)


LONGROPE = {"llama.rope.scaling.type": "longrope"}


@pytest.mark.parametrize("fields, message", [
    ({"tensors": {"rope_freqs.weight": [1.0] * 8 + [0.0] * 8}},
     "tensor rope_freqs.weight holds 0, expected positive numbers"),
    ({"tensors": {"rope_freqs.weight": [-2.0] * 16}}, "tensor rope_freqs.weight holds -2, expected positive numbers"),
    ({"tensors": {"rope_freqs.weight": [NAN] * 16}}, "tensor rope_freqs.weight holds nan, expected positive numbers"),
    ({"tensors": {"rope_freqs.weight": [1.0] * 8}}, "tensor rope_freqs.weight has size (8,), expected (16,)"),
    ({"tensors": {"rope_freqs.weight": [1.0] * 16}, "sizes": (32, 32, 16)}, "has size (16,), expected (8,)"),
    ({"tensors": {"rope_factors_long.weight": [1.0] * 16}, "keys": LONGROPE},
     "tensor rope_factors_short.weight is missing, rope_factors_long.weight is there"),
    ({"tensors": {"rope_factors_short.weight": [1.0] * 16}, "keys": LONGROPE},
     "tensor rope_factors_long.weight is missing"),
    ({"base": 0.0}, "model has rotation.base=0.0, expected a number from 1e-09 to 1e+38"),
    ({"base": -1e4}, "model has rotation.base=-10000.0"), ({"base": NAN}, "llama.rope.freq_base is nan"),
    ({"base": 1.0, "keys": {"llama.rope.scaling.type": "yarn"}}, "freq_base is 1, expected more than 1 with YaRN"),
])
def test_factors_and_bases(fields, message, tmp_path):
    refused(write(tmp_path / "m.gguf", **fields), message)


@pytest.mark.parametrize("name, keys", [("rope_factors_long.weight", {}), ("rope_freqs.weight", LONGROPE)])
def test_factors_that_the_scaling_does_not_read(name, keys, tmp_path):
    """llama.cpp does not open such files either."""
    path = write_synthetic(tmp_path / "m.gguf", SHAPE, "Q8_0")
    reader = gguf.GGUFReader(path)
    tensors = {tensor.name: gguf.dequantize(tensor.data, tensor.tensor_type) for tensor in reader.tensors}
    path = write(tmp_path / "other.gguf", keys=keys, tensors={
        **{tensor: data for tensor, data in tensors.items() if tensor != "token_embd.weight"}, name: [1.0] * 16})
    refused(path, f"tensor {name} is not part of the family llama")


def test_the_rotary_size_is_the_key_length_if_nothing_is_said(tmp_path):
    path = write(tmp_path / "m.gguf", (48, 16, None))
    refused(path, "tensor blk.0.attn_q.weight is missing")  # all that comes before is right
    shape = ModelShape(1, 64, 2, 1, 64, 96, 70, 256, Norm(2.0 ** -17), key_dim=48, value_dim=16)
    found = load(write_synthetic(tmp_path / "s.gguf", shape, "F16")).shape
    assert found == shape and found.kinds == (LayerKind(Rotation(dim=48)),)


def test_shapes_come_back(tmp_path):
    for index, rotated in enumerate((Rotation(dim=16, factors=(1.0,) * 4 + (2.0,) * 4, magnitude=1.25), Rotation(
            factors=(1.5,) * 16, factors_long=(2.0,) * 16, original_context=128))):
        shape = ModelShape(1, 64, 2, 1, 32, 96, 70, 256, Norm(2.0 ** -17), kinds=(LayerKind(rotated),),
                           score_scale=0.25)
        checkpoint = load(write_synthetic(tmp_path / f"{index}.gguf", shape, "F16"))
        assert checkpoint.shape == shape
        assert any("more than 128 positions" in message for message in checkpoint.messages) == bool(index)


class Keys(GGUFFile):
    """Nothing but values of keys."""

    def __init__(self, values):
        sizes = {"block_count": 1, "context_length": 256, "embedding_length": 64, "feed_forward_length": 96,
                 "attention.head_count": 2}
        self.path, self.architecture = Path("m.gguf"), "llama"
        self.fields = {**{f"llama.{key}": size for key, size in sizes.items()}, **values}
        self.tensors = {"token_embd.weight": SimpleNamespace(shape=(64, 70))}

    def field(self, key, default=None):
        return self.fields.get(key, default)

    def layer_count(self, key, layers, default=None):
        return self.count(key, default)


NUMBERS = st.floats(allow_nan=True) | st.sampled_from([0.0, 0.5, 1.0, 4.0, 32.0, 1e-9, 1e9]) | st.integers(-2, 1 << 63)
NAMES = ("factor", "attn_factor", "original_context_length", "yarn_ext_factor", "yarn_attn_factor", "yarn_beta_fast",
         "yarn_beta_slow", "yarn_log_multiplier")


@pytest.mark.filterwarnings("error::RuntimeWarning")
@settings(max_examples=300)
@given(st.sampled_from(SCALINGS), st.dictionaries(st.sampled_from(NAMES), NUMBERS), NUMBERS)
def test_any_numbers_give_finite_tables_or_a_sentence(kind, numbers, base):
    keys = {f"llama.rope.scaling.{name}": value for name, value in numbers.items()}
    source = Source(Keys({**keys, "llama.rope.scaling.type": kind, "llama.rope.freq_base": base}))
    try:
        found = rotation(source, source.number("rope.freq_base")).of_keys(32)
    except CheckpointError as error:
        assert len(str(error)) < 250
        return
    for table in rotary_tables(found, 32, np.arange(0, 16000, 777)):
        assert np.isfinite(table).all()
