"""Instructions and activities of a node, from a record made by hand."""

import numpy as np
import pytest
from dojang.compile.program import Count, Phase, ProgramBuilder
from dojang.profile.errors import ProfileError
from dojang.profile.instructions import decode
from dojang.profile.node import ACTIVITIES
from dojang_hdl.isa import Context, Op, Reg

from .scenes import NODE, busy, found_node, instructions, pulses


def test_instructions_have_their_times_and_phases():
    found = found_node()
    assert [each.op for each in found.instructions] == [Op.STREAM, Op.VEC, Op.WAIT, Op.GEMV, Op.END]
    assert found.offered.tolist() == [18, 35, 45, 78, 85]
    assert found.taken.tolist() == [20, 36, 70, 79, 91]
    assert found.executes.tolist() == [20, 36, 50, 79, 91]
    assert found.done.tolist() == [20, 50, 70, 90, 98]
    assert [str(phase) for phase in found.phases] == ["layer 0: norm"] * 2 + ["layer 0: qkv", "end"]
    assert found.begins.tolist() == [18, 50, 70, 90] and found.ends.tolist() == [50, 70, 90, 98]
    assert str(found.instructions[0].phase) == "layer 0: qkv"
    assert found.at(np.array([0, 18, 49, 50, 89, 90, 99])).tolist() == [0, 0, 0, 1, 2, 3, 3]


def test_activities():
    times = np.array([0, 9, 10, 11, 14, 20, 26, 35, 36, 49, 50, 69, 70, 79, 89, 90, 97, 98, 99])
    expected = ["stopped", "sequencer", "waits for its program", "sequencer", "sequencer", "waits for its program",
                "sequencer", "sequencer", "vector unit", "vector unit", "waits for a gather", "waits for a gather",
                "sequencer", "engine", "engine", "sequencer", "mover", "sequencer", "stopped"]
    assert [ACTIVITIES[code] for code in found_node().activity(times)] == expected


def test_a_wait_that_was_over_before_the_unit_takes_no_time():
    found = found_node(head_valid=pulses((18, 20), (35, 36), (45, 47), (78, 79), (85, 91)))
    assert (found.executes[2], found.done[2]) == (47, 47)
    assert found.begins.tolist() == [18, 50, 50, 90] and found.ends.tolist() == [50, 50, 90, 98]


def test_a_unit_without_work_is_done_at_once():
    found = found_node(busy=busy((1, 36, 50)))
    assert found.done[3] == 79 and found.done[4] == 91


def test_another_program_than_the_chip_ran_is_an_error():
    with pytest.raises(ProfileError, match="began 4 instructions, expected the 5"):
        found_node(head_valid=NODE["head_valid"][:-2])


def test_instructions_that_do_nothing_are_left_out():
    """As the resolver does: NOP, and what has a count of 0 at this position."""
    builder = ProgramBuilder()
    builder.phase = Phase("some")
    builder.emit(Op.VEC, Count(reg=Reg.POS, shift=2, limit=9, mul=1))
    builder.emit(Op.NOP)
    builder.emit(Op.END)
    program = builder.finish()
    assert [(each.op, each.n) for each in decode(program, [Context(1, 8)])] == [(Op.VEC, 2), (Op.END, 1)]
    assert [each.op for each in decode(program, [Context(1, 3)])] == [Op.END]


def test_counts_and_bits_of_a_gemv():
    gemv = instructions()[3]
    assert gemv.plane_bits == 32 * 1 * 32 * 8 and gemv.n == 32
    assert instructions()[0].plane_bits == 0
