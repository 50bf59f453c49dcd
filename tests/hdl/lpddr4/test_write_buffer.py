"""Write bursts reach the PHY exactly when the bus is theirs, in whatever order they are sent."""

import random

import pytest
from amaranth.hdl import Module, ResetInserter, Signal
from dojang_hdl.lpddr4.timing import BURST, Lpddr4Config
from dojang_hdl.lpddr4.write_buffer import WriteBuffer
from dojang_sim.benches.mutation import mutate
from dojang_sim.benches.streams import run

SLOTS, MANY = 16, 5

MUTATIONS = {
    "a cycle late": ("delay = self._config.write_delay - 1", "delay = self._config.write_delay"),
    "mask not inverted": ("~fetch.data[word].mask", "fetch.data[word].mask"),
    "always the first half": ("Cat(second, Mux(second, previous, slot[:index]))",
                              "Cat(0, Mux(second, previous, slot[:index]))"),
    "second half of the next burst": ("Mux(second, previous, slot[:index])", "slot[:index]"),
    "second half not valid": ("fetched.eq(due | second)", "fetched.eq(due)"),
    "halves exchanged": ("Cat(self.half, self.slot[:index])", "Cat(~self.half, self.slot[:index])"),
    "free before it is sent": ("free.eq((look.data == ~oldest[index]) & (used != 0))", "free.eq(used != 0)"),
    "never free": ("oldest.eq(oldest + free)", "oldest.eq(oldest)"),
    "lap not noted": ("flag.data.eq(~slot[index])", "flag.data.eq(1)"),
    "full too late": ("self.room.eq(used != self._bursts)", "self.room.eq(1)"),
    "pressure too late": ("self.pressure.eq(used >= self._many)", "self.pressure.eq(used > self._many)"),
    "given-out slots forgotten": ("used + self.take - free", "used - free"),
}


class Bench:
    """Fills slots at random while there is room and sends them in random order, as often as the bus allows.

    ``stall``: probability that nothing is sent in a cycle; ``bursts``: how many there are.
    """

    def __init__(self, buffer, config, bursts, stall=0.0):
        self.config, self.left, self.stall = config, bursts, stall
        self.dut = buffer(config, SLOTS, MANY)
        self.rng = random.Random(f"{config} {stall}")
        self.due = {}                           # cycle: data and mask of the port
        self.full = False
        self._filling, self._waiting = [], []   # halves (number, data, mask) so far; (slot, halves) of whole bursts
        self._next = 0

    async def bench(self, ctx):
        dut, spacing = self.dut, BURST // self.config.ratio
        cycle = clear = 0
        while self.left or self._waiting or any(due >= cycle for due in self.due):
            ready = list(self._waiting)         # what is given out in this cycle may be sent in the next
            self._fill(ctx)
            sent = cycle >= clear and ready and self.rng.random() >= self.stall
            if sent:
                clear = cycle + spacing
                self._send(ctx, cycle, self.rng.choice(ready))
            else:
                ctx.set(dut.sent, {"read": self.rng.randrange(2), "slot": self.rng.randrange(2 * SLOTS)})
            assert ctx.get(dut.valid) == (cycle in self.due), f"cycle {cycle}"
            if cycle in self.due:
                assert (ctx.get(dut.data.as_value()), ctx.get(dut.mask.as_value())) == self.due[cycle], f"cycle {cycle}"
            await ctx.tick()
            cycle += 1
        await ctx.tick().repeat(SLOTS)
        assert ctx.get(dut.room) and not ctx.get(dut.pressure)

    def _fill(self, ctx):
        """A half, with `take` if it is the second; there may be cycles without one."""
        dut, rng = self.dut, self.rng
        assert ctx.get(dut.slot) == self._next % (2 * SLOTS)
        room = ctx.get(dut.room)
        self.full |= not room
        put = self.left and (self._filling or room) and rng.random() < 0.9
        ctx.set(dut.en, put)
        ctx.set(dut.take, put and len(self._filling) == 1)
        if put:
            half = 1 - self._filling[0][0] if self._filling else rng.randrange(2)
            data, mask = rng.getrandbits(128), rng.getrandbits(16)
            ctx.set(dut.half, half)
            ctx.set(dut.word, {"data": data, "mask": mask})
            self._filling.append((half, data, mask ^ 0xFFFF))
            if len(self._filling) == 2:
                self._waiting.append((self._next % (2 * SLOTS), sorted(self._filling)))
                self._filling = []
                self._next += 1
                self.left -= 1

    def _send(self, ctx, cycle, burst):
        self._waiting.remove(burst)
        slot, ((_, low, low_mask), (_, high, high_mask)) = burst
        ctx.set(self.dut.sent, {"write": 1, "slot": slot})
        first = cycle + self.config.write_delay + 1
        if self.config.ratio == 4:
            self.due[first], self.due[first + 1] = (low, low_mask), (high, high_mask)
        else:
            self.due[first] = low | high << 128, low_mask | high_mask << 16


def check(buffer, config, bursts, stall):
    bench = Bench(buffer, config, bursts, stall)
    run(bench.dut, bench.bench, cycles=200 + 10 * bursts)
    return bench


# Write delays of one to five cycles
@pytest.mark.parametrize("rate, ratio", [(533, 8), (533, 4), (1600, 4), (4266, 8), (4266, 4)])
@pytest.mark.parametrize("stall", [0.0, 0.7])
def test_data_when_due(rate, ratio, stall):
    assert check(WriteBuffer, Lpddr4Config(rate, ratio=ratio), 100, stall).full or not stall


def test_a_reset_in_the_midst():
    """What the ring held before means nothing."""
    config, reset = Lpddr4Config(1600), Signal()
    first = Bench(WriteBuffer, config, 20)
    second = Bench(lambda *_: first.dut, config, 40, 0.7)
    m = Module()
    m.submodules.dut = ResetInserter(reset)(first.dut)

    async def bench(ctx):
        await first.bench(ctx)
        ctx.set(reset, 1)
        await ctx.tick()
        ctx.set(reset, 0)
        await second.bench(ctx)

    run(m, bench, cycles=2000)
    assert second.full


def test_pressure(buffer=WriteBuffer):
    """From `MANY` slots in use on, until there are fewer; sent in the order that frees one each time."""
    dut = buffer(Lpddr4Config(1600), SLOTS, MANY)
    found = []

    async def bench(ctx):
        for put, slot in [(True, 0)] * (MANY + 2) + [(False, slot) for slot in range(MANY + 2)]:
            ctx.set(dut.take, put)
            ctx.set(dut.sent, {"write": not put, "slot": slot})
            await ctx.tick()
            ctx.set(dut.take, 0)
            ctx.set(dut.sent, {})
            await ctx.tick().repeat(8)
            found.append(ctx.get(dut.pressure))

    run(dut, bench, cycles=300)
    assert found == [0] * (MANY - 1) + [1] * 5 + [0] * MANY


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_write_buffer_is_caught(name):
    broken = mutate("dojang_hdl.lpddr4.write_buffer", *MUTATIONS[name]).WriteBuffer
    with pytest.raises((AssertionError, ValueError)):
        check(broken, Lpddr4Config(1600), 60, 0.0)
        check(broken, Lpddr4Config(1600), 60, 0.7)
        test_pressure(broken)
