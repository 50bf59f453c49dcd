"""Chips that a memory does not fit are refused in one sentence."""

from dataclasses import replace

import pytest
from dojang_hdl.config import ConfigError, preset
from dojang_sim.chip.memories import MEMORIES
from dojang_sim.chip.top import ChipTop

CHIP = preset("sim-2x2")


@pytest.mark.parametrize("name", MEMORIES)
def test_every_memory_fits_the_chip_of_the_demonstration(name):
    ChipTop(CHIP, MEMORIES[name])


def test_ports_that_nobody_uses():
    with pytest.raises(ConfigError, match="chip sim-1x1 has 1 memory channels, expected a multiple of 2: so"):
        ChipTop(preset("sim-1x1"), MEMORIES["lpddr4-3200"])


@pytest.mark.parametrize("name", ["lpddr4", "lpddr4-3200"])
def test_channels_that_are_too_large(name):
    with pytest.raises(ConfigError, match="chip sim-2x2 has channels of 2048 MiB, expected at most 1024: the memory's"):
        ChipTop(replace(CHIP, channel_mib=2048), MEMORIES[name])
