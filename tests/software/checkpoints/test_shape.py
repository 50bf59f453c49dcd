"""Validation of hyper-parameters: the message names field, value and expectation."""

from dataclasses import replace

import pytest
from dojang.checkpoints import CheckpointError, LlamaShape

GOOD = LlamaShape(layers=2, d=96, heads=4, kv_heads=2, head_dim=64, ffn=160, vocab=131, context=64)


@pytest.mark.parametrize("field, value, expected", [
    ("layers", 0, "a positive integer"), ("d", -1, "a positive integer"), ("vocab", 1.5, "a positive integer"),
    ("kv_heads", 3, "a divisor of heads=4"), ("head_dim", 48, "a multiple of 32"), ("head_dim", 1024, "up to 512"),
    ("rms_eps", float("nan"), "at least 0"), ("rope_base", 0.0, "a positive number"),
    ("rope_factors", (1.0,), "32 numbers"), ("rope_factors", (0.0,) * 32, "positive numbers"),
])
def test_bad_value_is_named(field, value, expected):
    with pytest.raises(CheckpointError) as error:
        replace(GOOD, **{field: value})
    assert str(error.value).startswith(f"model has {field}=") and expected in str(error.value)


def test_derived_values():
    assert GOOD.group == 2
    # per layer and KV head: two INT8 codes and FP16 scales for K, two INT8 codes and one FP32 scale for V
    assert GOOD.kv_bytes_per_token == 2 * 2 * ((2 * 64 + 2 * 2 * 2) + (2 * 64 + 4))
    assert GOOD.matrices()["attn_output"] == (96, 256)
