"""When the temperature is read and the impedance calibrated, in which order, and that it stops when nothing answers."""

import random
from itertools import pairwise

import pytest
from dojang_hdl.lpddr4.timing import Lpddr4Config
from dojang_hdl.lpddr4.upkeep import Upkeep
from dojang_sim.benches.mutation import mutate
from dojang_sim.benches.streams import run

CONFIG = Lpddr4Config(upkeep_ns=200_000)
EIGHTH_NS = 3904 / 8

MUTATIONS = {
    "never again": ("with m.If(self.due & (count == self._rest - 1)):", "with m.If(0):"),
    "without a turn": ("m.d.comb += [self.turn.eq(1), self.register.eq(self.calm)]",
                       "m.d.comb += [self.turn.eq(1), self.register.eq(1)]"),
    "latch without a turn": ("self.latch.eq(self.calm)", "self.latch.eq(1)"),
    "latch too early": ("CALIBRATION_EIGHTHS = 16", "CALIBRATION_EIGHTHS = 2"),
    "read twice": ("with m.If(self.register_taken):", "with m.If(self.register_taken & ~self.due):"),
    "rarely": ("DELAY_EIGHTHS = 24 * BANKS", "DELAY_EIGHTHS = 0"),
    "turn kept": ("self.finished.eq(self.start | self.latch)", "self.finished.eq(self.latch)"),
    "latched for ever": ("with m.If(self.calm):", "with m.If(0):"),
}


def check(upkeep=Upkeep):
    """``due`` every other cycle; turns come after 9 intervals at most, registers are read at any time in them."""
    dut, rng = upkeep(CONFIG), random.Random(4)
    events = []     # (eighths so far, what)

    async def bench(ctx):
        eighths, asked, calm = 0, 0, False
        for cycle in range(3_000):
            due = cycle % 2 == 1
            turn = ctx.get(dut.turn)
            calm = turn and (calm or asked > 71 or rng.random() < 0.05)
            asked = asked + due if turn else 0
            ctx.set(dut.due, due)
            ctx.set(dut.calm, calm)
            register = ctx.get(dut.register)
            assert calm or not register, "read in the midst of others"
            taken = register and rng.random() < 0.2
            ctx.set(dut.register_taken, taken)
            for happens, what in (taken, "read"), (ctx.get(dut.start), "start"), (ctx.get(dut.latch), "latch"):
                if happens:
                    assert calm
                    assert what == "read" or ctx.get(dut.finished)
                    events.append((eighths, what))
            if ctx.get(dut.finished):
                calm = False
            eighths += due
            await ctx.tick()

    run(dut, bench, cycles=3_010)
    names = [what for _, what in events]
    assert len(names) >= 9 and names == (["read", "start", "latch"] * len(names))[:len(names)]
    latches = [at for at, what in events if what == "latch"]
    starts = [at for at, what in events if what == "start"]
    assert events[0][0] <= 80, "not read at first"
    for start, latch in zip(starts, latches, strict=False):
        assert (latch - start) * EIGHTH_NS / 4 >= 1_000, "tZQCAL at a quarter of the interval"
    for one, other in pairwise(latches):
        assert 100_000 <= (other - one) * EIGHTH_NS <= CONFIG.upkeep_ns


def test_order_and_intervals():
    check()


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_upkeep_is_caught(name):
    with pytest.raises(AssertionError):
        check(mutate("dojang_hdl.lpddr4.upkeep", *MUTATIONS[name]).Upkeep)
