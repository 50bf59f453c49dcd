"""Fused tensors and rotary pairs half a head apart: taken apart exactly, by another computation than the importer's."""

import numpy as np
import pytest
from dojang.checkpoints import GGUFFile, load, open_model
from dojang.checkpoints.blocks.writing import WRITABLE
from dojang.checkpoints.families import FAMILIES
from dojang.checkpoints.gguf import load_model
from dojang.checkpoints.gguf.places import Place, find_places
from dojang.checkpoints.gguf.tensors import matrix, rows

from .family_files import CENTRED, CONTEXT, RMS, SIZES, write_family

D, HEADS, KV_HEADS, KEY, ROTATED, FFN = 256, 8, 2, 32, 24, 256  # whole blocks of every type
Q, KV = HEADS * KEY, KV_HEADS * KEY
KEYS = {**SIZES, **RMS, **CENTRED, "block_count": 1, "embedding_length": D, "feed_forward_length": FFN,
        "attention.head_count": HEADS, "attention.head_count_kv": KV_HEADS, "rope.dimension_count": ROTATED}
SPLIT = {"attn_q.weight": (Q, D), "attn_k.weight": (KV, D), "attn_v.weight": (KV, D)}
COMMON = {"attn_norm.weight": (D,), "ffn_norm.weight": (D,), "attn_output.weight": (D, Q), "ffn_down.weight": (D, FFN)}
GATED = {"ffn_gate.weight": (FFN, D), "ffn_up.weight": (FFN, D)}
FUSED = {"attn_qkv.weight": (Q + 2 * KV, D), "ffn_up.weight": (2 * FFN, D)}
BIASES = {"attn_q.bias": (Q,), "attn_k.bias": (KV,), "attn_v.bias": (KV,)}
BY_HEAD = {"attn_q_norm.weight": (KEY,), "attn_k_norm.weight": (KEY,)}


def tensors(*layers, outer=()):
    of = {name: size for layer in (COMMON, *layers) for name, size in layer.items()}
    return {"token_embd.weight": (40, D), "output_norm.weight": (D,), **dict(outer),
            **{f"blk.0.{name}": size for name, size in of.items()}}


def neighbours(values, rotated=ROTATED):
    """Rows, or elements, of heads whose pairs lie apart, with pairs side by side: one pair after the other."""
    out = np.array(values)
    for start in range(0, len(values), KEY):
        for pair in range(rotated // 2):
            out[start + 2 * pair] = values[start + pair]
            out[start + 2 * pair + 1] = values[start + pair + rotated // 2]
    return out


def same(checkpoint, name, raw, kind):
    """The matrix is what import makes of these bytes, and its floats are those of the file."""
    found, expected = checkpoint.matrix(f"blk.0.{name}.weight"), matrix("expected", raw, kind, 8, lambda sentence: None)
    assert (found.rows, found.cols, found.form, found.source) == (*expected.codes.shape[:1], D, expected.form, kind)
    np.testing.assert_array_equal(found.codes, expected.codes)
    np.testing.assert_array_equal(found.scale, expected.scale)
    if expected.offset is not None:
        np.testing.assert_array_equal(found.offset, expected.offset)
    np.testing.assert_array_equal(checkpoint.floats(f"blk.0.{name}.weight"), rows(raw, kind))
    assert checkpoint.types[f"blk.0.{name}.weight"] == kind


def test_which_families_have_halves():
    """As llama.cpp's table of rotations has them."""
    halves = {name for name, family in FAMILIES.items() if family.halves}
    assert halves == {"qwen2", "qwen3", "phi3", "gemma", "gemma2", "gemma3", "olmo2", "stablelm"}


@pytest.mark.parametrize("kind", WRITABLE)
def test_rows_of_every_type(kind, tmp_path):
    write_family(tmp_path / "m.gguf", "qwen3", KEYS, tensors(SPLIT, GATED, BY_HEAD), kind)
    checkpoint, file = load(tmp_path / "m.gguf"), open_model(tmp_path / "m.gguf")
    for name in ("attn_q", "attn_k"):
        raw = file.tensors[f"blk.0.{name}.weight"].data
        same(checkpoint, name, neighbours(raw), kind)
        assert (neighbours(raw) != raw).any()
    for name in ("attn_v", "ffn_gate"):
        same(checkpoint, name, file.tensors[f"blk.0.{name}.weight"].data, kind)


@pytest.mark.parametrize("kind", WRITABLE)
def test_fused_rows_of_every_type(kind, tmp_path):
    write_family(tmp_path / "m.gguf", "phi3", KEYS, tensors(FUSED), kind)
    checkpoint, file = load(tmp_path / "m.gguf"), open_model(tmp_path / "m.gguf")
    qkv, up = (file.tensors[f"blk.0.{name}"].data for name in FUSED)
    same(checkpoint, "attn_q", neighbours(qkv[:Q]), kind)
    same(checkpoint, "attn_k", neighbours(qkv[Q:Q + KV]), kind)
    same(checkpoint, "attn_v", qkv[Q + KV:], kind)
    same(checkpoint, "ffn_gate", up[:FFN], kind)
    same(checkpoint, "ffn_up", up[FFN:], kind)


def test_vectors(tmp_path):
    """Biases of queries and keys, and gains: of one head, and of all."""
    for family, norms in (("qwen3", BY_HEAD), ("olmo2", {"attn_q_norm.weight": (Q,), "attn_k_norm.weight": (KV,)})):
        after = {"post_attention_norm.weight": (D,), "post_ffw_norm.weight": (D,)}
        sizes = tensors(SPLIT, GATED, BIASES, norms, after if family == "olmo2" else {})
        for name in ("attn_norm", "ffn_norm") if family == "olmo2" else ():
            del sizes[f"blk.0.{name}.weight"]
        values = write_family(tmp_path / "m.gguf", family, KEYS, sizes)
        checkpoint = load(tmp_path / "m.gguf")
        for name in ("attn_q.bias", "attn_k.bias", *norms):
            found = checkpoint.vector(f"blk.0.{name}")
            np.testing.assert_array_equal(found, neighbours(values[f"blk.0.{name}"]))
            assert (found != values[f"blk.0.{name}"]).any()
        np.testing.assert_array_equal(checkpoint.vector("blk.0.attn_v.bias"), values["blk.0.attn_v.bias"])


def test_fused_biases(tmp_path):
    """Of a model without rotation, whose rows stay where they are."""
    biases = {"attn_qkv.bias": (Q + 2 * KV,), "attn_output.bias": (D,), "ffn_up.bias": (FFN,), "ffn_down.bias": (D,),
              "attn_norm.bias": (D,), "ffn_norm.bias": (D,)}
    values = write_family(tmp_path / "m.gguf", "gpt2", KEYS, tensors(
        {"attn_qkv.weight": (Q + 2 * KV, D), "ffn_up.weight": (FFN, D)}, biases,
        outer={"position_embd.weight": (CONTEXT, D), "output_norm.bias": (D,)}))
    checkpoint, fused = load(tmp_path / "m.gguf"), values["blk.0.attn_qkv.bias"]
    for name, part in (("q", fused[:Q]), ("k", fused[Q:Q + KV]), ("v", fused[Q + KV:])):
        np.testing.assert_array_equal(checkpoint.vector(f"blk.0.attn_{name}.bias"), part)
    np.testing.assert_array_equal(checkpoint.floats("blk.0.attn_k.weight"), values["blk.0.attn_qkv.weight"][Q:Q + KV])
    np.testing.assert_array_equal(checkpoint.vector("blk.0.ffn_up.bias"), values["blk.0.ffn_up.bias"])


class Halves(GGUFFile):
    """A file that says so of itself, as those do that are read as if they were GGUF."""

    halves = True


def test_halves_of_a_file_whatever_the_family(tmp_path):
    values = write_family(tmp_path / "m.gguf", "llama", KEYS, tensors(SPLIT, GATED))
    name = "blk.0.attn_k.weight"
    np.testing.assert_array_equal(load(tmp_path / "m.gguf").floats(name), values[name])
    found = load_model(Halves(tmp_path / "m.gguf"), 8)
    np.testing.assert_array_equal(found.floats(name), neighbours(values[name]))


def rotate_half(x, position):
    """Of the published models: element i turns with i + n / 2."""
    n = ROTATED
    angle = position * 10000.0 ** (-2 * np.arange(n // 2) / n)
    c, s = np.tile(np.cos(angle), 2), np.tile(np.sin(angle), 2)
    turned = np.concatenate([-x[..., n // 2:n], x[..., :n // 2]], axis=-1)
    return np.concatenate([x[..., :n] * c + turned * s, x[..., n:]], axis=-1)


def rotate_pairs(x, position):
    """Of numerics.md: element 2 i turns with 2 i + 1."""
    angle = position * 10000.0 ** (-2 * np.arange(ROTATED // 2) / ROTATED)
    out = np.array(x)
    out[..., 0:ROTATED:2] = x[..., 0:ROTATED:2] * np.cos(angle) - x[..., 1:ROTATED:2] * np.sin(angle)
    out[..., 1:ROTATED:2] = x[..., 1:ROTATED:2] * np.cos(angle) + x[..., 0:ROTATED:2] * np.sin(angle)
    return out


def test_scores_are_those_of_the_file(tmp_path):
    values = write_family(tmp_path / "m.gguf", "qwen3", KEYS, tensors(SPLIT, GATED, BY_HEAD, BIASES))
    checkpoint, x = load(tmp_path / "m.gguf"), np.random.default_rng(1).standard_normal((2, D))

    def scores(of, rotate):
        q, k = ((x @ of(f"{name}.weight").astype(float).T + of(f"{name}.bias")).reshape(2, -1, KEY)
                * of(f"{name}_norm.weight") for name in ("attn_q", "attn_k"))
        return (rotate(q[1], 77) * rotate(np.repeat(k[0], HEADS // KV_HEADS, axis=0), 5)).sum(axis=-1)

    def imported(name):
        name = f"blk.0.{name}"
        return checkpoint.vector(name) if "norm" in name or "bias" in name else checkpoint.floats(name)

    expected = scores(lambda name: values[f"blk.0.{name}"], rotate_half)
    np.testing.assert_allclose(scores(imported, rotate_pairs), expected, rtol=1e-12, atol=1e-9)
    assert np.abs(scores(lambda name: values[f"blk.0.{name}"], rotate_pairs) - expected).max() > 1


def test_rows_that_stay_are_not_copied(tmp_path):
    write_family(tmp_path / "m.gguf", "phi3", KEYS, tensors(FUSED), "Q8_0")
    file, family = open_model(tmp_path / "m.gguf"), FAMILIES["phi3"]
    shape = load(tmp_path / "m.gguf").shape
    place = find_places(file, family, shape, set())["blk.0.attn_v.weight"]
    assert place == Place("blk.0.attn_qkv.weight", Q + KV, Q + 2 * KV)
    data = file.tensors[place.tensor].data
    assert np.shares_memory(place.of(data), data) and len(place.of(data)) == KV
