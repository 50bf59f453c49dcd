"""What a user is told about values that left FP16's range."""

import pytest
from dojang.checkpoints import ModelShape, load
from dojang.checkpoints.synthetic import amplified, write_synthetic
from dojang.sessions.golden import GoldenSession
from dojang.sessions.saturation import PLACES, position_entry, saturation_message


@pytest.mark.parametrize("saturated, message", [
    ({"0.a": 2}, "2 values beyond ±65504 were clipped to FP16's range, first in layer 0 (activation before ffn_down)"),
    ({"11.q": 1}, "1 value beyond ±65504 was clipped to FP16's range, first in layer 11 (queries)"),
    ({"3.attn_norm": 1000, "0.k_scale": 234, "output_norm": 1},
     "1,235 values beyond ±65504 were clipped to FP16's range, first in layer 3 (input of attention)"),
    ({"output_norm": 2}, "2 values beyond ±65504 were clipped to FP16's range, first in the input of the head"),
    (position_entry(7), "values beyond ±65504 were clipped to FP16's range, first in the pass from position 7 on"),
    (position_entry(7) | {"1.o": 1},
     "1 value beyond ±65504 was clipped to FP16's range, first in layer 1 (output of attention before attn_output)"),
])
def test_the_sentence(saturated, message):
    assert saturation_message(saturated) == f"{message}: answers may differ from a float32 model's"


def test_nothing_to_tell():
    assert saturation_message({}) is None


def test_every_place_has_a_name(tmp_path):
    shape = ModelShape(layers=1, d=64, heads=2, kv_heads=1, head_dim=32, ffn=96, vocab=260, context=8)
    gains = {name: 1e9 for name in ("blk.0.attn_norm.weight", "blk.0.ffn_norm.weight", "output_norm.weight")}
    checkpoint = amplified(load(write_synthetic(tmp_path / "loud.gguf", shape)), gains | {"blk.0.attn_k.weight": 1e3})
    with GoldenSession(checkpoint, 8) as session:
        assert session.summary()["saturated"] == {}
        session.prefill([1, 2, 3])
        saturated = session.summary()["saturated"]
    assert {name.rpartition(".")[2] for name in saturated} == set(PLACES)
    assert "(input of attention)" in saturation_message(saturated)
