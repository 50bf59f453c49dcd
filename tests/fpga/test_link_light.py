"""The light for errors of the link, on the whole of chip and serial port without its nodes."""

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.sim import Simulator
from dojang_fpga.system import ChipSystem
from dojang_hdl.config import ChipConfig
from dojang_hdl.node.node import NodePorts
from dojang_sim.benches.mutation import mutate
from dojang_sim.bridge_model import IDENTIFY, frame

CONFIG = ChipConfig("bench", width=1, height=1, lanes=1, channel_mib=1)
CLOCK_HZ, BAUD = 4000, 1000
BIT = CLOCK_HZ // BAUD

GOOD = frame(IDENTIFY, 1)
WRONG_CRC = GOOD[:-1] + bytes((GOOD[-1] ^ 1,))


class NoNode(wiring.Component):
    """A node that does nothing."""

    def __init__(self, config):
        super().__init__(NodePorts())

    def elaborate(self, platform):
        return Module()


def bits(data, stop=1):
    return [bit for byte in data for bit in (0, *(byte >> i & 1 for i in range(8)), stop)]


def shown(line, make=ChipSystem):
    """The bits of ``line``, then three bytes of idle: whether the light went on."""
    dut = make(CONFIG, CLOCK_HZ, BAUD, make_node=NoNode)
    lit = False

    async def bench(ctx):
        nonlocal lit
        for level in [1, *line, *[1] * 30]:
            ctx.set(dut.rx, level)
            await ctx.tick().repeat(BIT)
            lit |= bool(ctx.get(dut.lit).link_error)

    simulator = Simulator(dut)
    simulator.add_clock(1 / CLOCK_HZ)
    simulator.add_testbench(bench)
    simulator.run()
    return lit


CASES = {
    "intact frame": (bits(GOOD), False),
    "wrong CRC": (bits(WRONG_CRC), True),
    "byte without stop bit": ([*bits(b"\xff", stop=0), 1], True),
    "frame cut off": (bits(GOOD[:-2]), True),
}


@pytest.mark.parametrize("case", CASES)
def test_the_light_for_link_errors(case):
    line, expected = CASES[case]
    assert shown(line) == expected


@pytest.mark.parametrize("case, old, new", [
    ("wrong CRC", "receiver.framing | chip.bad_frame", "receiver.framing"),
    ("byte without stop bit", "receiver.framing | chip.bad_frame", "chip.bad_frame"),
])
def test_a_system_that_hides_one_of_them_is_caught(case, old, new):
    make = mutate("dojang_fpga.system", old, new, []).ChipSystem
    line, expected = CASES[case]
    assert shown(line, make) != expected
