"""Registers against a dictionary, and the first fault."""

import random

import pytest
from dojang_hdl.guard.layout import CONTROL, FAULT, INJECT, Register
from dojang_hdl.guard.registers import Registers
from dojang_hdl.isa import pack, unpack
from dojang_sim.benches.mutation import mutate
from dojang_sim.benches.streams import run

MUTATIONS = {
    "the last fault kept": ("with m.If(self.failed & ~kept.error):", "with m.If(self.failed):"),
    "no error": ("kept.error.eq(1)", "kept.error.eq(0)"),
    "never cleared": ("m.d.sync += kept.eq(0)", "pass"),
    "injects all the time": ("m.d.sync += self.inject.eq(0)", "pass"),
    "what was written, not what is left": ("left.count.eq(self.left)", "left.count.eq(self.injection.count)"),
    "mask lost": ("m.d.sync += self.mask.eq(self.write_data)", "pass"),
    "control not shown": ("m.d.sync += self.data.eq(self.control)", "pass"),
}


def access(registers):
    """Random reads and writes; a read shows the cycle before."""
    dut, rng = registers(), random.Random(1)

    async def bench(ctx):
        values = dict.fromkeys(Register, 0)
        for _ in range(200):
            address, write, word = rng.choice(list(Register)), rng.random() < 0.5, rng.getrandbits(128)
            left = rng.getrandbits(16)
            ctx.set(dut.address, address)
            ctx.set(dut.write, write)
            ctx.set(dut.write_data, word)
            ctx.set(dut.left, left)
            await ctx.tick()
            fields = unpack(INJECT, values[Register.INJECT]) | {"count": left}
            shown = values | {Register.INJECT: pack(INJECT, fields)}
            assert ctx.get(dut.data) == shown[address]
            assert ctx.get(dut.inject) == (write and address == Register.INJECT)
            if write:
                widths = {Register.CONTROL: CONTROL, Register.INJECT: INJECT}
                bits = sum(width for _, width in widths.get(address, (("", 128),)))
                values[address] = word & (1 << bits) - 1 if address != Register.FAULT else 0
            assert ctx.get(dut.control.as_value()) == values[Register.CONTROL]
            assert ctx.get(dut.injection.as_value()) == values[Register.INJECT]
            assert ctx.get(dut.mask) == values[Register.INJECT_MASK]

    run(dut, bench, cycles=300)


def first_fault(registers):
    """Kept until it is cleared with whatever is written."""
    dut = registers()

    async def fail(ctx, address, kind):
        ctx.set(dut.failed, 1)
        ctx.set(dut.fault, {"address": address, "kind": kind})
        await ctx.tick()
        ctx.set(dut.failed, 0)

    async def kept(ctx):
        await ctx.tick()
        found = unpack(FAULT, ctx.get(dut.data))
        return found["address"], found["kind"], found["error"]

    async def bench(ctx):
        ctx.set(dut.address, Register.FAULT)
        assert not ctx.get(dut.error) and await kept(ctx) == (0, 0, 0)
        for address, kind in ((0x12345678, 2), (0, 0)):
            await fail(ctx, address, kind)
            await fail(ctx, 77, 1)
            assert ctx.get(dut.error) and await kept(ctx) == (address, kind, 1)
            ctx.set(dut.write, 1)
            ctx.set(dut.write_data, 0xFFFF)
            await ctx.tick()
            ctx.set(dut.write, 0)
            assert not ctx.get(dut.error) and await kept(ctx) == (0, 0, 0)

    run(dut, bench, cycles=50)


CHECKS = (access, first_fault)


@pytest.mark.parametrize("check", CHECKS)
def test_registers(check):
    check(Registers)


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_register_is_caught(name):
    broken = mutate("dojang_hdl.guard.registers", *MUTATIONS[name]).Registers
    with pytest.raises(AssertionError):
        for check in CHECKS:
            check(broken)
