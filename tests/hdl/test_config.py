"""A chip that cannot be is refused, in a sentence that names the field, its value and what was expected."""

from dataclasses import replace

import pytest
from dojang_hdl.config import PRESETS, ChipConfig, ConfigError, preset

CHIP = ChipConfig("this")


@pytest.mark.parametrize("field, values", {
    "width": (1, 8), "height": (1, 8), "lanes": (1, 4), "contexts": (1, 32), "acc_rows": (32, 4096),
    "sram_words": (64, 32768), "plane_fifo": (512,), "scale_fifo": (512,), "program_fifo": (64,), "chunk": (1, 128),
    "channel_mib": (1, 65536), "top_k": (16,), "vector_lanes": (1, 4)}.items())
def test_the_ends_of_a_range_are_in_it(field, values):
    for value in values:
        assert getattr(replace(CHIP, **{field: value}), field) == value


@pytest.mark.parametrize("field, values", {
    "width": (0, 9), "height": (0, 9), "lanes": (0, 3, 8), "contexts": (0, 33), "acc_rows": (16, 48, 8192),
    "sram_words": (32, 96, 65536), "plane_fifo": (256, 768), "scale_fifo": (256, 768), "program_fifo": (32, 96),
    "chunk": (0, 3, 512), "channel_mib": (0, 65537), "top_k": (14, 17), "vector_lanes": (0, 2, 8)}.items())
def test_what_is_out_of_range_is_named(field, values):
    for value in values:
        with pytest.raises(ConfigError, match=f"^chip 'this': {field}={value}, expected [a-z0-9]"):
            replace(CHIP, **{field: value})


def test_messages_of_a_run_can_be_counted():
    """8 × 8 nodes of 32 contexts send 16,640 with 16 candidates each, and 33,024 with 32; 32,768 are allowed."""
    largest = replace(CHIP, width=8, height=8, contexts=32)
    assert largest.run_messages == 16_640
    with pytest.raises(ConfigError, match=r"top_k=32, expected .* 32,768 messages at most, not 33,024"):
        replace(largest, top_k=32)
    assert replace(largest, contexts=4, top_k=254).run_messages == 32_768


def test_presets():
    assert all(preset(name) is chip and chip.name == name for name, chip in PRESETS.items())
    with pytest.raises(ConfigError, match="unknown chip preset 'sim-3x3', expected one of sim-1x1, "):
        preset("sim-3x3")
