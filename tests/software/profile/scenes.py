"""Records of passes made by hand."""

import numpy as np
from dojang.compile.program import Phase, ProgramBuilder
from dojang.profile.channel import ChannelTimeline
from dojang.profile.instructions import decode
from dojang.profile.node import NodeTimeline
from dojang.profile.passes import READ_KINDS
from dojang_hdl.config import preset
from dojang_hdl.isa import Context, Op, Stream
from dojang_hdl.node.instruction import Unit
from dojang_sim.profile import PassRecord, Signal, chip_taps

CONFIG = preset("small-node")
KINDS = READ_KINDS


def program():
    """STREAM ahead, VEC, WAIT for a gather, GEMV, END."""
    builder = ProgramBuilder()
    builder.phase = Phase("norm", 0)
    builder.emit(Op.VEC, 32)
    builder.emit(Op.WAIT, 4, tag=1)
    builder.phase = Phase("qkv", 0)
    builder.stream(Stream.PLANES, 64, addr=128)
    builder.consume(Op.GEMV, 32, groups=1, bits=8)
    builder.phase = Phase("end")
    builder.emit(Op.END)
    return builder.finish()


def instructions():
    return decode(program(), [Context(0, 0)])


def signal(*changes):
    """Of (time, value)."""
    times, values = zip(*changes, strict=True)
    return Signal(np.array(times, np.uint32), np.array(values, np.int64))


def record(cycles, node=None, channel=None, guarded=False):
    """All taps 0 but those given: {name: [(time, value), ...]}, the first at 0."""
    signals = {}
    for place in chip_taps(CONFIG, guarded):
        given = (node if place.owner[0] == "node" else channel) or {}
        signals.setdefault(place.owner, {})[place.tap.name] = signal(*given.get(place.tap.name, [(0, 0)]))
    return PassRecord(cycles, signals)


def busy(*spans):
    """Of (unit, begin, end), one after the other."""
    return [(0, 0), *((time, value) for unit, begin, end in spans for time, value in ((begin, 1 << unit), (end, 0)))]


def pulses(*spans):
    """1 from a cycle until another."""
    return [(0, 0), *((time, value) for begin, end in spans for time, value in ((begin, 1), (end, 0)))]


NODE = {
    "running": pulses((9, 99)),
    # STREAM, VEC, WAIT, GEMV, which waits for its word, and END, which waits for the GEMV
    "head_valid": pulses((18, 20), (35, 36), (45, 70), (78, 79), (85, 91)),
    "busy": busy((Unit.VECTOR, 36, 50), (Unit.ENGINE, 79, 90), (Unit.MOVER, 91, 98)),
    "program_valid": [(0, 0), (11, 1), (20, 0), (25, 1)],
    "program_ready": pulses((10, 13), (20, 30), (72, 73)),
}

READ = {
    "request_valid": [(0, 0), (24, 1), (25, 0)], "request_ready": [(0, 1)],
    "command_valid": [(0, 0), (26, 1), (27, 0)], "command_ready": [(0, 1)], "command_length": [(0, 4)],
    "read_valid": [(0, 0), (40, 1), (43, 0), (46, 1), (48, 0)], "read_ready": [(0, 1), (46, 0), (47, 1)],
    "reply_valid": [(0, 0), (41, 1), (44, 0), (48, 1), (49, 0)], "reply_ready": [(0, 1)],
    "reply_kind": [(0, 0), (41, 1)],
}
"""Four words of scales, asked for by a node at `ASKS`: at the edge in cycle 24, at the memory in 26."""

ASKS = {"request_valid": [(0, 0), (21, 1), (22, 0)], "request_ready": [(0, 1)]}


def found_node(**changes):
    return NodeTimeline(record(100, NODE | changes).node(0), instructions(), 100)


def found_channel(taps=READ, node=ASKS, guarded=False):
    found = record(100, NODE | node, taps, guarded)
    return ChannelTimeline(found, 0, [NodeTimeline(found.node(0), instructions(), 100)], range(1), KINDS)
