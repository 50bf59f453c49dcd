"""cocotb bench of `PhyDevice`: commands and data at the PHY boundary, with no controller.

Environment: ``LPDDR4_CONFIG``, rate, density, ratio and initialisation divisor; with ``LPDDR4_BREACH`` the last two
commands are activations too close to each other.
"""

import os
import random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge
from dojang_hdl.lpddr4.timing import Lpddr4Config

from ..lpddr4 import Command
from ..lpddr4.device import PhyDevice
from ..lpddr4.devicespec import memspec_of
from ..lpddr4.encoding import encode
from ..lpddr4.startup import startup

CONFIG = Lpddr4Config(*map(int, os.environ["LPDDR4_CONFIG"].split()))
SPEC = memspec_of(CONFIG)
RATIO = CONFIG.ratio
WORDS = 8 // RATIO      # cycles of data of a burst
WORD_BITS = 32 * RATIO


class Player:
    """Drives the port a cycle at a time; data of a burst are as many integers as it has cycles.

    ``read`` has the words in the order they came, each with its cycle.
    """

    def __init__(self, dut):
        self.dut, self.cycle, self.read = dut, 0, []
        self._edges = {}        # (CA, CS) by tCK
        self._data = {}         # (word, mask) by cycle
        self._reads = set()     # cycles with a command that reads
        for name in ("ca", "cs", "cke", "reset_n", "write", "mask", "write_valid", "read_start"):
            getattr(dut, f"phy__{name}").value = 0

    def put(self, command, *arguments, phase=0, data=(), masks=None, **operands):
        """Have ``command`` start at ``phase`` of the next cycle."""
        for clock, edge in enumerate(encode(command, *arguments, **operands)):
            self._edges[self.cycle * RATIO + phase + clock] = edge
        for index, word in enumerate(data):
            self._data[self.cycle + (SPEC.WL + 4) // RATIO + index] = word, masks[index] if masks else 0
        if command in (Command.RD, Command.RDA, Command.MRR):
            self._reads.add(self.cycle)

    async def step(self, clocks=1):
        """As many cycles as last at least ``clocks`` tCK."""
        for _ in range(-(-clocks // RATIO)):
            edges = [self._edges.pop(self.cycle * RATIO + phase, (0, False)) for phase in range(RATIO)]
            self.dut.phy__ca.value = sum(ca << 6 * phase for phase, (ca, _) in enumerate(edges))
            self.dut.phy__cs.value = sum(cs << phase for phase, (_, cs) in enumerate(edges))
            word, mask = self._data.pop(self.cycle, (None, 0))
            self.dut.phy__write_valid.value = word is not None
            self.dut.phy__write.value = word or 0
            self.dut.phy__mask.value = mask
            self.dut.phy__read_start.value = self.cycle in self._reads
            await FallingEdge(self.dut.clk)
            self.cycle += 1
            if self.dut.phy__read_valid.value:
                self.read.append((self.cycle, int(self.dut.phy__read.value)))

    async def start(self):
        """Bring the device up."""
        await self.step(SPEC.INIT1)
        self.dut.phy__reset_n.value = 1
        await self.step(SPEC.INIT3)
        self.dut.phy__cke.value = 1
        await self.step(SPEC.INIT5)
        for command, register, operand, clocks in startup(SPEC):
            self.put(command, register=register, operand=operand)
            await self.step(clocks)

    async def refresh(self):
        self.put(Command.REFAB)
        await self.step(SPEC.RFCAB)


async def playing(dut):
    dut.rst.value = 0
    player = Player(dut)
    Clock(dut.clk, 10, "ns").start()
    await FallingEdge(dut.clk)
    await player.start()
    return player


def word_address(row, bank, burst):
    return ((row * 8 + bank) * 64 + burst) * 2


@cocotb.test()
async def round_trips(dut):
    """Writes and masked writes all over the device, read back at any phase after the fixed latency; then MR4.

    One test: a device cannot be reset in operation.
    """
    rng = random.Random(CONFIG.rate + CONFIG.ratio)
    player = await playing(dut)
    latency = PhyDevice(CONFIG).read_latency
    cells = {}
    for turn in range(40):
        if turn % 4 == 0:
            await player.refresh()
        bank, burst = rng.randrange(8), rng.randrange(64)
        row = rng.choice((0, CONFIG.rows - 1, rng.randrange(CONFIG.rows)))
        player.put(Command.ACT, bank, row=row)
        await player.step(SPEC.RCD)
        address = word_address(row, bank, burst)
        for command in (Command.WR, Command.MWR):
            data = [rng.getrandbits(WORD_BITS) for _ in range(WORDS)]
            masks = [rng.getrandbits(WORD_BITS // 8) for _ in range(WORDS)]
            player.put(command, bank, burst=burst, data=data, masks=masks)
            await player.step(SPEC.CCDMW)
            for index, (word, mask) in enumerate(zip(data, masks, strict=True)):
                keep = sum(0xFF << 8 * byte for byte in range(WORD_BITS // 8) if mask >> byte & 1)
                keep = keep if command is Command.MWR else 0
                cells[address, index] = cells.get((address, index), 0) & keep | word & ~keep & (1 << WORD_BITS) - 1
        await player.step(SPEC.WL + 9 + SPEC.WTR)
        phase = rng.randrange(RATIO)
        start = player.cycle
        player.put(Command.RD, bank, phase=phase, burst=burst)
        await player.step(SPEC.RL + SPEC.DQSCK + 30 + RATIO)
        assert player.read == [(start + latency + index, cells[address, index]) for index in range(WORDS)]
        player.read.clear()
        player.put(Command.PREPB, bank)
        await player.step(SPEC.RPPB)

    player.put(Command.MRR, register=4)
    await player.step(SPEC.RL + SPEC.DQSCK + 40)
    assert [word & 0xFF for _, word in player.read[:1]] == [3]
    assert len(player.read) == WORDS
    if "LPDDR4_BREACH" in os.environ:
        player.put(Command.ACT, 1)
        await player.step(4)
        player.put(Command.ACT, 0)
        await player.step(20)
