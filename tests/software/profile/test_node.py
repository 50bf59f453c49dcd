"""Instructions and activities of a node, from a record made by hand."""

import numpy as np
import pytest
from dojang.profile.errors import ProfileError
from dojang.profile.node import ACTIVITIES
from dojang_hdl.isa import Op

from .scenes import NODE, found_node, instructions


def test_instructions_have_their_times_and_phases():
    found = found_node()
    assert [each.op for each in found.instructions] == [Op.STREAM, Op.VEC, Op.WAIT, Op.GEMV, Op.END]
    assert found.begins.tolist() == [10, 20, 50, 70, 90]
    assert found.executes.tolist() == [18, 35, 59, 78, 96]
    assert found.ends.tolist() == [20, 50, 70, 90, 99]
    assert [str(phase) for phase in found.phases] == ["layer 0: norm"] * 3 + ["layer 0: qkv", "end"]
    assert str(found.instructions[0].phase) == "layer 0: qkv"


def test_activities():
    times = np.array([0, 10, 11, 14, 20, 26, 35, 36, 49, 58, 59, 69, 79, 89, 98, 99])
    expected = ["stopped", "waits for its program", "sequencer", "sequencer", "waits for its program", "sequencer",
                "sequencer", "vector unit", "vector unit", "sequencer", "waits for a gather", "waits for a gather",
                "engine", "engine", "mover", "stopped"]
    assert [ACTIVITIES[code] for code in found_node().activity(times)] == expected


def test_another_program_than_the_chip_ran_is_an_error():
    shorter = [change for change in NODE["state"] if not 50 <= change[0] < 70]
    with pytest.raises(ProfileError, match="began 4 instructions, expected the 5"):
        found_node(state=shorter)


def test_counts_and_bits_of_a_gemv():
    gemv = instructions()[3]
    assert gemv.plane_bits == 32 * 1 * 32 * 8 and gemv.n == 32
    assert instructions()[0].plane_bits == 0
