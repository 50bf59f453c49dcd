"""Command encoding: whole commands written out by hand from the truth table of JESD209-4, and random operands."""

import random

import pytest
from amaranth.sim import Simulator
from dojang_hdl.lpddr4.command import CommandEncoder, Kind
from dojang_sim.benches.mutation import mutate
from dojang_sim.lpddr4 import Command
from dojang_sim.lpddr4.encoding import encode

# Operands, then CA0 to CA5 of each clock. CS is high in the first clock of every pair.
WRITTEN_OUT = [
    (Kind.ACT, {"bank": 3, "row": 0}, "HLLLLL HHLLLL HHLLLL LLLLLL"),
    (Kind.ACT, {"bank": 4, "row": 0x1FFFF}, "HLHHHH LLHHHH HHHHHH HHHHHH"),
    (Kind.ACT, {"bank": 0, "row": 1 << 16 | 1 << 13 | 1 << 11 | 1 << 8 | 1 << 2}, "HLLHLL LLLHLH HHLLHL LLHLLL"),
    (Kind.RD, {"bank": 5, "burst": 0b000011}, "LHLLLL HLHLLL LHLLHL LLHHLL"),
    (Kind.RD, {"bank": 0, "burst": 0b110000}, "LHLLLL LLLLHL LHLLHH LLLLLL"),
    (Kind.WR, {"bank": 6, "burst": 0b100001}, "LLHLLL LHHLHL LHLLHL LLHLLL"),
    (Kind.MWR, {"bank": 1, "burst": 0b011000}, "LLHHLL HLLLLL LHLLHH LLLLLH"),
    (Kind.PRE, {"bank": 6}, "LLLLHL LHHLLL"),
    (Kind.PRE, {"bank": 0, "all_banks": 1}, "LLLLHH LLLLLL"),
    (Kind.REF, {"bank": 5}, "LLLHLL HLHLLL"),
    (Kind.REF, {"bank": 0, "all_banks": 1}, "LLLHLH LLLLLL"),
    (Kind.MRW, {"ma": 0b001101, "op": 0b10000001}, "LHHLLH HLHHLL LHHLHL HLLLLL"),
    (Kind.MRW, {"ma": 0b100000, "op": 0b01000010}, "LHHLLL LLLLLH LHHLHH LHLLLL"),
    (Kind.MRR, {"ma": 4}, "LHHHLL LLHLLL LHLLHL LLLLLL"),
    (Kind.MPC, {"op": 0b1001111}, "LLLLLH HHHHLL"),
    (Kind.MPC, {"op": 0b1010001}, "LLLLLH HLLLHL"),
    (Kind.NOP, {"bank": 7, "row": 0x1FFFF, "burst": 63, "op": 255, "ma": 63, "all_banks": 1}, ""),
]

MUTATIONS = {
    "R16 forgotten": ("(c.bank, c.row[16], c.row[10:12])", "(c.bank, C(0, 1), c.row[10:12])"),
    "C8 and C9 exchanged": ("column[6]), (column[0:6],)", "column[7]), (column[0:6],)"),
    "column counted in bursts of 8": ("Cat(C(0, 2), c.burst)", "Cat(C(0, 1), c.burst, C(0, 1))"),
    "masked write not masked": ("C(0b01100, 5)", "C(0b00100, 5)"),
    "chip select in every clock": ("range(0, len(clocks), 2)", "range(len(clocks))"),
    "never all banks": ("(C(0b01000, 5), c.all_banks)", "(C(0b01000, 5), C(0, 1))"),
}


def encoded(encoder, commands):
    """(CA, CS) of the four clocks of each of ``commands``."""
    found = []

    async def bench(ctx):
        for command in commands:
            # By number: a mutant has a `Kind` of its own.
            ctx.set(encoder.command, {**command, "kind": command["kind"].value})
            found.append([(ctx.get(encoder.ca[clock]), bool(ctx.get(encoder.cs[clock]))) for clock in range(4)])

    simulator = Simulator(encoder)
    simulator.add_testbench(bench)
    simulator.run()
    return found


def levels(text):
    """The four clocks of a row of the table; those that are left out are idle."""
    clocks = text.split()
    return [(sum((level == "H") << pin for pin, level in enumerate(pins)), index % 2 == 0)
            for index, pins in enumerate(clocks)] + [(0, False)] * (4 - len(clocks))


def check(encoder=CommandEncoder):
    found = encoded(encoder(), [{"kind": kind, **operands} for kind, operands, _ in WRITTEN_OUT])
    for (kind, operands, text), clocks in zip(WRITTEN_OUT, found, strict=True):
        assert clocks == levels(text), (kind, operands)


def test_written_out_commands():
    assert {kind for kind, _, _ in WRITTEN_OUT} == set(Kind)
    check()


def test_random_operands():
    """Against the table that the device model has of its own."""
    rng = random.Random(2)
    banked = {Kind.RD: Command.RD, Kind.WR: Command.WR, Kind.MWR: Command.MWR, Kind.PRE: Command.PREPB,
              Kind.REF: Command.REFPB, Kind.ACT: Command.ACT}
    commands, expected = [], []
    for _ in range(20):
        for bank in range(8):
            row, burst = rng.randrange(1 << 17), rng.randrange(64)
            for kind, command in banked.items():
                commands.append({"kind": kind, "bank": bank, "row": row, "burst": burst})
                expected.append(encode(command, bank, row=row, burst=burst))
        ma, op = rng.randrange(64), rng.randrange(256)
        commands += [{"kind": Kind.MRW, "ma": ma, "op": op}, {"kind": Kind.MRR, "ma": ma}]
        expected += [encode(Command.MRW, register=ma, operand=op), encode(Command.MRR, register=ma)]
    for command, clocks, wanted in zip(commands, encoded(CommandEncoder(), commands), expected, strict=True):
        assert clocks == wanted + [(0, False)] * (4 - len(wanted)), command


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_encoder_is_caught(name):
    with pytest.raises(AssertionError):
        check(mutate("dojang_hdl.lpddr4.command", *MUTATIONS[name]).CommandEncoder)
