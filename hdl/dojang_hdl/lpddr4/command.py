"""Memory commands and their encoding on the command bus."""

from amaranth.hdl import C, Cat, Module
from amaranth.lib import data, enum, wiring
from amaranth.lib.wiring import In, Out

from .phy import CA_BITS

__all__ = ["COMMAND_PHASES", "Command", "CommandEncoder", "Kind"]

COMMAND_PHASES = 4
"""Memory clocks of the longest command: two halves of two clocks."""


class Kind(enum.Enum, shape=4):
    """Commands by their JEDEC names. PRE and REF take 2 clocks, as MPC; the others 4."""

    NOP = 0
    ACT = 1
    RD = 2
    WR = 3
    MWR = 4
    PRE = 5
    REF = 6
    MRW = 7
    MRR = 8
    MPC = 9


Command = data.StructLayout({"kind": Kind, "bank": 3, "all_banks": 1, "row": 17, "burst": 6, "op": 8, "ma": 6})
"""``burst``: number of the burst in the row; ``op`` and ``ma``: operand and address of a mode register or MPC."""


class CommandEncoder(wiring.Component):
    """Combinational: chip select and CA0 to CA5 of four clocks; the clocks a command does not need are idle.

    Source: command truth table of JESD209-4.
    """

    command: In(Command)
    cs: Out(COMMAND_PHASES)
    ca: Out(data.ArrayLayout(CA_BITS, COMMAND_PHASES))

    def elaborate(self, platform):
        m = Module()
        c = self.command
        column = Cat(C(0, 2), c.burst)      # C2 to C9
        cas2 = ((C(0b10010, 5), column[6]), (column[0:6],))
        truth = {   # bits from CA0 on, of each clock
            Kind.ACT: ((C(0b01, 2), c.row[12:16]), (c.bank, c.row[16], c.row[10:12]),
                       (C(0b11, 2), c.row[6:10]), (c.row[0:6],)),
            Kind.RD: ((C(0b00010, 5), C(0, 1)), (c.bank, C(0, 1), column[7], C(0, 1)), *cas2),
            Kind.WR: ((C(0b00100, 5), C(0, 1)), (c.bank, C(0, 1), column[7], C(0, 1)), *cas2),
            Kind.MWR: ((C(0b01100, 5), C(0, 1)), (c.bank, C(0, 1), column[7], C(0, 1)), *cas2),
            Kind.PRE: ((C(0b10000, 5), c.all_banks), (c.bank, C(0, 3))),
            Kind.REF: ((C(0b01000, 5), c.all_banks), (c.bank, C(0, 3))),
            Kind.MRW: ((C(0b00110, 5), c.op[7]), (c.ma,), (C(0b10110, 5), c.op[6]), (c.op[0:6],)),
            Kind.MRR: ((C(0b01110, 5), C(0, 1)), (c.ma,), *cas2),
            Kind.MPC: ((C(0b00000, 5), c.op[6]), (c.op[0:6],)),
        }
        with m.Switch(c.kind):
            for kind, clocks in truth.items():
                with m.Case(kind):
                    m.d.comb += self.cs.eq(sum(1 << clock for clock in range(0, len(clocks), 2)))
                    for clock, bits in enumerate(clocks):
                        m.d.comb += self.ca[clock].eq(Cat(bits))
        return m
