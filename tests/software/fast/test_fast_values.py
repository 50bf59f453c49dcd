"""The compiled model against the golden model, bit for bit, where values are tiny, huge or not finite; fuzzing."""

import numpy as np
import pytest
from dojang.checkpoints import (
    BLOCK,
    Checkpoint,
    Embedding,
    Form,
    LayerKind,
    Matrix,
    ModelShape,
    Norm,
    Rotation,
    TokenizerData,
)
from dojang.checkpoints.checkpoint import Messages
from dojang.checkpoints.rules import Activation, QKNorm
from dojang.checkpoints.shape import NORMS
from dojang.fast import FastModel
from dojang_hdl.isa import Code
from dojang_hdl.window_code import CODES
from hypothesis import given, settings
from hypothesis import strategies as st


def wild(shape: ModelShape, forms: list[Form], seed: int, low: int, high: int, masks: bool = False) -> Checkpoint:
    """Values of any size: tables, gains, biases from 2^low to 2^high, FP16 scales from the smallest to the largest."""
    rng = np.random.default_rng(seed)

    def floats(*size):
        values = rng.choice([-1, 1], size) * np.exp2(rng.uniform(low, high, size))
        return np.where(rng.random(size) < 0.1, 0, values).astype(np.float32)

    def halves(*size):
        least, most = ((-24, 16), (-10, -4), (-24, -14))[rng.integers(3)]
        values = rng.choice([-1, 1], size) * np.exp2(rng.uniform(least, most, size))
        return np.where(rng.random(size) < 0.05, 0, np.clip(values, -65504, 65504)).astype(np.float16)

    def table(*size):
        rows = floats(*size)
        return Embedding(size, lambda ids: rows[ids])

    matrices, embedding = {}, table(shape.vocab, shape.d)
    sizes = {name: size for name, size in shape.tensors().items()
             if len(size) == 2 and not name.startswith(("token_embd", "position_embd"))}
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
    vectors = {name: floats(*size) for name, size in shape.tensors().items() if len(size) == 1}
    return Checkpoint("wild", shape, embedding, {}, Messages(), matrices.__getitem__, vectors.__getitem__,
                      lambda: TokenizerData("gpt2"), 0,
                      positions=table(shape.context, shape.d) if shape.learned_positions else None)


SIZES = [(-149, -120), (-130, -60), (-70, -50), (-1, 1), (10, 20), (40, 70), (100, 127.9)]


@pytest.mark.parametrize("low, high", SIZES)
@pytest.mark.parametrize("rules", [
    {"norm": Norm(0.0)}, {}, {"norm": Norm(0.0, True, True), "norms": (), "biases": ("attn_q", "attn_v", "ffn_down")},
    {"norms": NORMS, "qk_norm": QKNorm.VECTOR, "activation": Activation.GELU_TANH, "score_cap": 0.01},
    {"norms": (), "activation": Activation.GELU_ERF, "gated": False, "kinds": (LayerKind(None, 9),), "logit_cap": 1e6,
     "residual_scale": 1e-9, "embedding_scale": 1e8}], ids=["zero", "usual", "layer norm", "all norms", "no norms"])
def test_values_of_any_size(low, high, rules, check):
    """Denormals, zeros, saturation, infinities and NaN on the way."""
    shape = ModelShape(2, 70, 4, 2, 32, 50, 40, 64, **rules)
    checkpoint = wild(shape, [Form(4, signed=True), Form(8), Form(4, group=64, rotated=True)], 3, low, high)
    check(checkpoint, np.arange(40), ((40,), (1,) * 40))


def test_a_row_of_zeros_without_epsilon_is_noticed(check):
    checkpoint = wild(ModelShape(1, 40, 1, 1, 32, 32, 4, 8, norm=Norm(0.0)), [Form(4)], 1, -1, 1)
    table = np.zeros((4, 40), np.float32)
    table[1:] = 1
    checkpoint.embedding = Embedding(table.shape, lambda ids: table[ids])
    check(checkpoint, [1, 2], ((2,),))
    assert not FastModel(checkpoint, 4).nonfinite
    check(checkpoint, [1, 0, 1], ((3,), (1, 1, 1)))
    fast = FastModel(checkpoint, 4)
    fast.forward([0], 0)
    assert fast.nonfinite


@st.composite
def forms(draw) -> Form:
    group = draw(st.sampled_from((32, 64, 128)))
    rotated = group > 32 and draw(st.booleans())
    code = draw(st.sampled_from((Code.PLAIN, Code.PLAIN, *CODES)))
    row_scale = draw(st.booleans())
    if code is not Code.PLAIN:
        planes, largest = CODES[code].planes, CODES[code].maximum
        return Form(planes, code=code, group=group, rotated=rotated, row_scale=row_scale, double=True, zero=-largest)
    signed, double = draw(st.booleans()), draw(st.booleans())
    limit = (1 << 13) // group
    bits = draw(st.integers(1, min(8, limit.bit_length() - 1 - double + signed)))
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    low, high = low << double, high << double
    zero = draw(st.integers(max(-512, -limit - low), min(511, limit - high)))
    return Form(bits, signed, group=group, row_scale=row_scale, rotated=rotated, double=double, zero=zero,
                terms=1 if row_scale else draw(st.sampled_from((1, 1, 2, 3))))


MULTIPLES = st.integers(1, 33).map(lambda n: 4 * n)
SCALES = st.just(1.0) | st.floats(1e-3, 1e3) | st.sampled_from((2e-9, 9e8))
CAPS = st.just(0.0) | st.floats(1e-3, 1e3)


@st.composite
def layer_kinds(draw, key_dim: int) -> LayerKind:
    window = draw(st.just(0) | st.integers(1, 100))
    if draw(st.integers(0, 3)) == 0:
        return LayerKind(None, window)
    pairs = draw(st.just(key_dim // 2) | st.integers(1, key_dim // 2))
    factors = draw(st.none() | st.lists(st.floats(0.1, 50), min_size=pairs, max_size=pairs).map(tuple))
    return LayerKind(Rotation(draw(st.floats(10, 1e6)), 2 * pairs, factors, draw(st.floats(0.5, 2))), window)


def some(names: tuple[str, ...]):
    return st.sets(st.sampled_from(names)).map(lambda kept: tuple(name for name in names if name in kept))


@st.composite
def shapes(draw) -> ModelShape:
    """Of all rules."""
    kv_heads, group, layers = draw(st.integers(1, 3)), draw(st.integers(1, 5)), draw(st.integers(1, 3))
    key_dim = draw(st.sampled_from((32, 64, 128)) | MULTIPLES)
    kinds = draw(st.lists(layer_kinds(key_dim), min_size=1, max_size=3))
    pattern = draw(st.lists(st.integers(0, len(kinds) - 1), min_size=layers, max_size=layers))
    gated = draw(st.booleans())
    biases = ("attn_q", "attn_k", "attn_v", "attn_output", *["ffn_gate"] * gated, "ffn_up", "ffn_down")
    return ModelShape(
        layers, draw(st.integers(1, 140)), kv_heads * group, kv_heads, -(-key_dim // 32) * 32,
        draw(st.integers(1, 140)), draw(st.integers(1, 100)), 128,
        Norm(draw(st.sampled_from((0.0, 1e-5, 1e-38))), draw(st.booleans()), draw(st.booleans())), draw(some(NORMS)),
        tuple(kinds), tuple(pattern), False, key_dim, draw(st.just(0) | MULTIPLES),
        draw(st.just(0.0) | st.floats(0.01, 2)), draw(CAPS), draw(st.sampled_from(QKNorm)), draw(some(biases)), gated,
        draw(st.sampled_from(Activation)), draw(st.booleans()), draw(SCALES), draw(SCALES), draw(SCALES), draw(CAPS))


@st.composite
def cases(draw):
    low = draw(st.just(-2.0) | st.floats(-149, 120))
    pieces = draw(st.lists(st.integers(1, 40), min_size=1, max_size=4).filter(lambda sizes: sum(sizes) < 100))
    return draw(shapes()), draw(st.lists(forms(), min_size=1, max_size=6)), draw(st.integers(0, 1 << 30)), low, \
        low + draw(st.floats(0, 7)), draw(st.booleans()), tuple(pieces)


def check_case(case, check):
    shape, kinds, seed, low, high, masks, pieces = case
    checkpoint = wild(shape, kinds, seed, low, high, masks)
    check(checkpoint, None, (pieces,), context=128)


@settings(max_examples=30, derandomize=True)
@given(case=cases())
def test_whatever_shape_and_form(check, case):
    check_case(case, check)


@pytest.mark.slow
@settings(max_examples=1500)
@given(case=cases())
def test_whatever_shape_and_form_at_length(check, case):
    check_case(case, check)
