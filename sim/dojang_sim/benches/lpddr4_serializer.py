"""cocotb bench of `dojang_sim.lpddr4.serializer.Serializer`: the pins by quarters, and the data that comes back.

Environment: ``SERIALIZER_RATE`` and ``SERIALIZER_RATIO``, of `Lpddr4Config`.
"""

import os
import random
from collections import deque
from itertools import pairwise

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge
from dojang_hdl.lpddr4.timing import BURST, Lpddr4Config

from ..lpddr4.serializer import read_latency

CONFIG = Lpddr4Config(rate=int(os.environ["SERIALIZER_RATE"]), ratio=int(os.environ["SERIALIZER_RATIO"]))
RATIO, TIMING, LATENCY = CONFIG.ratio, CONFIG.timing(), read_latency(CONFIG)
BEATS = 2 * BURST

PORT = ("ca", "cs", "cke", "reset_n", "write", "mask", "write_valid", "read_start")
PINS = ("ck", "cs", "ca", "cke", "reset_n", "dq_o", "dq_oe", "dqs_o", "dqs_oe", "dmi_o")


def packed(values, width):
    return sum(value << width * index for index, value in enumerate(values))


def unpacked(word, width, count):
    return [word >> width * index & (1 << width) - 1 for index in range(count)]


class Memory:
    """Answers each CS on the pins with a random burst ``delay`` quarters later, and further ``skew`` in each lane."""

    def __init__(self, rng, delay, skew):
        self._rng, self._skews = rng, [delay + lane for lane in skew]
        self._lanes = [{}, {}]      # level of DQS and byte on DQ by quarter
        self.bursts = []

    def command(self, now):
        burst = [self._rng.getrandbits(16) for _ in range(BEATS)]
        self.bursts.append(burst)
        for index, (lane, skew) in enumerate(zip(self._lanes, self._skews, strict=True)):
            for number, beat in enumerate(burst):
                for quarter in range(2):
                    lane[now + skew + 2 * number + quarter] = 1 - number % 2, beat >> 8 * index & 0xFF

    def levels(self, now):
        """DQS and DQ; noise on DQ outside bursts."""
        strobe, dq = 0, 0
        for index, lane in enumerate(self._lanes):
            level, byte = lane.pop(now, (0, self._rng.getrandbits(8)))
            strobe |= level << index
            dq |= byte << 8 * index
        return strobe, dq


async def run(dut, cycles, memory=None):
    """Play ``cycles``, a dict of port values each: pins by quarter, and (cycle, beats) of what was read.

    Quarter 0 is the first in which the first cycle of ``cycles`` is on the port.
    """
    for name in PORT:
        getattr(dut, f"phy__{name}").value = 0
    dut.pins__dqs_i.value = dut.pins__dq_i.value = 0
    dut.clk.value = 0
    cocotb.start_soon(Clock(dut.clk, 2, "ns").start())
    waiting, trace, reads = deque(cycles), [], []
    quarter, cycle, before = -1, -1, {"controller_clk": 1, "ck": 1}
    while waiting or cycle < len(cycles) + 16:
        await FallingEdge(dut.clk)
        levels = {name: int(getattr(dut, f"pins__{name}").value) for name in PINS}
        clock = int(dut.controller_clk.value)
        if clock and not before["controller_clk"]:
            cycle += 1
            values = waiting.popleft() if waiting else {}
            for name in PORT:
                getattr(dut, f"phy__{name}").value = values.get(name, 0)
        if not clock and before["controller_clk"] and int(dut.phy__read_valid.value):
            reads.append((cycle, unpacked(int(dut.phy__read.value), 16, 2 * RATIO)))
        if cycle >= 0:
            quarter += 1
            trace.append(levels)
            if memory is not None:
                if levels["ck"] and not before["ck"] and levels["cs"]:
                    memory.command(quarter)
                dut.pins__dqs_i.value, dut.pins__dq_i.value = memory.levels(quarter)
        before = {"controller_clk": clock, "ck": levels["ck"]}
    return trace, reads


def starts(rng, count, gap):
    """Numbers of cycles in which bursts start, often without a pause between them."""
    at, cycles = 0, []
    for _ in range(count):
        cycles.append(at)
        at += BURST // RATIO + rng.choice((0, 0, 0, 1, 2, gap))
    return cycles


def rises(trace):
    """Quarters at which CK rises."""
    return [now for now in range(1, len(trace)) if trace[now]["ck"] and not trace[now - 1]["ck"]]


def commands_at(trace):
    return [now for now in rises(trace) if trace[now]["cs"]]


@cocotb.test()
async def commands(dut):
    rng = random.Random(1)
    wide = {"cs": RATIO, "ca": 6 * RATIO, "cke": 1, "reset_n": 1}
    cycles = [{name: rng.getrandbits(width) for name, width in wide.items()} for _ in range(60)]
    trace, _ = await run(dut, cycles)
    edges = rises(trace)
    assert {after - now for now, after in pairwise(edges)} == {4}, "CK has four quarters"
    seen = []
    for now in edges:
        names = ("cs", "ca", "cke", "reset_n")
        taken = [tuple(trace[at][name] for name in names) for at in (now - 1, now)]
        assert taken[0] == taken[1], "command pins hold around the rising edge"
        seen.append(taken[0])
    sent = [(cycle["cs"] >> phase & 1, cycle["ca"] >> 6 * phase & 63, cycle["cke"], cycle["reset_n"])
            for cycle in cycles for phase in range(RATIO)]
    first = seen.index(sent[0])
    assert seen[first:first + len(sent)] == sent
    assert not any(seen[:first][-1])


@cocotb.test()
async def write_bursts(dut):
    """Every quarter of DQ, DMI and DQS around bursts, against what JEDEC says of a write at the pins."""
    rng = random.Random(2)
    delay, length = (TIMING.WL + 4) // RATIO, BURST // RATIO
    issued = starts(rng, 40, 5)
    cycles = [{} for _ in range(issued[-1] + delay + length)]
    bursts = []
    for at in issued:
        cycles[at]["cs"] = 1
        burst = [(rng.getrandbits(16), rng.getrandbits(2)) for _ in range(BEATS)]
        bursts.append(burst)
        for part in range(length):
            beats = burst[2 * RATIO * part:2 * RATIO * (part + 1)]
            cycles[at + delay + part] |= {"write_valid": 1, "write": packed([data for data, _ in beats], 16),
                                          "mask": packed([mask for _, mask in beats], 2)}
    trace, _ = await run(dut, cycles)
    times = [now + 4 * (4 + TIMING.WL) for now in commands_at(trace)]
    assert len(times) == len(issued)
    data, pulses, driven = {}, set(), set()
    for first, burst in zip(times, bursts, strict=True):
        driven.update(range(first - 8, first + 2 * BEATS))      # 2 tCK before the first edge, half a tCK after the last
        pulses.add(first - 4)                                   # the pulse of the preamble
        pulses.update(range(first, first + 2 * BEATS, 4))
        for number, beat in enumerate(burst):
            data.update({first + 2 * number + quarter: beat for quarter in (-1, 0)})
    for now, levels in enumerate(trace):
        assert levels["dq_oe"] == (now in data), now
        if now in data:
            assert (levels["dq_o"], levels["dmi_o"]) == data[now], now
        assert levels["dqs_oe"] == (now in driven), now
        assert levels["dqs_o"] == (3 if now in pulses or now - 1 in pulses else 0), now


@cocotb.test()
@cocotb.parametrize(skew=[(1, 1), (1, 4 * TIMING.DQSCK), (4 * TIMING.DQSCK, 3), (5, 5)])
async def read_bursts(dut, skew):
    """Bursts come back whole, in order and equally late, wherever each byte's strobe is in its window."""
    rng = random.Random(3)
    issued = starts(rng, 40, 7)
    cycles = [{} for _ in range(issued[-1] + 1)]
    for at in issued:
        cycles[at] |= {"cs": 1, "read_start": 1}
    memory = Memory(rng, 4 * (3 + TIMING.RL), skew)
    _, reads = await run(dut, cycles, memory)
    beats = [beat for _, part in reads for beat in part]
    assert beats == [beat for burst in memory.bursts for beat in burst]
    length = BURST // RATIO
    assert [at for at, _ in reads] == [at + LATENCY + part for at in issued for part in range(length)]
