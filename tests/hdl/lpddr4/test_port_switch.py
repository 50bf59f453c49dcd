"""Bursts of two ports come from and go to the buffers of their own."""

import random
from collections import deque

import pytest
from dojang_hdl.lpddr4.port_switch import PortSwitch
from dojang_hdl.lpddr4.timing import Lpddr4Config
from dojang_sim.benches.mutation import mutate
from dojang_sim.benches.streams import run

CONFIG = Lpddr4Config(3200, ratio=8, ports=2)
LATENCY = 9

MUTATIONS = {
    "a register is the second port's": ("self.second & ~self.sent.register", "self.second"),
    "every read is the first port's": ("owners.w_data.eq(second)", "owners.w_data.eq(0)"),
    "writes count as reads": ("owners.w_en.eq(self.sent.read)", "owners.w_en.eq(self.sent.read | self.sent.write)"),
    "owner kept": ("owners.r_en.eq(self.arrived)", "owners.r_en.eq(self.arrived & owners.r_data)"),
    "read by both": ("sent.read.eq(self.sent.read & chosen)", "sent.read.eq(self.sent.read)"),
    "written by both": ("sent.write.eq(self.sent.write & chosen)", "sent.write.eq(self.sent.write)"),
    "arrives when nothing does": ("self.arrived & (owners.r_data == port)", "owners.r_data == port"),
    "the first port's data": ("self.data.eq(self.write[1])", "self.data.eq(self.write[0])"),
    "the first port's masks": ("self.masks.eq(self.mask[1])", "self.masks.eq(self.mask[0])"),
    "the second port's valid left out": ("self.write_valid.any()", "self.write_valid[0]"),
}


def check(component, cycles=300):
    dut, rng = component(CONFIG), random.Random(5)

    async def bench(ctx):
        flight = deque([None] * LATENCY)        # port of a read that answers in a cycle
        for _ in range(cycles):
            kind = rng.choice(("read", "write", "register", None))
            second, slot, wanted = rng.randrange(2), rng.randrange(512), rng.randrange(4)
            sent = {"read": kind in ("read", "register"), "write": kind == "write", "register": kind == "register",
                    "slot": slot, "wanted": wanted}
            owner = 0 if kind == "register" else second
            ctx.set(dut.sent, sent)
            ctx.set(dut.second, second)
            flight.append(owner if sent["read"] else None)
            answers = flight.popleft()
            ctx.set(dut.arrived, answers is not None)
            driving = rng.choice((None, 0, 1))
            ctx.set(dut.write_valid, 0 if driving is None else 1 << driving)
            data, masks = [rng.getrandbits(256) for _ in range(2)], [rng.getrandbits(32) for _ in range(2)]
            for port in range(2):
                ctx.set(dut.write[port].as_value(), data[port])
                ctx.set(dut.mask[port].as_value(), masks[port])
            for port in range(2):
                seen, mine = ctx.get(dut.of_port[port]), port == owner
                assert (seen.read, seen.write) == (sent["read"] and mine, sent["write"] and mine)
                assert not mine or (seen.register, seen.slot, seen.wanted) == (sent["register"], slot, wanted)
            assert ctx.get(dut.arrived_of) == (0 if answers is None else 1 << answers)
            assert ctx.get(dut.valid) == (driving is not None)
            if driving is not None:
                assert ctx.get(dut.data.as_value()) == data[driving]
                assert ctx.get(dut.masks.as_value()) == masks[driving]
            await ctx.tick()

    run(dut, bench, cycles=cycles + 2)


def test_switch():
    check(PortSwitch)


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_switch_is_caught(name):
    broken = mutate("dojang_hdl.lpddr4.port_switch", *MUTATIONS[name]).PortSwitch
    with pytest.raises(AssertionError):
        check(broken)
