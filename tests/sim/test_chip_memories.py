"""What stands behind the chip's channels."""

import pytest
from dojang.sessions.session import Memory
from dojang_hdl.config import ConfigError, preset
from dojang_sim.chip.memories import MEMORIES
from dojang_sim.chip.top import ChipTop


def test_names_are_those_of_the_command_line():
    assert {memory.value for memory in Memory} == set(MEMORIES)


def test_a_row_without_a_neighbour_is_refused():
    ChipTop(preset("sim-2x2"), MEMORIES["lpddr4-3200"])
    with pytest.raises(ConfigError, match="chip sim-1x1 has 1 memory channels, expected a multiple of 2: "):
        ChipTop(preset("sim-1x1"), MEMORIES["lpddr4-3200"])
