"""Counters against a list of the commands that went by."""

import random
from collections import Counter

import pytest
from dojang_hdl.counters import MEMORY_COUNTERS, MEMORY_REGISTERS
from dojang_hdl.lpddr4.command import Kind
from dojang_hdl.lpddr4.counters import CommandCounters
from dojang_sim.benches.mutation import mutate
from dojang_sim.benches.streams import run

COLUMNS = (Kind.NOP, Kind.RD, Kind.WR, Kind.MWR, Kind.MRR)
ROWS = (Kind.NOP, Kind.ACT, Kind.PRE, Kind.REF)

MUTATIONS = {
    "masked writes not written": ("(column.kind == Kind.WR) | (column.kind == Kind.MWR)", "column.kind == Kind.WR"),
    "turns at every command": ("with m.If(read | write):", "with m.If(1):"),
    "turns to reads only": ("(read & written) | (write & ~written)", "read & written"),
    "all-bank refreshes of one bank": ("row.all_banks | (row.bank == bank)", "row.bank == bank"),
    "never on": ("counters.enable.eq(self.port.enable)", "counters.enable.eq(0)"),
    "never cleared": ("counters.clear.eq(self.port.clear)", "counters.clear.eq(0)"),
    "always the first": ("counters.address.eq(self.port.address)", "counters.address.eq(0)"),
}


def check(counters):
    dut, rng = counters(), random.Random(4)
    expected = Counter()

    async def bench(ctx):
        written = False
        ctx.set(dut.port.enable, 1)
        for cycle in range(500):
            enabled = cycle % 100 > 5
            column, row = rng.choice(COLUMNS), rng.choice(ROWS)
            bank, everything = rng.randrange(8), rng.randrange(2)
            # By number: a mutant's own kinds are other classes. The counters are two cycles behind the commands.
            ctx.set(dut.column.kind.as_value(), column.value)
            ctx.set(dut.row, {"kind": row.value, "bank": bank, "all_banks": everything})
            await ctx.tick()
            ctx.set(dut.port.enable, enabled)
            ctx.set(dut.port.clear, cycle == 99)
            if column in (Kind.RD, Kind.WR, Kind.MWR):
                expected["turnarounds"] += enabled and written != (column != Kind.RD)
                written = column != Kind.RD
            if enabled:
                expected["reads"] += column == Kind.RD
                expected["writes"] += column in (Kind.WR, Kind.MWR)
                expected["masked_writes"] += column == Kind.MWR
                expected["activates"] += row == Kind.ACT
                expected["precharges"] += row == Kind.PRE
                for refreshed in range(8) if everything else (bank,):
                    expected[f"refreshes_{refreshed}"] += row == Kind.REF
            if cycle == 99:
                expected.clear()
        ctx.set(dut.column, {})
        ctx.set(dut.row, {})
        await ctx.tick().repeat(len(MEMORY_COUNTERS) + 4)
        for address in range(MEMORY_REGISTERS):
            ctx.set(dut.port.address, address)
            await ctx.tick()
            name = MEMORY_COUNTERS[address] if address < len(MEMORY_COUNTERS) else "none"
            assert ctx.get(dut.port.data) == expected[name]

    run(dut, bench, cycles=700)


def test_every_command_is_counted():
    check(CommandCounters)


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_counter_is_caught(name):
    with pytest.raises(AssertionError):
        check(mutate("dojang_hdl.lpddr4.counters", *MUTATIONS[name]).CommandCounters)
