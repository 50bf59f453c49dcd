"""When banks are refreshed, and which, with banks of plain Python that park after a while."""

import random
from itertools import pairwise

import pytest
from dojang_hdl.lpddr4.refresh import FORCED, URGENT, Refresher, Temperature
from dojang_hdl.lpddr4.timing import BANKS, Lpddr4Config
from dojang_sim.benches.mutation import mutate
from dojang_sim.benches.streams import run

CONFIG = Lpddr4Config(533)      # an interval has 1040 tCK
ALL = (1 << BANKS) - 1

# Refresh interval by code of MR4, in tREFI; JESD209-4, but for two that would leave rows open for too long, and for the
# code that a bus reads which nobody drives
INTERVALS = {Temperature.TOO_COLD: 1 / 4, Temperature.TIMES_4: 1, Temperature.TIMES_2: 1, Temperature.TIMES_1: 1,
             Temperature.HALF: 1 / 2, Temperature.QUARTER: 1 / 4, Temperature.QUARTER_DERATED: 1 / 4,
             Temperature.TOO_HOT: 1 / 4}

MUTATIONS = {
    "half as often": ("cycle = 4 * BANKS", "cycle = 2 * BANKS"),
    "clocks lost": ("left.eq(left + (refi - cycle))", "left.eq(refi - cycle)"),
    "never more often": ("Temperature.HALF: 2}", "Temperature.HALF: 4}"),
    "not when the bus is dead": ("QUARTERS = {", "QUARTERS = {Temperature.TOO_COLD: 4, "),
    "per bank when it is hot": (">= Temperature.QUARTER.value", "> Temperature.TOO_HOT.value"),
    "without being due": ("~self.upkeep & (owed != 0) & candidates.any()", "~self.upkeep & candidates.any()"),
    "twice in a round": ("unused = self.idle & ~served", "unused = self.idle"),
    "round never ends": ("Mux((served | target).all(), 0, served | target)", "served | target"),
    "busy bank first": ("candidates.eq(Mux(unused.any(), unused, ", "candidates.eq(Mux(unused.any(), ~served, "),
    "busy banks never": ("Mux(owed >= FORCED, ~served, 0)", "0"),
    "busy banks at once": ("Mux(owed >= FORCED, ~served, 0)", "~served"),
    "two banks at once": ("following.eq(candidates & (~candidates + 1))", "following.eq(candidates)"),
    "open bank": ("with m.If((self.parked & target) == target):", "with m.If(1):"),
    "wrong bank": ("m.d.sync += self.bank.eq(bank)", "m.d.sync += self.bank.eq(bank ^ 1)"),
    "released before the refresh": ("m.d.comb += self.ready.eq(1)", "m.d.comb += [self.ready.eq(1), following.eq(0)]"),
    "never released": ("m.d.comb += following.eq(0)", "pass"),
    "released too early": ("with m.If(wait == 1):", "with m.If(wait <= 3):"),
    "all-bank time for one": ('"bank": t.RFCPB', '"bank": t.RFCAB'),
    "all-bank refresh worth one": ("share = Mux(self.all_banks, sum(~served[bank] for bank in range(BANKS)), 1)",
                                   "share = 1"),
    "all-bank refresh worth eight": ("sum(~served[bank] for bank in range(BANKS))", "BANKS"),
    "never in a hurry": ("together = (owed >= URGENT) | ", "together = "),
    "busy banks at once where it is hot": ("everything & self.idle.all() |", "everything |"),
    "idle banks late where it is hot": ("everything & self.idle.all() |", ""),
    "busy banks never where it is hot": ("everything & (owed >= FORCED) |", ""),
    "one round at a time": ("m.If(self.all_banks & (owed >= BANKS))", "m.If(0)"),
    "no calm": ("m.Elif(self.all_banks & self.upkeep)", "m.Elif(0)"),
    "no round for the calm": ("everything & self.idle.all() | self.upkeep)", "everything & self.idle.all())"),
    "a calm of commands": ("m.d.comb += self.calm.eq(1)", "m.d.comb += [self.calm.eq(1), following.eq(0)]"),
    "tZQLAT forgotten": ("wait.eq(recoveries[\"calm\"])", "wait.eq(1)"),
    "due while it is off": ("self.due.eq(self.enable)", "self.due.eq(1)"),
}


class Bench:
    """``idle``: a function of the random source, which banks nothing waits for; it is asked every cycle. ``closing``:
    chance that a bank that is held closes in a cycle.

    Members
    -------
    owed: most refreshes of a bank that were due and not done at any time.
    done: how many there were. ``forced``: those of busy banks.
    """

    def __init__(self, refresher, cycles, idle, temperature=Temperature.TIMES_1, closing=0.2, seed=1):
        self.dut = refresher(CONFIG)
        self.cycles, self.idle, self.temperature, self.rng = cycles, idle, temperature, random.Random(seed)
        self.closing = closing
        self.owed = self.done = self.forced = 0
        self._timing = CONFIG.timing()
        self._open = 0              # banks with an open row
        self._served = 0
        self._held = self._due = 0
        self._before = (0, 0)       # idle banks and refreshes owed when a choice was made
        self._taken = None          # cycle and clocks of the refresh that goes on

    async def bench(self, ctx):
        dut, rng = self.dut, self.rng
        ctx.set(dut.idle, ALL)
        ctx.set(dut.enable, 1)
        ctx.set(dut.temperature, self.temperature.value)
        for cycle in range(self.cycles):
            idle = self.idle(rng)
            ctx.set(dut.idle, idle)
            hold = ctx.get(dut.hold)
            for bank in range(BANKS):
                if hold >> bank & 1 and self._taken is None:
                    self._open &= ~(rng.random() < self.closing) << bank | ALL ^ 1 << bank
                elif not hold >> bank & 1 and rng.random() < 0.5:
                    self._open |= 1 << bank
            ctx.set(dut.parked, ~self._open & ALL)
            self._chosen(cycle, hold, ctx.get(dut.all_banks))
            ready = ctx.get(dut.ready)
            taken = ready and rng.random() < 0.4
            ctx.set(dut.taken, taken)
            self._before = idle, self._due
            if ready:
                self._refresh(cycle, hold, ctx.get(dut.bank), ctx.get(dut.all_banks), taken)
            self._due += ctx.get(dut.due)
            self.owed = max(self.owed, self._due)
            await ctx.tick()

    def _chosen(self, cycle, hold, everything):
        """A hold begins or ends."""
        if hold and not self._held:
            idle, owed = self._before
            assert owed > 0, "nothing was due"
            if everything:
                assert hold == ALL and owed >= BANKS
                hot = INTERVALS[self.temperature] < 1 / 2
                assert owed >= URGENT or (hot and (owed >= FORCED or idle == ALL)), "all banks although it can wait"
            else:
                assert hold.bit_count() == 1 and not hold & self._served
                if not hold & idle:
                    assert not idle & ~self._served, "a busy bank although there are idle ones"
                    assert owed >= FORCED, "a busy bank although it can wait"
                    self.forced += 1
        elif self._held and hold != self._held:
            assert hold == 0 and self._taken, "released before the refresh"
            start, clocks = self._taken
            # REF has two clocks, ACT four.
            assert clocks - 2 <= (cycle - start) * CONFIG.ratio <= clocks + CONFIG.ratio
            self._taken = None
        self._held = hold

    def _refresh(self, cycle, hold, bank, everything, taken):
        assert not hold & self._open, "a bank is open"
        assert hold and (everything or hold == 1 << bank)
        if not taken:
            return
        if self._taken:
            start, clocks = self._taken
            assert (cycle - start) * CONFIG.ratio >= clocks
        self._taken = cycle, self._timing.RFCAB if everything else self._timing.RFCPB
        worth = (hold & ~self._served).bit_count()      # a round that is cut short counts once
        self._served = 0 if self._served | hold == ALL else self._served | hold
        self._due -= worth
        self.done += worth


def simulated(refresher, cycles, idle, temperature=Temperature.TIMES_1, closing=0.2):
    bench = Bench(refresher, cycles, idle, temperature, closing)
    run(bench.dut, bench.bench, cycles=cycles + 10)
    return bench


@pytest.mark.parametrize("temperature", Temperature)
def test_interval(temperature, refresher=Refresher):
    """Eight times the time from one to the next, the time of a round, is the interval, on average; memory clocks that
    are no whole cycle come later, but are not lost."""
    dut = refresher(CONFIG)
    strobes = []

    async def bench(ctx):
        ctx.set(dut.temperature, temperature.value)
        for cycle in range(600):
            ctx.set(dut.enable, cycle >= 100)
            assert cycle >= 100 or not ctx.get(dut.due)
            if ctx.get(dut.due):
                strobes.append(cycle)
            await ctx.tick()

    run(dut, bench, cycles=700)
    wanted = CONFIG.timing().REFI * INTERVALS[temperature] / BANKS / CONFIG.ratio
    assert all(abs(later - earlier - wanted) < 1 for earlier, later in pairwise(strobes))
    assert abs(strobes[-1] - strobes[0] - (len(strobes) - 1) * wanted) < 1


def test_idle_banks(refresher=Refresher):
    """They are refreshed as soon as it is due, every bank once in a round."""
    bench = simulated(refresher, 1200, lambda _: ALL)
    assert bench.owed <= 3 and bench.done >= 34 and not bench.forced


def test_a_bank_that_is_seldom_idle(refresher=Refresher):
    """The others do not wait for it, and those that had their turn are not refreshed instead."""
    bench = simulated(refresher, 1500, lambda rng: ALL & ~4 | (rng.random() < 0.005) << 2)
    assert bench.done >= 16 and bench.owed <= FORCED + 2


def test_busy_banks(refresher=Refresher):
    """After `FORCED` have been put off they get their turns; half of what may be put off is never reached."""
    bench = simulated(refresher, 2200, lambda _: 0)
    assert FORCED <= bench.owed <= FORCED + 2 and bench.forced >= 25


@pytest.mark.parametrize("temperature", [Temperature.HALF, Temperature.QUARTER])
def test_hot(temperature, refresher=Refresher):
    """At a quarter of the interval all banks at once, several rounds when some of them are in use."""
    bench = simulated(refresher, 1000, lambda rng: rng.getrandbits(BANKS), temperature)
    most = {Temperature.HALF: 2 * BANKS, Temperature.QUARTER: FORCED + BANKS}[temperature]
    expected = 1000 * CONFIG.ratio * BANKS / CONFIG.timing().REFI / INTERVALS[temperature]
    assert expected - most <= bench.done <= expected and bench.owed <= most


def test_hot_and_idle(refresher=Refresher):
    """All banks at once, as soon as a round is due."""
    bench = simulated(refresher, 500, lambda _: ALL, Temperature.QUARTER)
    assert bench.owed <= 2 * BANKS and bench.done >= 6 * BANKS


def test_banks_that_close_slowly(refresher=Refresher):
    """One at a time would not keep up: all at once, and what is owed stays below what JEDEC lets wait."""
    bench = simulated(refresher, 4000, lambda _: 0, Temperature.HALF, closing=0.05)
    assert URGENT <= bench.owed < URGENT + BANKS


def test_calm(refresher=Refresher):
    """It comes with the next round, lasts until it is finished, and tZQLAT longer; no bank is released before."""
    dut, timing = refresher(CONFIG), CONFIG.timing()

    async def until(ctx, condition, limit):
        """Cycles until ``condition``, of busy banks; every refresh is sent."""
        for cycle in range(limit):
            if condition():
                return cycle
            ctx.set(dut.taken, ctx.get(dut.ready))
            await ctx.tick()
        raise AssertionError(f"still not after {limit} cycles")

    async def bench(ctx):
        ctx.set(dut.enable, 1)
        ctx.set(dut.temperature, Temperature.TIMES_1.value)
        ctx.set(dut.parked, ALL)
        for length in (2, 40):
            await ctx.tick().repeat(100)
            assert not ctx.get(dut.hold), "busy banks can wait"
            ctx.set(dut.upkeep, 1)
            await until(ctx, lambda: ctx.get(dut.calm), 9 * timing.REFI // BANKS // CONFIG.ratio)
            for _ in range(length):
                assert ctx.get(dut.calm) and ctx.get(dut.hold) == ALL and not ctx.get(dut.ready)
                await ctx.tick()
            ctx.set(dut.finished, 1)
            await ctx.tick()
            ctx.set(dut.finished, 0)
            ctx.set(dut.upkeep, 0)
            held = 1 + await until(ctx, lambda: ctx.get(dut.hold) != ALL, 20)
            assert timing.ZQLAT <= held * CONFIG.ratio <= timing.ZQLAT + 2 * CONFIG.ratio and not ctx.get(dut.hold)

    run(dut, bench, cycles=2000)


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_refresher_is_caught(name):
    broken = mutate("dojang_hdl.lpddr4.refresh", *MUTATIONS[name]).Refresher
    with pytest.raises(AssertionError):
        for temperature in (Temperature.TIMES_1, Temperature.HALF, Temperature.TOO_COLD):
            test_interval(temperature, broken)
        for test in (test_idle_banks, test_a_bank_that_is_seldom_idle, test_busy_banks, test_banks_that_close_slowly,
                     test_hot_and_idle, test_calm):
            test(broken)
        test_hot(Temperature.QUARTER, broken)
