"""The golden forward pass: against glassllm's own forward, its trace against float64, and against itself in pieces."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from dojang.checkpoints import LayerKind, ModelShape, Rotation, load
from dojang.checkpoints.synthetic import amplified, write_synthetic
from dojang_sim.golden.attention import Cache
from dojang_sim.golden.flags import Flags
from dojang_sim.golden.model import GoldenModel
from dojang_sim.golden.rotary import rotary_tables

SHAPES = {
    "gqa64": (ModelShape(2, 192, 3, 1, 64, 160, 131, 64), "Q4_1"),
    "mha32": (ModelShape(2, 128, 4, 4, 32, 96, 77, 64, tied=True), "Q8_0"),
    "gqa128": (ModelShape(1, 160, 4, 2, 128, 192, 50, 64), "Q4_0"),
    "odd-ffn": (ModelShape(1, 96, 2, 1, 32, 75, 61, 64, kinds=(LayerKind(Rotation(factors=(1.0, 2.0) * 8)),)), "F16"),
}


@pytest.fixture(params=SHAPES)
def checkpoint(request, tmp_path):
    shape, kind = SHAPES[request.param]
    return load(write_synthetic(tmp_path / "model.gguf", shape, kind, seed=5))


@pytest.fixture(scope="module")
def glassllm():
    return load("glassllm")


def random_tokens(checkpoint, count, seed=1):
    return np.random.default_rng(seed).integers(0, checkpoint.shape.vocab, count)


def test_batch_equals_one_by_one(checkpoint):
    tokens = random_tokens(checkpoint, 40)
    whole = GoldenModel(checkpoint, 64).forward(tokens, 0)
    single, pieces = GoldenModel(checkpoint, 64), GoldenModel(checkpoint, 64)
    one_by_one = np.concatenate([single.forward(tokens[at:at + 1], at) for at in range(len(tokens))])
    in_pieces = np.concatenate([pieces.forward(tokens[a:b], a) for a, b in ((0, 7), (7, 33), (33, 40))])
    assert np.array_equal(whole.view(np.uint32), one_by_one.view(np.uint32))
    assert np.array_equal(whole.view(np.uint32), in_pieces.view(np.uint32))


def test_blocks_of_queries_do_not_matter(glassllm, monkeypatch):
    tokens = random_tokens(glassllm, 40)
    whole = GoldenModel(glassllm, 64).forward(tokens, 0)
    monkeypatch.setattr("dojang_sim.golden.attention.QUERIES", 8)
    monkeypatch.setattr("dojang_sim.golden.flags.PRODUCT_ELEMENTS", 1 << 12)
    assert np.array_equal(whole, GoldenModel(glassllm, 64).forward(tokens, 0))


def test_going_back_forgets_later_positions(glassllm):
    tokens = random_tokens(glassllm, 12)
    model = GoldenModel(glassllm, 16)
    first = model.forward(tokens, 0)
    model.forward([1, 2, 3], 4)
    assert model.length == 7
    assert np.array_equal(model.forward(tokens[4:], 4), first[4:])


def test_caches_of_several_sequences(checkpoint):
    """In turns; the model's own is one of them."""
    model, tokens = GoldenModel(checkpoint, 64), [random_tokens(checkpoint, 40, seed) for seed in range(3)]
    caches, found = [None, model.new_cache(), model.new_cache(40)], [[], [], []]
    for at in range(0, 40, 8):
        for cache, ids, logits in zip(caches, tokens, found, strict=True):
            logits.append(model.forward(ids[at:at + 8], at, cache=cache))
    for ids, logits in zip(tokens, found, strict=True):
        np.testing.assert_array_equal(np.concatenate(logits), GoldenModel(checkpoint, 64).forward(ids, 0))
    with pytest.raises(ValueError, match="positions up to 41 in a context of 40"):
        model.forward([1], 40, cache=caches[2])
    model.forward([1], 3)
    assert model.length == 4 and caches[1].length == 40
    with pytest.raises(ValueError, match="position=1, expected 0 to 0"):
        model.forward([1], 1, cache=model.new_cache())


@pytest.mark.parametrize(("tokens", "position", "message"), [
    ([], 0, "at least one"), ([1024], 0, "0 to 1023"), ([-1], 0, "0 to 1023"), ([1], 1, "position=1"),
    ([1] * 9, 0, "context of 8")])
def test_errors(glassllm, tokens, position, message):
    with pytest.raises(ValueError, match=message):
        GoldenModel(glassllm, 8).forward(tokens, position)


def test_context_of_nothing(glassllm):
    with pytest.raises(ValueError, match="context=0"):
        GoldenModel(glassllm, 0)


ROUNDED = ("attn_norm", "q", "k_scale", "o", "ffn_norm", "a", "output_norm")
"""What the forward pass rounds to FP16."""


def test_saturated_values_are_counted_by_name(checkpoint):
    last = checkpoint.shape.layers - 1
    # So much that no value comes to lie between 65488 and 65520, where the rounded one does not tell.
    factors = {f"blk.{last}.{name}.weight": 1e9 if name.endswith("norm") else 1e3
               for name in ("attn_norm", "attn_q", "attn_k", "attn_v", "ffn_norm")} | {"output_norm.weight": 1e9}
    model, trace = GoldenModel(amplified(checkpoint, factors), 64), {}
    model.forward(random_tokens(checkpoint, 20), 0, trace)
    expected = {name: int((np.abs(values) == 65504).sum()) for name, values in trace.items() if name.endswith(ROUNDED)}
    assert model.saturated == {name: count for name, count in expected.items() if count}
    assert {name.rpartition(".")[2] for name in model.saturated} == set(ROUNDED)
    assert next(iter(model.saturated)) == f"{last}.attn_norm"
    twice = dict(model.saturated)
    model.forward(random_tokens(checkpoint, 20), 0)
    assert model.saturated == {name: 2 * count for name, count in twice.items()}


def test_no_value_of_an_ordinary_model_is_saturated(checkpoint):
    model = GoldenModel(checkpoint, 64)
    model.forward(random_tokens(checkpoint, 20), 0)
    assert model.saturated == {}


def test_cache_terms(checkpoint):
    """Two INT8 terms hold K to half a step of the second scale, V to 1/256 of its scale."""
    trace = {}
    GoldenModel(checkpoint, 64).forward(random_tokens(checkpoint, 20), 0, trace)
    for layer in range(checkpoint.shape.layers):
        codes, scale = (trace[f"{layer}.k_{name}"].astype(np.float64) for name in ("codes", "scale"))
        first, second = np.split(codes * scale[..., None], 2, axis=2)
        k = trace[f"{layer}.k"].reshape(first.shape)
        s2 = np.split(scale, 2, axis=2)[1][..., None]
        assert np.all(np.abs(first + second - k) <= 0.501 * s2)
        assert np.abs(first - k).max() > s2.max()  # one term would not do
        high, low = np.split(trace[f"{layer}.v_codes"].astype(np.float64), 2, axis=2)
        s = trace[f"{layer}.v_scale"][..., None]
        assert np.all(np.abs((high + low / 256) * s - trace[f"{layer}.v"]) <= s / 255)


def test_attention_near_float64(checkpoint):
    shape, trace = checkpoint.shape, {}
    GoldenModel(checkpoint, 64).forward(random_tokens(checkpoint, 40), 0, trace)
    repeat = shape.heads // shape.kv_heads
    for layer in range(shape.layers):
        q, k, v = (trace[f"{layer}.{name}"].astype(np.float64) for name in "qkv")
        k, v = k.repeat(repeat, axis=1), v.repeat(repeat, axis=1)
        score = np.einsum("ihe,jhe->ihj", q, k)
        lower = np.tril(np.ones((40, 40), bool))[:, None]
        assert np.abs(np.where(lower, score - trace[f"{layer}.score"], 0)).max() < 2e-3 * np.abs(score).max()
        weight = np.where(lower, np.exp(score / np.sqrt(shape.head_dim)), 0)
        weight /= weight.sum(axis=2, keepdims=True)
        o = np.einsum("ihj,jhe->ihe", weight, v).reshape(40, -1)
        assert np.abs(o - trace[f"{layer}.o"]).max() < 2e-3 * np.abs(v).max()


def test_zero_keys_and_values():
    """All-zero vectors are coded as zeros: the scale's reciprocal is infinite."""
    shape = SHAPES["gqa64"][0]
    cache, one = Cache(shape, 4, Flags()), np.array([2])
    keys = np.ones((1, shape.kv_heads, shape.key_dim), np.float32)
    for factor, codes in ((1, 127), (0, 0)):
        cache.store(0, one, factor * keys, factor * keys)
        stored = cache.stored(0, one)
        assert (stored["k_codes"][:, :, 0] == codes).all()
    assert not any(values.any() for values in stored.values())


def test_rotary_tables_rotate():
    rotation = SHAPES["odd-ffn"][0].kinds[0].rotation
    C, S = rotary_tables(rotation, 32, [0, 3])
    assert C.dtype == S.dtype == np.float32
    assert np.all(C[0] == 1) and np.all(S[0] == 0)
    i = 5
    angle = 3 * rotation.base ** (-2 * i / 32) / rotation.factors[i]
    assert np.allclose(C[1, 2 * i:2 * i + 2], np.cos(angle), rtol=0, atol=1e-7)
    assert np.allclose(S[1, 2 * i:2 * i + 2], [-np.sin(angle), np.sin(angle)], rtol=0, atol=1e-7)


def test_glassllm_against_its_own_forward(glassllm):
    """The package's float64 forward on the same quantised weights, 100 tokens."""
    from glassllm.autograd import Tensor, embedding, no_grad
    from glassllm.model import GlassLM

    package = Path(importlib.util.find_spec("glassllm").origin).parent
    model = GlassLM.load(package / "weights" / "en.npz", dtype=np.float64)
    for layer, block in zip(glassllm.layers, model.blocks, strict=True):
        for owner, names in ((block.attn, {"W_Q": "attn_q", "W_K": "attn_k", "W_V": "attn_v", "W_O": "attn_output"}),
                             (block.ffn, {"W1": "ffn_gate", "W3": "ffn_up", "W2": "ffn_down"})):
            for theirs, ours in names.items():
                getattr(owner, theirs).data = layer.matrix(ours).dequantize().T.astype(np.float64)
    tokens = random_tokens(glassllm, 100)
    with no_grad():
        x = embedding(Tensor(glassllm.embedding[:].astype(np.float64)), tokens[None])
        for index, block in enumerate(model.blocks):
            x = block(x, index)
        expected = model.norm_f(x).data[0] @ glassllm.head.dequantize().T.astype(np.float64)
    logits = GoldenModel(glassllm, 128).forward(tokens, 0)
    error = np.abs(logits - expected)
    assert error.mean() < 0.002 * expected.std()
    assert error.max() < 0.02 * expected.std()
    assert np.array_equal(logits.argmax(axis=1), expected.argmax(axis=1))
