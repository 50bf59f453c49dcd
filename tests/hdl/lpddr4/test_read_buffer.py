"""Read bursts that come back in any order leave in order; registers in between."""

import random
from collections import deque

import pytest
from amaranth.hdl import Module, ResetInserter, Signal
from dojang_hdl.lpddr4.read_buffer import ReadBuffer
from dojang_hdl.lpddr4.timing import BURST, Lpddr4Config
from dojang_sim.benches.mutation import mutate
from dojang_sim.benches.streams import run

SLOTS = 16

MUTATIONS = {
    "lap ignored": ("(look.data.lap == ~at[index])", "1"),
    "second half left out": ("ends.eq(half | ~look.data.wanted[1])", "ends.eq(1)"),
    "first half not skipped": ("half.eq(second | ~look.data.wanted[0])", "half.eq(second)"),
    "second half not skipped": ("ends.eq(half | ~look.data.wanted[1])", "ends.eq(half)"),
    "words dropped on a stall": ("& (credits != 0)", ""),
    "room too early": ("back.eq(go & ends)", "back.eq(go)"),
    "room never back": ("back.eq(go & ends)", "back.eq(0)"),
    "register stored as a burst": ("store.en.eq(self.valid & ~burst.register)", "store.en.eq(self.valid)"),
    "register fills a slot": ("flag.en.eq(flight.r_en & ~burst.register)", "flag.en.eq(flight.r_en)"),
    "register not told": ("self.register_valid.eq(flight.r_en & burst.register)", "self.register_valid.eq(0)"),
    "register of the second half": ("with m.If(self.valid & (part == 0)):", "with m.If(self.valid & (part != 0)):"),
    "filled after its first half": ("flag.en.eq(flight.r_en & ~burst.register)",
                                    "flag.en.eq(self.valid & (part == 0) & ~burst.register)"),
    "slot wraps early": ("self.slot.eq(self.slot + self.take)", "self.slot[:index].eq(self.slot + self.take)"),
}


class Bench:
    """Slots are taken at random, their bursts read in random order and answered a while later.

    ``bursts``: how many. ``stalls``: probabilities that no slot is taken, no burst read and no word received in a
    cycle. ``registers``: probability that a register is read where a burst could be. ``hold``: cycles before the first
    word is received. ``words``: how many were wanted. ``finished``: cycle of the last one.
    """

    def __init__(self, buffer, ratio, bursts, *, stalls=(0.0, 0.0, 0.0), registers=0.0, hold=0, seed=1):
        self.config = Lpddr4Config(1600, ratio=ratio)
        self.dut = buffer(self.config, SLOTS)
        self.stalls, self.registers, self.hold = stalls, registers, hold
        self.rng = random.Random(seed)
        self.left = bursts
        self.words = self.finished = 0
        self._spacing = BURST // ratio
        self._taken = []                            # (slot, words of the burst, wanted), not yet read
        self._expected = deque()
        self._answers = deque()                     # (cycle, bits of the port)
        self._registers = deque()                   # (cycle, value)
        self._clear = 0                             # first cycle in which a burst may be read

    async def bench(self, ctx):
        dut = self.dut
        cycle = 0
        while self.left or self._expected or self._registers:
            self._register(ctx, cycle)
            self._take(ctx)
            self._send(ctx, cycle)
            due = bool(self._answers) and self._answers[0][0] == cycle
            ctx.set(dut.valid, due)
            ctx.set(dut.data.as_value(), self._answers.popleft()[1] if due else self.rng.getrandbits(self.width))
            ready = cycle >= self.hold and self.rng.random() >= self.stalls[2]
            ctx.set(dut.o.ready, ready)
            if ready and ctx.get(dut.o.valid):
                assert self._expected, "a word too many"
                assert ctx.get(dut.o.payload) == self._expected.popleft()
                self.finished = cycle
            await ctx.tick()
            cycle += 1
        for _ in range(10):
            assert not ctx.get(dut.o.valid), "a word too many"
            await ctx.tick()
        assert ctx.get(dut.room) == SLOTS

    @property
    def width(self):
        return 32 * self.config.ratio

    def _register(self, ctx, cycle):
        due = bool(self._registers) and self._registers[0][0] == cycle
        assert ctx.get(self.dut.register_valid) == due
        if due:
            assert ctx.get(self.dut.register) == self._registers.popleft()[1]

    def _take(self, ctx):
        rng, dut = self.rng, self.dut
        room = ctx.get(dut.room)
        count = min(rng.choice((1, 2, SLOTS)), room, self.left) if rng.random() >= self.stalls[0] else 0
        ctx.set(dut.take, count)
        for index in range(count):
            words, wanted = [rng.getrandbits(128) for _ in range(2)], rng.choice((1, 2, 3, 3))
            self._taken.append(((ctx.get(dut.slot) + index) % (2 * SLOTS), words, wanted))
            self._expected += [word for half, word in enumerate(words) if wanted >> half & 1]
            self.words += wanted.bit_count()
        self.left -= count
        self._fresh = count         # a bank reads it in the next cycle at the earliest

    def _send(self, ctx, cycle):
        rng, sent = self.rng, {}
        ready = self._taken[:len(self._taken) - self._fresh]
        if cycle >= self._clear and rng.random() >= self.stalls[1]:
            words = None
            if rng.random() < self.registers:
                words = [rng.getrandbits(128) for _ in range(2)]
                sent = {"read": 1, "register": 1, "slot": rng.randrange(2 * SLOTS), "wanted": 3}
                self._registers.append((cycle + 20 + self._spacing, words[0] & 0xFF))
            elif ready:
                chosen = rng.choice(ready)
                self._taken.remove(chosen)
                slot, words, wanted = chosen
                sent = {"read": 1, "slot": slot, "wanted": wanted}
            if words:
                self._clear = cycle + self._spacing
                bits = words[0] | words[1] << 128
                self._answers += [(cycle + 20 + at, bits >> at * self.width & (1 << self.width) - 1)
                                  for at in range(self._spacing)]
        # Of a cycle without a read nothing but `read` means anything.
        ctx.set(self.dut.sent, sent or {"slot": rng.randrange(2 * SLOTS), "wanted": 3, "write": rng.randrange(2)})


def simulated(buffer, ratio, bursts, **options):
    bench = Bench(buffer, ratio, bursts, **options)
    run(bench.dut, bench.bench, cycles=200 + 12 * bursts)
    return bench


@pytest.mark.parametrize("ratio", [4, 8])
@pytest.mark.parametrize("stalls", [(0.0, 0.0, 0.0), (0.5, 0.0, 0.0), (0.0, 0.5, 0.0), (0.2, 0.2, 0.6)])
def test_words_leave_in_order(ratio, stalls):
    """A dozen laps of the ring."""
    simulated(ReadBuffer, ratio, 200, stalls=stalls, registers=0.1)


@pytest.mark.parametrize("ratio", [4, 8])
def test_a_word_a_cycle(ratio):
    """What waits in the ring leaves without a bubble, wanted halves only."""
    bench = simulated(ReadBuffer, ratio, SLOTS, hold=100)
    assert bench.finished == bench.hold + bench.words - 1


def test_a_reset_in_the_midst():
    """What the ring held before means nothing."""
    first, reset = Bench(ReadBuffer, 4, 20), Signal()
    second = Bench(lambda *_: first.dut, 4, 40, seed=2)
    m = Module()
    m.submodules.dut = ResetInserter(reset)(first.dut)

    async def bench(ctx):
        await first.bench(ctx)
        ctx.set(reset, 1)
        await ctx.tick()
        ctx.set(reset, 0)
        await second.bench(ctx)

    run(m, bench, cycles=2000)


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_read_buffer_is_caught(name):
    broken = mutate("dojang_hdl.lpddr4.read_buffer", *MUTATIONS[name]).ReadBuffer
    with pytest.raises(AssertionError):
        simulated(broken, 4, 120, stalls=(0.2, 0.2, 0.6), registers=0.1)
        simulated(broken, 4, 120, stalls=(0.2, 0.7, 0.0), registers=0.1)
