"""cocotb bench of `PinsDevice`: a write, a masked write, a read and a mode register at the pins.

Environment: ``LPDDR4_CONFIG``, rate, density, ratio and initialisation divisor.
"""

import os
import random

import cocotb
from cocotb.triggers import Timer
from dojang_hdl.lpddr4.timing import Lpddr4Config

from ..lpddr4 import Command
from ..lpddr4.devicespec import memspec_of
from ..lpddr4.encoding import encode
from ..lpddr4.startup import startup

CONFIG = Lpddr4Config(*map(int, os.environ["LPDDR4_CONFIG"].split()))
SPEC = memspec_of(CONFIG)
BEATS = 16


class Pins:
    """Drives the pins a clock at a time: CA around the rising edge of CK, data around both edges of DQS.

    ``read`` has the beats that were driven by the device, each with the number of its clock.
    """

    def __init__(self, dut):
        self.dut, self.clock, self.read = dut, 0, []
        self._edges, self._data = {}, {}        # by clock: (CA, CS); the two beats and their masks
        for pin in (dut.ck, dut.cs, dut.ca, dut.cke, dut.reset_n, dut.dmi_in, dut.dq_in, dut.dqs_in):
            pin.value = 0

    def put(self, command, *arguments, data=(), masks=(0,) * BEATS, **operands):
        """Have ``command`` start with the next clock."""
        for clock, edge in enumerate(encode(command, *arguments, **operands)):
            self._edges[self.clock + clock] = edge
        for beat in range(0, len(data), 2):
            first = self.clock + 4 + SPEC.WL + beat // 2
            self._data[first] = tuple(zip(data[beat:beat + 2], masks[beat:beat + 2], strict=True))

    async def step(self, clocks):
        for _ in range(clocks):
            dut, pair = self.dut, self._data.pop(self.clock, None)
            dut.ca.value, dut.cs.value = self._edges.pop(self.clock, (0, False))
            if pair:
                dut.dq_in.value, dut.dmi_in.value = pair[0]
            await Timer(1, "ns")
            dut.ck.value = 1
            dut.dqs_in.value = 3 * (pair is not None or self.clock + 1 in self._data)   # the preamble toggles once
            await Timer(1, "ns")
            self._sample()
            if pair:
                dut.dq_in.value, dut.dmi_in.value = pair[1]
            await Timer(1, "ns")
            dut.ck.value = 0
            dut.dqs_in.value = 0
            await Timer(1, "ns")
            self._sample()
            self.clock += 1

    def _sample(self):
        if self.dut.dq_oe.value:
            assert self.dut.dqs_oe.value == 1
            assert int(self.dut.dqs_out.value) == 3 * int(self.dut.ck.value)
            self.read.append((self.clock, int(self.dut.dq_out.value)))


@cocotb.test()
async def exchange(dut):
    rng = random.Random(CONFIG.rate)
    pins = Pins(dut)
    await pins.step(SPEC.INIT1)
    dut.reset_n.value = 1
    await pins.step(SPEC.INIT3)
    dut.cke.value = 1
    await pins.step(SPEC.INIT5)
    for command, register, operand, clocks in startup(SPEC):
        pins.put(command, register=register, operand=operand)
        await pins.step(clocks)
    pins.put(Command.ACT, 5, row=CONFIG.rows - 1)
    await pins.step(SPEC.RCD)
    first, second = ([rng.getrandbits(16) for _ in range(BEATS)] for _ in range(2))
    masks = [rng.getrandbits(2) for _ in range(BEATS)]
    pins.put(Command.WR, 5, burst=41, data=first)
    await pins.step(SPEC.CCDMW)
    pins.put(Command.MWR, 5, burst=41, data=second, masks=masks)
    await pins.step(SPEC.WL + 1 + 8 + SPEC.WTR)
    start = pins.clock
    pins.put(Command.RD, 5, burst=41)
    await pins.step(SPEC.RL + SPEC.DQSCK + 20)
    keep = [sum(0xFF << 8 * byte for byte in range(2) if mask >> byte & 1) for mask in masks]
    expected = [old & kept | new & ~kept for old, new, kept in zip(first, second, keep, strict=True)]
    begin = start + 3 + SPEC.RL + SPEC.DQSCK
    assert pins.read == [(begin + beat // 2, word) for beat, word in enumerate(expected)]
    pins.read.clear()
    pins.put(Command.MRR, register=4)
    await pins.step(SPEC.RL + SPEC.DQSCK + 20)
    assert pins.read[0][1] & 0xFF == 3
